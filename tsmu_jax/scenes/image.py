"""One image of a scene: checked when it is opened, read by parts on any grid."""

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from tsmu_jax.data import rasters
from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.scenes import opening
from tsmu_jax.scenes.grid import SAME, Grid, grid
from tsmu_jax.scenes.opening import NOTHING, Stated
from tsmu_jax.scenes.raster_file import RasterFile, is_of_gdal, on_grid, read_around_damage

DRIVERS = ("GTiff", "VRT", "JP2OpenJPEG", "PNG", "JPEG")
_CACHE_MIB = 256  # of GDAL's blocks: by default it takes a twentieth of the memory


class Part(NamedTuple):
    """Some rows and columns of a grid.

    Attributes:
      rgb: u8[h, w, 3]; 0 where there is no data.
      observed: bool[h, w], where there is data.
      damaged: whether some of it could not be read.
    """

    rgb: np.ndarray
    observed: np.ndarray
    damaged: bool


class Stored(NamedTuple):
    """As `Part`, of the values that a file stores.

    Attributes:
      values: [bands, h, w] in the file's type; 0 where there is no data.
    """

    values: np.ndarray
    observed: np.ndarray
    damaged: bool


class SceneImage:
    """A georeferenced raster whose stored values become intensities as a model's training images' did.

    Threads may share it: each reads with a dataset of its own. `with SceneImage(...) as image` closes them all.

    Attributes:
      grid: its own.
    """

    def __init__(self, path: Path, intensities: Intensities, *, flag: str, stated: Stated = NOTHING):
        """Opens the file and checks it.

        Args:
          intensities: how stored values become intensities, by the model's contract.
          flag: that named the file, for errors.
          stated: what the file does not say.

        Raises:
          UserError: it cannot be opened, has no place on the ground, or values that the model does not know.
        """
        self.path = path
        self._intensities, self._said = intensities, f"{flag}={path}"
        self.grid = native_grid(path, flag=flag, stated=stated)
        self._file = RasterFile(path, DRIVERS)
        self._dataset = self._file.dataset
        self._bands = opening.bands(self._dataset(), intensities, stated, self._said)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def digest(self) -> str:
        """SHA-256 of what is read: a scene is known by its content, not by its path."""
        return opening.file_digest(self.path, self._said)

    def read(self, target: Grid, rows: slice, columns: slice) -> Part:
        """Reads a part of a grid; ground that the image does not cover has no data.

        Downwards of the image's own resolution it averages pixels, upwards it interpolates. A part that cannot be read
        is split, so that what is lost is about as small as the damage.

        Args: rows, columns: with start and stop, within the grid.
        """
        (rgb, observed), damaged = read_around_damage(functools.partial(self._read, target), _lost, rows, columns)
        return Part(rgb, observed, damaged)

    def stored(self, target: Grid, rows: slice, columns: slice, bands: Sequence[int]) -> Stored:
        """As `read`, without the step from stored values to intensities. Args: bands: counted from 1."""

        def lost(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros((*shape, len(bands)), self._dataset().dtypes[0]), np.zeros(shape, bool)

        def read(rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
            values, observed = self._values(target, rows, columns, bands)
            return np.where(observed[..., None], np.moveaxis(values, 0, -1), values.dtype.type(0)), observed

        (values, observed), damaged = read_around_damage(read, lost, rows, columns)
        return Stored(np.moveaxis(values, -1, 0), observed, damaged)

    def _read(self, target: Grid, rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
        values, observed = self._values(target, rows, columns, self._bands)
        ranges = self._intensities.ranges
        rgb = np.stack([rasters.levels(one, *limits) for one, limits in zip(values, ranges, strict=True)], axis=-1)
        rgb[~observed] = 0
        return rgb, observed

    def _values(self, target: Grid, rows: slice, columns: slice, bands: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Stored values [bands, h, w], and where there are any."""
        from rasterio.windows import Window

        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        source, alpha = self._on(target)
        if alpha is None:
            values = source.read(list(bands), window=window)
            observed = source.dataset_mask(window=window) > 0
        else:
            read = source.read([*bands, alpha], window=window)
            values, observed = read[:-1], read[-1] > 0
        if source.dtypes[0].startswith("float"):
            observed &= ~np.isnan(values).all(axis=0)
        return values, observed

    def _on(self, target: Grid) -> tuple[Any, int | None]:
        """This thread's dataset on a grid, and its alpha band; None where the dataset itself says what it holds."""
        if target == self.grid:
            return self._dataset(), None
        warped = self._file.warped(target, lambda dataset: self._warped(dataset, target))
        return warped, warped.count

    def _warped(self, dataset: Any, target: Grid) -> Any:
        from rasterio.enums import Resampling

        finer = any(there > (1 + SAME) * here for here, there in zip(self.grid.gsd_m, target.gsd_m, strict=True))
        nodata = math.nan if dataset.nodata is None and dataset.dtypes[0].startswith("float") else dataset.nodata
        return on_grid(
            dataset,
            (self.grid.crs, self.grid.transform),
            target,
            resampling=Resampling.average if finer else Resampling.bilinear,
            src_nodata=nodata,
            add_alpha=not _has_alpha(dataset),  # without it ground outside of the image reads as valid black
        )


@contextlib.contextmanager
def look(path: Path, flag: str) -> Iterator[Any]:
    """Opens a raster of GDAL's to ask what it holds.

    Args: flag: that named the file, for errors.

    Raises:
      UserError: it cannot be opened.
    """
    said = f"{flag}={path}"
    opening.check_sources(path, said)
    with contextlib.closing(RasterFile(path, DRIVERS)) as file:
        try:
            dataset = file.dataset()
        except Exception as error:
            if not is_of_gdal(error):
                raise
            raise UserError(f"{said}: cannot be opened as a raster; give a GeoTIFF file") from error
        yield dataset


def native_grid(path: Path, *, flag: str, stated: Stated = NOTHING) -> Grid:
    """The grid of an image's own pixels.

    Args:
      flag: that named the file, for errors.
      stated: what the file does not say.

    Raises:
      UserError: it cannot be opened, or has no place on the ground.
    """
    said = f"{flag}={path}"
    with look(path, flag) as dataset:
        crs, transform = opening.place(dataset, path, stated, said)
        return grid(crs, transform, dataset.height, dataset.width, path=said)


def _lost(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Values and observed pixels of a part that cannot be read."""
    return np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)


def _has_alpha(dataset: Any) -> bool:
    from rasterio.enums import ColorInterp

    return ColorInterp.alpha in dataset.colorinterp


@contextlib.contextmanager
def limited_cache() -> Iterator[None]:
    """Keeps GDAL's memory from growing with the machine's."""
    import rasterio

    with rasterio.Env(GDAL_CACHEMAX=_CACHE_MIB):
        yield
