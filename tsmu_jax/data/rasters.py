"""Rasters that 8-bit RGB cannot hold, and where on the ground they lie. The only file that names rasterio."""

import contextlib
import math
import threading
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.geography import degree_m
from tsmu_jax.data.images import Decoded
from tsmu_jax.data.source import Footprint, Intensities
from tsmu_jax.data.stated import CHANNELS, Stated
from tsmu_jax.errors import UserError

_STEP_PX = 64  # over which the size of a pixel is measured, so that degrees keep their digits
_OPENING = threading.Lock()  # filters of warnings belong to the process


class Georeference(NamedTuple):
    """Where a raster lies.

    Attributes:
      gsd_m: metres of ground that a pixel covers down and across.
    """

    gsd_m: tuple[float, float]
    footprint: Footprint


def decode(data: bytes, path: str, stated: Stated) -> Decoded:
    """Decodes chosen bands by stated ranges.

    Args:
      data: bytes of the file, in any format that rasterio reads.
      path: named in errors.
      stated: bands and ranges; without ranges the file must hold 8 bits.

    Raises:
      BadFile: it does not decode, lacks a band, or its values need a range.
    """
    with _opened(data, path) as dataset:
        bands = stated.bands or _only_bands(dataset, path)
        if max(bands) > dataset.count:
            raise BadFile(path, f"has {dataset.count} bands, and band {max(bands)} is needed")
        dtype = str(dataset.dtypes[bands[0] - 1])
        if stated.ranges is None and dtype != "uint8":
            raise BadFile(path, f"holds {dtype}; say which values are black and white: --range=LOW:HIGH")
        values = dataset.read(bands)
        observed = _observed(dataset, bands, values)
    ranges = stated.ranges or ((0.0, 255.0),) * CHANNELS
    low, high = (np.array(bound, np.float64)[:, None, None] for bound in zip(*ranges, strict=True))
    unit = np.clip((np.nan_to_num(values.astype(np.float64)) - low) / (high - low), 0.0, 1.0)
    rgb = np.ascontiguousarray(np.moveaxis(np.round(255 * unit).astype(np.uint8), 0, -1))
    return Decoded(rgb, observed, Intensities(dtype, bands, ranges))


def georeference(data: bytes, path: str) -> Georeference | None:
    """Where a raster lies, by its own coordinates; None where it has none.

    A pixel's size is measured at the middle of the image, so the unit of the coordinates and the scale of the
    projection do not matter.

    Raises:
      BadFile: it does not open, or its coordinates lie outside of the globe.
    """
    from rasterio.warp import transform

    with _opened(data, path) as dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            return None
        height, width = dataset.height, dataset.width
        middle = (width / 2, height / 2)
        points = [middle, (middle[0], middle[1] + _STEP_PX), (middle[0] + _STEP_PX, middle[1])]
        points += [(0, 0), (width, 0), (0, height), (width, height)]
        try:
            a, b, c, d, e, f = dataset.transform[:6]
            xs, ys = [a * x + b * y + c for x, y in points], [d * x + e * y + f for x, y in points]
            longitudes, latitudes = transform(dataset.crs, "EPSG:4326", xs, ys)
        except Exception as error:  # GDAL raises what PROJ says
            raise BadFile(path, f"its coordinates cannot be used ({error}); mend its georeference") from None
    if not all(map(math.isfinite, (*longitudes, *latitudes))) or max(map(abs, latitudes)) > 90:
        raise BadFile(path, "its coordinates lie outside of the globe; mend its georeference")
    across_m, down_m = degree_m(latitudes[0])
    down, across = (
        math.hypot((longitudes[i] - longitudes[0]) * across_m, (latitudes[i] - latitudes[0]) * down_m) / _STEP_PX
        for i in (1, 2)
    )
    corners = Footprint(min(longitudes[3:]), min(latitudes[3:]), max(longitudes[3:]), max(latitudes[3:]))
    return Georeference((down, across), corners)


@contextlib.contextmanager
def _opened(data: bytes, path: str) -> Iterator[Any]:
    """A dataset in memory. Raises BadFile for whatever goes wrong while it is open."""
    try:
        import rasterio
    except ImportError:
        needed = "bands, ranges and coordinates of rasters need rasterio"
        raise UserError(f"{path}: {needed}: pip install rasterio") from None
    try:
        with rasterio.MemoryFile(data) as file:
            with _OPENING, warnings.catch_warnings():
                warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
                dataset = file.open()
            with dataset:
                yield dataset
    except rasterio.errors.RasterioError as error:
        raise BadFile(path, f"does not decode ({error}); replace the file") from None


def _only_bands(dataset: Any, path: str) -> tuple[int, int, int]:
    """Red, green and blue of a file whose bands leave no choice."""
    from rasterio.enums import ColorInterp

    bands = [number for number, kind in enumerate(dataset.colorinterp, 1) if kind != ColorInterp.alpha]
    if len(bands) not in (1, CHANNELS):
        raise BadFile(path, f"has {len(bands)} bands; say which are red, green and blue: --bands=3,2,1")
    red, green, blue = bands * CHANNELS if len(bands) == 1 else bands
    return red, green, blue


def _observed(dataset: Any, bands: tuple[int, int, int], values: np.ndarray) -> np.ndarray | None:
    """bool[h, w], where the file has data; None if everywhere. A pixel lacks data where all of its bands do."""
    from rasterio.enums import ColorInterp

    alpha = [number for number, kind in enumerate(dataset.colorinterp, 1) if kind == ColorInterp.alpha]
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    if set(alpha) & set(bands):  # somebody calls it alpha, and the user knows better
        if dataset.nodata is not None:
            missing |= values == dataset.nodata
    else:
        missing |= dataset.dataset_mask() == 0
    observed: np.ndarray = np.asarray(~missing.all(0))
    return None if observed.all() else observed
