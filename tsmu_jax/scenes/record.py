"""The record of a map, `scene.json`, with sizes and digests of its rasters: whoever reads a finished map checks them.

Maps of releases that took no digests are read, too: of their rasters every block is decoded in place of the check.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tsmu_jax import digests
from tsmu_jax.digests import Files
from tsmu_jax.errors import UserError
from tsmu_jax.scenes import layers

MANIFEST = "scene.json"
FINISHED = "landslide_share"  # a record that has it is complete
_IMAGES = "image_files"  # on the disk; in memory "files", which there are the rasters

_whole: set[tuple[Any, ...]] = set()  # rasters that this process has written or checked, as they looked then


def read(directory: Path) -> tuple[dict[str, Any], dict[str, tuple[int, str]]]:
    """Reads the record of a map.

    Returns:
      The record, and sizes and digests of the rasters; none of an unfinished map, or of one of an earlier release.

    Raises:
      ValueError: it is no record, or has changed since it was written; names the file.
    """
    path = directory / MANIFEST
    record, rasters = digests.read(path)
    if _IMAGES in record:
        if FINISHED in record and not rasters:
            raise ValueError(f"{path}: has changed since it was written")  # has lost its digest
        record = {"files" if name == _IMAGES else name: value for name, value in record.items()}
    return record, rasters


def is_finished(directory: Path) -> bool:
    """Whether a directory holds the record of a finished map, whatever was asked for; its rasters are not looked at."""
    try:
        return FINISHED in read(directory)[0]
    except (OSError, ValueError):
        return False


def text(record: Mapping[str, Any], rasters: Files) -> dict[str, Any]:
    """The record as it is written."""
    named = {_IMAGES if name == "files" else name: value for name, value in record.items()}
    return digests.sealed(named, rasters)


def take(directory: Path, names: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Takes sizes and digests of rasters that were just written."""
    rasters = digests.taken(directory, *names)
    _whole.add(_look(directory, rasters))
    return rasters


def check(directory: Path, rasters: Files) -> None:
    """Checks the rasters of a finished map, once a process unless they change meanwhile.

    Args:
      rasters: as of `read`.

    Raises:
      UserError: one is damaged or gone; names it and the remedy.
    """
    look = _look(directory, rasters or dict.fromkeys(layers.NAMES, (0, "")))
    if look in _whole:
        return
    wrong = digests.damage(directory, rasters) if rasters else _unreadable(directory)
    if wrong:
        raise damaged(wrong, directory)
    _whole.add(look)


def damaged(what: object, directory: Path) -> UserError:
    """The error for a damaged map. Args: what: names the file, and what is wrong with it."""
    return digests.damaged(what, directory, anew="maps the scene")


def _look(directory: Path, rasters: Files) -> tuple[Any, ...]:
    """Changes whenever a raster does. Costs a look at each, and reads none."""
    looks: list[Any] = []
    for name in rasters:
        try:
            found = os.stat(directory / name)
            looks.append((found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
        except OSError:
            looks.append(None)
    return (os.path.abspath(directory), *rasters.items(), *looks)


def _unreadable(directory: Path) -> str | None:
    """Decodes all rasters. Names the first that cannot be decoded; None where all can."""
    import rasterio

    for name in (*layers.NAMES, layers.UNCERTAINTY):
        path = directory / name
        if name == layers.UNCERTAINTY and not path.exists():
            continue
        try:
            with rasterio.open(path) as file:
                for _, window in file.block_windows(1):
                    file.read(1, window=window)
        except rasterio.errors.RasterioError as error:
            return f"{path}: cannot be read ({str(error).splitlines()[0]:.200})"
    return None
