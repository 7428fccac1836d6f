"""Reads a configuration: checks it before anything else happens, and turns its strings into plain values."""

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from tsmu_jax.declaration import Range, Scope, Setting
from tsmu_jax.errors import UserError
from tsmu_jax.settings import SETTINGS, Config
from tsmu_jax.words import guess


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"data": {"size": 64}} becomes {"data.size": 64}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return flat


def short(keys: Iterable[str]) -> dict[str, str]:
    """Short names of keys that still tell them apart: {"data.size": "size", "rates.joint": "rates.joint"}."""
    keys = list(keys)
    leaves = {key: key.rpartition(".")[2] for key in keys}
    unclear = {key for key in keys if key in SETTINGS and SETTINGS[key].scope is Scope.OWN_PHASE}
    return {
        key: leaf if key not in unclear and list(leaves.values()).count(leaf) == 1 else key
        for key, leaf in leaves.items()
    }


def read(chosen: Mapping[str, Any]) -> Config:
    """Checks every value that can be checked without the data.

    Args:
      chosen: a nested dictionary with all settings.

    Raises:
      UserError: names the flag, what it must be and what it is.
    """
    flat = flatten(chosen)
    missing, unknown = sorted(SETTINGS.keys() - flat.keys()), sorted(flat.keys() - SETTINGS.keys())
    if missing:
        raise UserError(f"the configuration lacks {', '.join(missing)}; begin with a copy of configs/tsmu.py")
    if unknown:
        raise UserError(
            f"unknown setting {unknown[0]}{_near(unknown[0], SETTINGS)}; docs/settings.md lists the known ones"
        )
    for key, value in flat.items():
        _check(SETTINGS[key], value)
    labels = names(flat["data.labels"])
    if not labels or {"background", "unknown"} & set(labels):
        raise UserError(
            f"--config.data.labels={flat['data.labels']}: name the LabelMe labels that mean landslide; "
            "background cuts holes, unknown marks ground that nobody can judge"
        )
    _check_size(flat["data.size"], flat["model.depth"])
    return _build(Config(), chosen)


def _check(setting: Setting, value: Any) -> None:
    flag, permitted = f"--config.{setting.key}={value}", setting.permitted
    number = isinstance(setting.default, float) and type(value) is int
    if type(value) is not type(setting.default) and not number:
        wanted, found = type(setting.default).__name__, type(value).__name__
        raise UserError(f"{flag}: must be of type {wanted}, is {found}")
    if isinstance(permitted, tuple) and value not in permitted:
        guess = _near(str(value), map(str, permitted)).removeprefix("; ")
        raise UserError(f"{flag}: {guess and guess + ' '}known: {', '.join(map(str, permitted))}")
    if isinstance(permitted, Range):
        if not math.isfinite(value):
            raise UserError(f"{flag}: must be a finite number")
        if not permitted.holds(value):
            raise UserError(f"{flag}: must be {permitted}")


def _check_size(size: int, depth: int) -> None:
    stride = 2 ** (depth - 1)
    if size % stride:
        lower = size // stride * stride
        sides = " or ".join(str(side) for side in (lower, lower + stride) if side)
        raise UserError(
            f"--config.data.size={size}: sides must be divisible by {stride}, since the decoder halves them "
            f"{depth - 1} times; try {sides}"
        )


def _near(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _build(section: Any, values: Mapping[str, Any]) -> Any:
    """Turns nested dictionaries into the sections that the settings declare. Args: section: one with its defaults."""
    read = {}
    for field in dataclasses.fields(section):
        default, value = getattr(section, field.name), values[field.name]
        read[field.name] = _build(default, value) if dataclasses.is_dataclass(default) else type(default)(value)
    return type(section)(**read)


def names(text: str) -> tuple[str, ...]:
    """Splits a list: "a, b" becomes ("a", "b")."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def counts(text: str, *, key: str) -> dict[str, int]:
    """Reads numbers by name: "etf=27,mwcf=30" becomes {"etf": 27, "mwcf": 30}. Raises UserError for another form."""
    found = {}
    for word in names(text):
        name, _, number = word.partition("=")
        if not name or not number.isdecimal() or int(number) == 0:
            raise UserError(f"--config.{key}={text}: {word!r} is not of the form name=number, of 1 or more")
        if name in found:
            raise UserError(f"--config.{key}={text}: names {name} twice")
        found[name] = int(number)
    return found


def tiles(text: str) -> dict[str, int] | int | None:
    """Reads tile sizes: "" becomes None, "200" becomes 200, "etf=200" becomes {"etf": 200}."""
    if not text:
        return None
    if "=" in text:
        return counts(text, key="data.tile")
    if not text.isdecimal() or int(text) == 0:
        raise UserError(f"--config.data.tile={text}: must be a side in pixels, 200, or sides by name, etf=200,nad=256")
    return int(text)


def arrivals(old_ecoregions: str, new_ecoregions: str, known: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which ecoregions the model starts with and which arrive later.

    Without new ecoregions the last of the known ones arrives; without old ones the model starts with all others.

    Args:
      old_ecoregions, new_ecoregions: `config.old` and `config.new`, "etf,mwcf".
      known: all ecoregions that there are.

    Raises:
      UserError: an ecoregion is unknown, named twice, or none is left to start with.
    """
    known = list(known)
    for flag, chosen in (("old", names(old_ecoregions)), ("new", names(new_ecoregions))):
        for name in chosen:
            if name not in known:
                meant = f"; {found}" if (found := guess(name, known)) else ""
                raise UserError(f"--config.{flag}: no ecoregion {name!r}{meant} (there are {', '.join(known)})")
            if chosen.count(name) > 1:
                raise UserError(f"--config.{flag} names {name} twice")
    late = names(new_ecoregions) or tuple(name for name in known if name not in names(old_ecoregions))[-1:]
    early = names(old_ecoregions) or tuple(name for name in known if name not in late)
    both = sorted(set(early) & set(late))
    if both:
        raise UserError(f"--config.old and --config.new both name {', '.join(both)}")
    if not early or not late:
        raise UserError(f"one ecoregion to start with and one that arrives are needed; there are {', '.join(known)}")
    return early, late
