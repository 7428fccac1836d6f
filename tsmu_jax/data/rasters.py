"""Rasters that 8-bit RGB cannot hold, and where on the ground they lie, read from memory."""

import contextlib
import math
import threading
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.data import images
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.geography import degree_m
from tsmu_jax.data.images import Decoded
from tsmu_jax.data.source import Intensities, Outline
from tsmu_jax.data.stated import CHANNELS, Stated, example_bands
from tsmu_jax.data.tiles import Window
from tsmu_jax.errors import UserError
from tsmu_jax.words import counted

_STEP_PX = 64  # over which the size of a pixel is measured, so that degrees keep their digits
_DRIVERS = ("GTiff", "PNG", "JPEG", "BMP", "GIF", "JP2OpenJPEG")  # of GDAL: a VRT names other files, and addresses
_OPENING = threading.Lock()  # filters of warnings belong to the process


class Georeference(NamedTuple):
    """Where a raster lies.

    Attributes:
      gsd_m: metres of ground that a pixel covers down and across.
      outlines: of each window asked for; longitudes count on beyond 180 degrees.
    """

    gsd_m: tuple[float, float]
    outlines: tuple[Outline, ...]


def decode(data: bytes, path: str, stated: Stated) -> Decoded:
    """Decodes chosen bands by stated ranges.

    Args:
      data: bytes of the file, in any format that rasterio reads.
      path: named in errors.
      stated: bands and ranges; without ranges the file must hold 8 bits.

    Raises:
      BadFile: it does not decode, lacks a band, or its values need another range.
    """
    with _opened(data, path) as dataset:
        bands = stated.bands or _only_bands(dataset, path)
        if max(bands) > dataset.count:
            held = counted(dataset.count, "band")
            remedy = f"state others: --bands={example_bands(dataset.count)}"
            raise BadFile(path, f"has {held}, and band {max(bands)} is asked for; {remedy}")
        dtype = str(dataset.dtypes[bands[0] - 1])
        ranges = stated.ranges or ((0.0, 255.0),) * CHANNELS
        _check(dataset, data, path, dtype, stated)
        rgb = np.empty((dataset.height, dataset.width, CHANNELS), np.uint8)
        missing = np.ones(rgb.shape[:2], bool)
        has_alpha = _has_alpha(dataset, bands)
        for channel, (band, (low, high)) in enumerate(zip(bands, ranges, strict=True)):
            values = dataset.read(band)
            rgb[..., channel] = levels(values, low, high)
            missing &= _missing(dataset, band, values, has_alpha)
    return Decoded(rgb, ~missing if missing.any() else None, Intensities(dtype, bands, ranges))


def single_band(data: bytes, path: str) -> tuple[np.ndarray, float | None]:
    """The values [h, w] of a raster with one band, and the value that it names for pixels without data.

    Raises:
      BadFile: it does not decode, or has several bands.
    """
    with _opened(data, path) as dataset:
        if dataset.count != 1:
            raise BadFile(path, f"holds {counted(dataset.count, 'band')}; save it with one channel of 0 and 255")
        check_coding(dataset, path)
        return dataset.read(1), dataset.nodata


def observed(data: bytes, path: str) -> np.ndarray:
    """bool[h, w], where a raster has data by the mask that lies in it. Raises BadFile where it does not decode."""
    with _opened(data, path) as dataset:
        return np.asarray(dataset.dataset_mask() > 0)


def kind(data: bytes) -> tuple[str, int] | None:
    """Type and number of a raster's bands; None where it cannot be opened."""
    try:
        with _opened(data, "") as dataset:
            return str(dataset.dtypes[0]), int(dataset.count)
    except BadFile:
        return None


def georeference(data: bytes, path: str, windows: Sequence[Window]) -> Georeference | None:
    """Where a raster and windows of it lie, by its own coordinates; None where it has none.

    Rows may run in any direction. A pixel's size is measured at the middle of the image, so the unit of the
    coordinates and the scale of the projection do not matter.

    Args: windows: in pixels of the raster.

    Raises:
      BadFile: it does not open, or its coordinates lie outside of the globe.
    """
    with _opened(data, path) as dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            return None
        points = [corner for window in windows for corner in window.corners]
        try:
            gsd_m, corners = located(dataset.crs, dataset.transform, dataset.height, dataset.width, points)
        except ValueError as error:
            raise BadFile(path, f"{error}; mend its georeference") from error
    return Georeference(gsd_m, tuple(tuple(corners[at : at + 4]) for at in range(0, len(corners), 4)))


def located(
    crs: Any, transform: Any, height: int, width: int, points: Sequence[tuple[float, float]] = ()
) -> tuple[tuple[float, float], list[tuple[float, float]]]:
    """Where pixels of a raster lie, by its own coordinates.

    Args:
      crs, transform: as rasterio has them.
      points: columns and rows, in pixels.

    Returns:
      Metres of ground that a pixel covers down and across, measured at the raster's middle; longitude and latitude of
      each point, where longitudes count on beyond 180 degrees.

    Raises:
      ValueError: the coordinates are of no use; says why.
    """
    from rasterio.warp import transform as project

    if not transform.determinant:
        raise ValueError("its pixels cover no ground by its coordinates")
    middle = (width / 2, height / 2)
    asked = [middle, (middle[0], middle[1] + _STEP_PX), (middle[0] + _STEP_PX, middle[1]), *points]
    try:
        a, b, c, d, e, f = transform[:6]
        xs, ys = [a * x + b * y + c for x, y in asked], [d * x + e * y + f for x, y in asked]
        longitudes, latitudes = project(crs, "EPSG:4326", xs, ys)
    except Exception as error:  # GDAL raises what PROJ says
        raise ValueError("its coordinates cannot be used") from error
    if not all(map(math.isfinite, (*longitudes, *latitudes))) or max(map(abs, latitudes)) > 90:
        raise ValueError("its coordinates lie outside of the globe")
    across_m, along_m = degree_m(latitudes[0])
    # Measured from the middle: an image may lie across 180 degrees.
    east = [(longitude - longitudes[0] + 180) % 360 - 180 for longitude in longitudes]
    down, across = (math.hypot(east[i] * across_m, (latitudes[i] - latitudes[0]) * along_m) / _STEP_PX for i in (1, 2))
    return (down, across), [(longitudes[0] + one, latitude) for one, latitude in zip(east, latitudes, strict=True)][3:]


