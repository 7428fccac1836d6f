"""Lists of scenes, as CSV or as STAC items: whatever is wrong with one is said before anything is mapped.

A list may be somebody else's. So its files lie in its own directory or below, on this machine, and its names are plain.
"""

import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import dates, sensors
from tsmu_jax.inventory.rows import Dates
from tsmu_jax.inventory.sensors import Sensors
from tsmu_jax.many import csv_rows, stac_items
from tsmu_jax.many.output import OURS

FLAG = "--scenes"
_FILES = ("pre", "post", "aoi", "mask")
_TEXTS = ("pre_date", "post_date", "pre_sensor", "post_sensor", "crs", "decoder")
COLUMNS = ("name", *_FILES, *_TEXTS)
LAYERS = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".gml", ".kml", ".zip")  # of ecoregions, for `decoder`
_ELSEWHERE = re.compile(r"^/vsi|://", re.IGNORECASE)
_ODD = frozenset('\\/:*?"<>|')  # what some file system or shell takes for something else
_LONGEST = 100  # characters of a name


class Listed(NamedTuple):
    """One scene of a list; None for what the list leaves to the command's flags.

    Attributes:
      name: of the scene's directory.
      pre, post, aoi, mask: absolute paths of files that are there.
      decoder: an ecoregion, a decoder, "auto", or the absolute path of a layer (and ":" and a column).
      where: in the list it stands, for messages.
    """

    name: str
    pre: Path | None
    post: Path
    aoi: Path | None
    mask: Path | None
    crs: str | None
    decoder: str | None
    dates: Dates
    sensors: Sensors
    where: str


def read(
    path: Path,
    *,
    pre_date: str | None = None,
    post_date: str | None = None,
    pre_sensor: str | None = None,
    post_sensor: str | None = None,
) -> list[Listed]:
    """Reads and checks a whole list.

    Args:
      path: of a CSV file, or of STAC items in a file whose name ends in .json or .geojson.
      pre_date, post_date, pre_sensor, post_sensor: of scenes for which the list has none.

    Raises:
      UserError: the list cannot be read or is empty, or a scene in it is wrong or there twice; names its line.
    """
    said = f"{FLAG}={path}"
    if not path.is_file():
        raise UserError(f"{said}: no such file; give a list of scenes, as CSV or as STAC items in JSON")
    flags = {"pre_date": pre_date, "post_date": post_date, "pre_sensor": pre_sensor, "post_sensor": post_sensor}
    reader = stac_items if path.suffix.lower() in (".json", ".geojson") else csv_rows
    found: list[Listed] = []
    names: dict[Any, str] = {}
    pairs: dict[Any, str] = {}
    for where, values in reader.rows(path, said, COLUMNS):
        place = f"{said}: {where}"
        one = _listed(values, path.parent, place, flags)._replace(where=where)
        _once(names, _folded(one.name), where, said, f"the name {one.name!r:.100}", "give each scene a name of its own")
        images = tuple(os.path.realpath(file) for file in (one.pre, one.post) if file)
        _once(pairs, images, where, said, f"the images of {one.name!r:.100}", "list each pair once")
        found.append(one)
    if not found:
        raise UserError(f"{said}: lists no scene; give at least one")
    return found


def _listed(values: Mapping[str, str], root: Path, place: str, flags: Mapping[str, str | None]) -> Listed:
    """One scene of a list. Raises UserError where something is missing, or nonsense."""
    if not values.get("post"):
        raise UserError(f"{place}: has no post, the image after the event; name its file")
    files = {role: _file(root, values[role], place, role) if values.get(role) else None for role in _FILES}
    name = values.get("name") or _name_of(Path(values["post"]))
    _check_name(name, place)
    has_pre = files["pre"] is not None
    own = flags if has_pre else {**flags, "pre_sensor": None}
    said = {name: values.get(name) or flag for name, flag in own.items()}
    try:
        taken = dates.read(said["pre_date"], said["post_date"], pre=values.get("pre"), post=values["post"])
        named = sensors.read(said["pre_sensor"], said["post_sensor"], has_pre=has_pre)
    except UserError as error:
        raise UserError(f"{place}: {str(error).removeprefix('--')}") from error
    post = files["post"]
    assert post is not None  # it has a name
    decoder = _decoder(root, values["decoder"], place) if values.get("decoder") else None
    crs = values.get("crs") or None
    return Listed(name, files["pre"], post, files["aoi"], files["mask"], crs, decoder, taken, named, place)


def _name_of(post: Path) -> str:
    """The name of a scene without one: that of its image, without _post."""
    stem = post.stem
    return stem[: -len("_post")] if stem.lower().endswith("_post") and len(stem) > len("_post") else stem


def _check_name(name: str, place: str) -> None:
    """Raises UserError where a name is no name of a directory everywhere."""
    plain = untrusted.is_name(name) and name.isprintable() and not _ODD & {*name} and len(name) <= _LONGEST
    if not plain or name[0] in ".-~ " or name[-1] in ". " or _folded(name) in OURS:
        words = "letters, digits, spaces and any of ._-+, not more than a hundred, none of .-~ first"
        raise UserError(f"{place}: {name!r:.100} is no name for the directory of its map; use {words}")


def _file(root: Path, text: str, place: str, role: str) -> Path:
    """The file that a list names. Raises UserError where it is none, or lies elsewhere."""
    if _ELSEWHERE.search(text):
        raise UserError(f"{place}: {role} {text!r:.100} is no file of this machine; copy it here and name the copy")
    try:
        path = Path(os.path.abspath(root / text))
        real, home = Path(os.path.realpath(path)), Path(os.path.realpath(root))
        inside, there = real.is_relative_to(home), path.is_file()
    except (OSError, ValueError):  # a NUL, surrogates, a name that is too long
        raise UserError(f"{place}: {role} {text!r:.100} is no name of a file") from None
    if not inside:
        remedy = "put the list into a directory above its images"
        raise UserError(f"{place}: {role} {text!r:.100} leads out of the list's directory; {remedy}")
    if not there:
        raise UserError(f"{place}: {role} {text!r:.100}: no such file")
    return path


def _decoder(root: Path, text: str, place: str) -> str:
    """A decoder, or the layer that chooses one, with its absolute path."""
    path, _, column = text.rpartition(":")
    for file, rest in ((text, ""), (path, f":{column}")):
        if Path(file).suffix.lower() in LAYERS:
            return f"{_file(root, file, place, 'decoder')}{rest}"
    return text


def _once(seen: dict[Any, str], key: Any, where: str, said: str, what: str, remedy: str) -> None:
    if key in seen:
        raise UserError(f"{said}: {where}: has {what}, as {seen[key]} has; {remedy}")
    seen[key] = where


def _folded(name: str) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", name).casefold()
