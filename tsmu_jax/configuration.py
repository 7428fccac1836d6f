"""Checks a configuration before anything else happens, and turns its strings into plain values."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tsmu_jax.errors import UserError
from tsmu_jax.methods import METHODS, STATISTICS

CHOICES: dict[str, tuple[Any, ...]] = {
    "method": tuple(METHODS),
    "data.channels": (3, 6),
    "data.on_bad_file": ("error", "skip"),
    "data.old_sample": ("once", "anew"),
    "data.split": ("auto", "paper", "blocked"),
    "data.validation": ("disjoint", "paper"),
    "model.variant": ("table_ix", "text"),
    "model.dtype": ("float32", "bfloat16"),
    "optimizer.decay": ("weight", "schedule"),
    "optimizer.schedule": ("constant", "cosine"),
    "loss.dice": ("image", "batch"),
    "distillation.form": ("bce", "eq11", "mse"),
    "distillation.train_old": (False, True),
    "model.rematerialise": (False, True),
}

_positive = (lambda value: value > 0, "must be greater than 0")
_not_negative = (lambda value: value >= 0, "must not be negative")
_fraction = (lambda value: 0 <= value < 1, "must be at least 0 and less than 1")
_part = (lambda value: 0 < value < 1, "must be greater than 0 and less than 1")
RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "seed": (lambda value: 0 <= value < 2**32, "must be at least 0 and less than 2**32"),
    "batch_size": _positive,
    "checkpoint_minutes": _positive,
    "data.size": _positive,
    "data.test_pairs": _positive,
    "data.min_distance_m": _not_negative,
    "data.validation_fraction": _part,
    "data.validation_copies": _positive,
    "data.subsample": _not_negative,
    "data.new_pairs": _not_negative,
    "data.draws": _positive,
    "data.cache_gib": _not_negative,
    "data.features_gib": _not_negative,
    "data.workers": _positive,
    "data.synthetic.height": _positive,
    "data.synthetic.width": _positive,
    "model.width": _positive,
    "model.depth": (lambda value: 1 <= value <= 10, "must be between 1 and 10"),
    "model.dropout": _fraction,
    "model.prior": _part,
    "model.bn_momentum": _fraction,
    "loss.smoothing": _positive,
    "loss.cross_entropy": _not_negative,
    "optimizer.weight_decay": _not_negative,
    "optimizer.clip_norm": _not_negative,
    "distillation.temperature": _positive,
    "distillation.weight": _not_negative,
    "early_stopping.patience": _not_negative,
    "early_stopping.min_delta": _not_negative,
    "selection.side": _positive,
    "selection.hidden": _positive,
    "selection.epochs": _not_negative,
    "selection.rate": _positive,
    "selection.margin": _fraction,
}

BY_PHASE = ("epochs", "rates", "statistics")  # sections of the configuration with an entry for each phase

# What may differ between the runs that share a directory: none of it changes a number, but for rounding.
FREE = ("reuse", "checkpoint_minutes", "profile", "data.workers", "data.cache_gib", "model.rematerialise")


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
    unclear = {key for key in keys if key.startswith(tuple(f"{section}." for section in BY_PHASE))}
    return {
        key: leaf if key not in unclear and list(leaves.values()).count(leaf) == 1 else key
        for key, leaf in leaves.items()
    }


def check(config: Mapping[str, Any]) -> None:
    """Checks every value that can be checked without the data.

    Raises:
      UserError: names the flag, what it must be and what it is.
    """
    flat = flatten(config)
    missing = sorted({*CHOICES, *RANGES} - flat.keys()) + [section for section in BY_PHASE if section not in config]
    if missing:
        raise UserError(f"the configuration lacks {', '.join(missing)}; begin with a copy of configs/tsmu.py")
    choices = CHOICES | {key: tuple(STATISTICS) for key in flat if key.startswith("statistics.")}
    for key, known in choices.items():
        if flat[key] not in known:
            near = difflib.get_close_matches(str(flat[key]), map(str, known), n=1)
            guess = f"did you mean {near[0]}? " if near else ""
            options = ", ".join(map(str, known))
            raise UserError(f"--config.{key}={flat[key]}: {guess}known: {options}")
    ranges = RANGES | {key: _positive for key in flat if key.startswith(("epochs.", "rates."))}
    for key, (holds, requirement) in ranges.items():
        if not math.isfinite(flat[key]):
            raise UserError(f"--config.{key}={flat[key]}: must be a finite number")
        if not holds(flat[key]):
            raise UserError(f"--config.{key}={flat[key]}: {requirement}")
    labels = names(flat["data.labels"])
    if not labels or "background" in labels:
        raise UserError(
            f"--config.data.labels={flat['data.labels']}: name the LabelMe labels that mean landslide; "
            "background cuts holes and cannot be one"
        )
    stride = 2 ** (flat["model.depth"] - 1)
    size = flat["data.size"]
    if size % stride:
        lower = size // stride * stride
        sides = " or ".join(str(side) for side in (lower, lower + stride) if side)
        raise UserError(
            f"--config.data.size={size}: sides must be divisible by {stride}, since the decoder halves them "
            f"{flat['model.depth'] - 1} times; try {sides}"
        )


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


def arrivals(old: str, new: str, known: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which ecoregions the model starts with and which arrive later.

    Without `new` the last of the known ones arrives; without `old` the model starts with all others.

    Raises:
      UserError: an ecoregion is unknown, named twice, or none is left to start with.
    """
    known = list(known)
    for flag, chosen in (("old", names(old)), ("new", names(new))):
        for name in chosen:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                guess = f"; did you mean {near[0]}?" if near else ""
                raise UserError(f"--config.{flag}: no ecoregion {name!r}{guess} (there are {', '.join(known)})")
            if chosen.count(name) > 1:
                raise UserError(f"--config.{flag} names {name} twice")
    late = names(new) or tuple(name for name in known if name not in names(old))[-1:]
    early = names(old) or tuple(name for name in known if name not in late)
    both = sorted(set(early) & set(late))
    if both:
        raise UserError(f"--config.old and --config.new both name {', '.join(both)}")
    if not early or not late:
        raise UserError(f"one ecoregion to start with and one that arrives are needed; there are {', '.join(known)}")
    return early, late
