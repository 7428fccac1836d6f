"""Checks a scene's image before it is read: its sources, its place on the ground, its bands."""

import hashlib
import html
import re
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.data import names, rasters
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.scenes import transparency
from tsmu_jax.words import counted

_MOST_VRT = 64 * 2**20  # bytes of a VRT's description
_HEAD = 2**16  # bytes: more than GDAL looks at to know a format
_SOURCE = re.compile(rb"<Source(?:Filename|Dataset|VRTDataset)([^>]*)>([^<]*)<", re.IGNORECASE)
_DESCRIPTION = re.compile(rb"\A\s*(?:<[a-z!?]|\{\s*[\"'])|<GDAL|<W[CM]S|gdal_streamed_alg", re.IGNORECASE)
_RELATIVE = re.compile(rb"relativeToVRT\s*=\s*[\"']\s*(?:1|yes|true|on)", re.IGNORECASE)
_ELSEWHERE = re.compile(r"/vsi|://|^<", re.IGNORECASE)


class Stated(NamedTuple):
    """Statements of the user about an image; None where nothing was stated.

    Attributes:
      bands: which are red, green and blue, counted from 1.
      crs: of images with coordinates, but without a reference system, as "EPSG:32633".
    """

    bands: tuple[int, int, int] | None = None
    crs: str | None = None


NOTHING = Stated()


def check_sources(path: Path, said: str) -> list[Path]:
    """The file and, of a virtual raster, the files that it takes pixels from, also by way of other virtual rasters.

    Args: said: the flag and the file, for errors.

    Raises:
      UserError: there is no such file, or a virtual raster names something else than files of this machine.
    """
    if not path.is_file():
        raise UserError(f"{said}: no such file")
    found = {path: None}  # in their order
    waiting = [path]
    while waiting:
        sources = [one for one in _sources(waiting.pop(0), said) if one not in found]
        found |= dict.fromkeys(sources)
        waiting += sources
    return list(found)


def _sources(path: Path, said: str) -> list[Path]:
    """The files that a virtual raster names; none of another file. Raises UserError where one is no such file."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if b"\0" in head[:64] or b"<vrtdataset" not in head.lower():  # GDAL takes it for one whatever stands before
            return []
        file.seek(0)
        content = file.read(_MOST_VRT)
    found = []
    for attributes, named in _SOURCE.findall(content):
        name = html.unescape(named.decode("utf-8", "replace")).strip()
        source = path.parent / name if _RELATIVE.search(attributes) else Path(name)
        if _ELSEWHERE.search(name) or not source.is_file() or _leads(source):
            raise UserError(f"{said}: takes pixels from {name!r:.100}, which is no file of this machine; copy it here")
        found.append(source)
    return found


def _leads(path: Path) -> bool:
    """Whether a file describes a service, a pipeline or a list of files, which GDAL would follow."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return b"<vrtdataset" not in head.lower() and bool(_DESCRIPTION.search(head))


def file_digest(path: Path, said: str) -> str:
    """SHA-256 of a raster file; of a virtual raster, also of the files that it takes pixels from.

    Raises UserError as `check_sources` does.
    """
    found = []
    for one in check_sources(path, said):
        with one.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return found[0] if len(found) == 1 else hashlib.sha256(" ".join(found).encode()).hexdigest()


def place(dataset: Any, path: Path, stated: Stated, said: str) -> tuple[Any, Any]:
    """The coordinate reference system and the affine transform of a dataset: its own, or by the paper's names.

    Raises:
      UserError: it has none, or is placed by points alone.
    """
    from rasterio.crs import CRS

    if not dataset.transform.is_identity and (dataset.crs or stated.crs):
        try:
            return dataset.crs or CRS.from_user_input(stated.crs), dataset.transform
        except ValueError as error:
            raise UserError(f"--crs={stated.crs}: is no coordinate reference system; give one as EPSG:32633") from error
    try:
        named = names.parse(path.name)
        if named and named.corners:
            west, south, east, north = names.footprint(named.corners)
            across, down = (east - west) / dataset.width, (north - south) / dataset.height
            return CRS.from_epsg(4326), type(dataset.transform)(across, 0.0, west, 0.0, -down, north)
    except ValueError as error:
        raise UserError(f"{said}: {error}") from error
    if dataset.gcps[0] or dataset.rpcs:
        held = "ground control points" if dataset.gcps[0] else "rational polynomials (RPC)"
        raise UserError(f"{said}: is placed by {held} alone; warp it first, as gdalwarp -t_srs EPSG:4326 does")
    if dataset.transform.is_identity:
        raise UserError(f"{said}: has no coordinates, so it has no place on a map; give a georeferenced image")
    raise UserError(f"{said}: has no coordinate reference system; state it, as --crs=EPSG:32633")


def bands(dataset: Any, trained: Intensities, stated: Stated, said: str) -> tuple[int, int, int]:
    """Red, green and blue of a dataset: those that were stated, or those of the training.

    Raises:
      UserError: they are not there, nobody can tell them, they hold other values than in training, or nobody can tell
        which pixels are transparent (`transparency`).
    """
    from rasterio.enums import ColorInterp

    if ColorInterp.palette in dataset.colorinterp:
        raise UserError(f"{said}: holds colours by a palette; save it as RGB")
    held = [number for number, kind in enumerate(dataset.colorinterp, 1) if kind != ColorInterp.alpha]
    found = stated.bands or ((held[0],) * 3 if len(held) == 1 else trained.bands)
    named = list(dataset.colorinterp[:3]) == [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    if not stated.bands and not named and len(held) > len(found) and trained.bands == (1, 2, 3):
        remedy = "say which are red, green and blue: --bands=3,2,1"
        raise UserError(f"{said}: has {counted(len(held), 'band')}; {remedy}")
    if max(found) > dataset.count:
        has = counted(dataset.count, "band")
        raise UserError(f"{said}: has {has}, and band {max(found)} is asked for; state --bands")
    for number in found:
        if (dtype := dataset.dtypes[number - 1]) != trained.dtype:
            raise UserError(f"{said}: band {number} holds {dtype}, and the model was trained on {trained.dtype}")
    transparency.check(dataset, found, said)
    try:
        rasters.check_coding(dataset, said)
    except BadFile as error:
        raise UserError(str(error)) from error
    return found
