"""A raster file that threads share: each reads with a dataset of its own, as GDAL demands."""

import contextlib
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax.scenes.grid import Grid

# Whoever opens or rasterizes in threads holds it: rasterio and this package switch off warnings that belong to the
# whole process, and one thread would switch on those of another.
WARNINGS = threading.Lock()
_TOLERANCE_PX = 0.01  # of coordinates that are interpolated between projected ones
_SMALLEST_PX = 64  # side of the parts of which damaged ones are left out


class RasterFile:
    """Opens a raster once for each thread, and closes all of these datasets together."""

    def __init__(self, path: Path, drivers: Sequence[str]) -> None:
        """Opens nothing. Args: drivers: GDAL's names of the formats that are accepted."""
        self.path = path
        self._drivers = list(drivers)
        self._own, self._all, self._lock = threading.local(), contextlib.ExitStack(), threading.Lock()

    def dataset(self) -> Any:
        """This thread's dataset. Raises an error of rasterio where the file cannot be opened."""
        found = getattr(self._own, "dataset", None)
        if found is None:
            from rasterio import Env
            from rasterio.errors import NotGeoreferencedWarning
            from rasterio.io import DatasetReader

            with WARNINGS, Env(), warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                found = DatasetReader(str(self.path), driver=self._drivers)  # rasterio.open takes one driver alone
            self._own.dataset = self._kept(found)
        return found

    def warped(self, target: Grid, warp: Callable[[Any], Any]) -> Any:
        """This thread's dataset on a grid; remembered until another grid is asked for.

        Args: warp: makes a WarpedVRT on the grid from this thread's dataset.
        """
        found = getattr(self._own, "warped", None)
        if found is None or self._own.target != target:
            found = self._kept(warp(self.dataset()))
            self._own.warped, self._own.target = found, target
        return found

    def close(self) -> None:
        """Closes the datasets of all threads."""
        self._all.close()

    def _kept(self, dataset: Any) -> Any:
        """Remembers to close it; to enter it would tie it to the environment of this thread."""
        with self._lock:
            self._all.callback(dataset.close)
        return dataset


def on_grid(dataset: Any, place: tuple[Any, Any], target: Grid, **how: Any) -> Any:
    """A WarpedVRT of a dataset. Args: place: the dataset's CRS and transform; how: to resample, as WarpedVRT has it."""
    from rasterio.vrt import WarpedVRT

    return WarpedVRT(
        dataset,
        src_crs=place[0],
        src_transform=place[1],
        crs=target.crs,
        transform=target.transform,
        height=target.height,
        width=target.width,
        tolerance=_TOLERANCE_PX,
        **how,
    )


def is_of_gdal(error: Exception) -> bool:
    """Whether reading has failed, not this program."""
    return type(error).__module__.partition(".")[0] == "rasterio"


Arrays = tuple[np.ndarray, ...]


def read_around_damage(
    read: Callable[[slice, slice], Arrays], lost: Callable[[tuple[int, int]], Arrays], rows: slice, columns: slice
) -> tuple[Arrays, bool]:
    """Reads a part of a grid. A part that cannot be read is split: what is lost is about as small as the damage.

    Args:
      read: rows and columns -> arrays [h, w, ...]. Raises an error of rasterio where the file is damaged.
      lost: height and width -> what stands for a part that cannot be read.

    Returns:
      The arrays, and whether some of the part could not be read.
    """
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    try:
        return read(rows, columns), False
    except Exception as error:
        if not is_of_gdal(error):
            raise
    axis = 0 if shape[0] >= shape[1] else 1
    if shape[axis] <= _SMALLEST_PX:
        return lost(shape), True
    both = [rows, columns]
    middle = both[axis].start + shape[axis] // 2
    parts = []
    for piece in (slice(both[axis].start, middle), slice(middle, both[axis].stop)):
        both[axis] = piece
        parts.append(read_around_damage(read, lost, *both))
    arrays = zip(*(part[0] for part in parts), strict=True)
    return tuple(np.concatenate(each, axis=axis) for each in arrays), any(part[1] for part in parts)
