"""A list of scenes as STAC items: an ItemCollection, a list of items, or one item.

An item is a scene, its `id` the name. Its assets are found by their keys, `pre`, `post`, `aoi` and `mask`, or by a role
of that name. Dates are the assets' own `datetime`, else the item's `start_datetime` and `end_datetime`. Sensors are
`platform` and `instruments` of the assets, else of the item. The properties `tsmu:crs` and `tsmu:decoder` are the
columns of that name.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError

ROLES = ("pre", "post", "aoi", "mask")
_DAYS = {"pre": "start_datetime", "post": "end_datetime"}
_OURS = "tsmu:"


def rows(path: Path, said: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields each item's place and its values by column.

    Args: said: the flag and the file, for errors; columns: the known ones.

    Raises:
      UserError: the file cannot be read, or an item is none.
    """
    try:
        whole = untrusted.read(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{said}: cannot be read ({error!s:.200}); give an ItemCollection of STAC") from error
    for number, item in enumerate(_items(whole, said), start=1):
        where = f"item {number}"
        try:
            name = _text(item["id"], "id")
            where += f" ({name:.60})" if untrusted.is_name(name) else ""
            yield where, {"name": name} | _values(item, columns)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"has no {error.args[0]}" if isinstance(error, KeyError) else f"{error!s:.200}"
            raise UserError(f"{said}: {where}: is no STAC item ({reason}); give its id and its assets") from error


def _items(whole: Any, said: str) -> Sequence[Any]:
    if isinstance(whole, dict):
        whole = [whole] if whole.get("type") == "Feature" else whole.get("features")
    if not isinstance(whole, list):
        raise UserError(f"{said}: holds no items; give an ItemCollection of STAC, or a list of items")
    return whole


def _values(item: Mapping[str, Any], columns: Sequence[str]) -> dict[str, str]:
    assets, properties = dict(item["assets"]), dict(item.get("properties") or {})
    found = {}
    for role in ROLES:
        asset = _asset(assets, role)
        if asset is None:
            continue
        found[role] = _path(_text(asset["href"], "href"))
        if role in _DAYS:
            day = asset.get("datetime") or properties.get(_DAYS[role])
            found[f"{role}_date"] = _text(day, "datetime") if day else ""
            found[f"{role}_sensor"] = _sensor(asset, properties)
    for name, value in properties.items():
        if name.startswith(_OURS):
            column = name.removeprefix(_OURS)
            if column not in set(columns) - {"name", *ROLES}:
                raise ValueError(f"unknown property {name!r:.100}")
            found[column] = _text(value, name)
    return found


def _asset(assets: Mapping[str, Any], role: str) -> Mapping[str, Any] | None:
    """The asset with a role: by its key, else the only one that names the role; None where there is none."""
    if role in assets:
        return dict(assets[role])
    named = [dict(asset) for asset in assets.values() if role in (asset.get("roles") or ())]
    if len(named) > 1:
        raise ValueError(f"{len(named)} assets have the role {role!r}")
    return named[0] if named else None


def _sensor(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> str:
    """The platform of an image, and its instruments between brackets; "" where nothing is said."""
    platform, instruments = (asset.get(name) or properties.get(name) for name in ("platform", "instruments"))
    instruments = [instruments] if isinstance(instruments, str) else instruments
    if instruments and not isinstance(instruments, list):
        raise ValueError(f"instruments is {instruments!r:.100}")
    aboard = ", ".join(_text(one, "instruments") for one in instruments or ())
    if not platform:
        return aboard
    return _text(platform, "platform") + (f" ({aboard})" if aboard else "")


def _path(href: str) -> str:
    """The path of a file's URL; any other reference as it is."""
    parts = urlsplit(href)
    return unquote(parts.path) if parts.scheme == "file" and parts.netloc in ("", "localhost") else href


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{what} is {value!r:.100}")
    return value.strip()