@contextlib.contextmanager
def _opened(data: bytes, path: str) -> Iterator[Any]:
    """A dataset in memory. Raises BadFile for whatever goes wrong while it is open."""
    try:
        import rasterio
    except ImportError:
        needed = "bands, ranges and coordinates of rasters need rasterio"
        raise UserError(f"{path}: {needed}: pip install rasterio") from None
    if not data:
        raise BadFile(path, "is empty; replace the file")
    try:
        with rasterio.MemoryFile(data) as file:
            with _OPENING, warnings.catch_warnings():
                warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
                dataset = file.open(driver=_DRIVERS)
            with dataset:
                if dataset.width * dataset.height > images.MOST_PIXELS:
                    raise images.too_large(path)
                yield dataset
    except UserError:
        raise
    except Exception as error:  # rasterio lets errors of GDAL pass that are none of its own; their text names no file
        raise BadFile(path, "does not decode; replace the file") from error


def _only_bands(dataset: Any, path: str) -> tuple[int, int, int]:
    """Red, green and blue of a file whose bands leave no choice."""
    bands = [number for number in range(1, dataset.count + 1) if number not in _alpha(dataset)]
    if len(bands) not in (1, CHANNELS):
        remedy = f"say which are red, green and blue: --bands={example_bands(dataset.count)}"
        raise BadFile(path, f"has {counted(len(bands), 'band')}; {remedy}")
    red, green, blue = bands * CHANNELS if len(bands) == 1 else bands
    return red, green, blue


def _alpha(dataset: Any) -> list[int]:
    """Numbers of the bands that a file calls alpha."""
    from rasterio.enums import ColorInterp

    return [number for number, kind in enumerate(dataset.colorinterp, 1) if kind == ColorInterp.alpha]


def _has_alpha(dataset: Any, bands: tuple[int, int, int]) -> bool:
    """Whether a file says by an alpha band where it has data. Some files call a fourth colour alpha."""
    alpha = _alpha(dataset)
    return bool(alpha) and alpha[0] not in bands and images.is_cut_out(dataset.read(alpha[0]))


def _check(dataset: Any, data: bytes, path: str, dtype: str, stated: Stated) -> None:
    """Raises BadFile where values do not mean what the user states, or pixels do not lie where they seem to."""
    from rasterio.enums import ColorInterp

    if stated.ranges is None and dtype != "uint8":
        raise BadFile(path, f"holds {dtype}; say which values are black and white: --range=LOW:HIGH")
    if dtype.startswith("complex"):
        raise BadFile(path, "holds complex numbers; save their magnitudes")
    if ColorInterp.palette in dataset.colorinterp:
        raise BadFile(path, "holds colours by a palette, which ranges do not fit; save it as RGB")
    if not dtype.startswith("float"):
        least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
        for low, high in stated.ranges or ():
            if low < least or high > most:
                reason = f"holds {dtype}, {least} to {most}, so --range={low:g}:{high:g} is not for it"
                raise BadFile(path, f"{reason}; name the ecoregion that it is for: --range=NAME={low:g}:{high:g}")
    check_coding(dataset, path)
    if images.is_turned(data):
        raise BadFile(path, "is turned by its EXIF orientation; save it upright")


def check_coding(dataset: Any, path: str) -> None:
    """Raises BadFile where stored values do not mean brightness, or are those of one picture of several."""
    if dataset.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        raise BadFile(path, "stores white as its least value; save it with black as 0")
    if len(dataset.subdatasets) > 1:
        pictures = counted(len(dataset.subdatasets), "picture")
        raise BadFile(path, f"holds {pictures}; save the one that is meant as a file of its own")


def levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Intensities u8 of stored values: 0 for `low` and below, 255 for `high` and above."""

    def mapped(stored: np.ndarray) -> np.ndarray:
        unit = np.clip((np.nan_to_num(stored.astype(np.float64)) - low) / (high - low), 0.0, 1.0)
        return np.round(255 * unit).astype(np.uint8)

    if values.dtype.kind == "f" or values.dtype.itemsize > 2:
        return mapped(values)
    first = int(np.iinfo(values.dtype).min)
    table = mapped(np.arange(first, np.iinfo(values.dtype).max + 1))  # of all values: quicker than each pixel
    return table[values.astype(np.int32) - first]


def _missing(dataset: Any, band: int, values: np.ndarray, has_alpha: bool) -> np.ndarray:
    """bool[h, w], where one band has no data."""
    missing = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    if dataset.nodata is not None:
        missing |= values == dataset.nodata
    elif has_alpha or _has_mask(dataset, band):  # a file has one or the other
        missing |= np.asarray(dataset.read_masks(band)) == 0
    return missing


def _has_mask(dataset: Any, band: int) -> bool:
    """Whether a mask that is no band lies in the file."""
    from rasterio.enums import MaskFlags

    flags = dataset.mask_flag_enums[band - 1]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
