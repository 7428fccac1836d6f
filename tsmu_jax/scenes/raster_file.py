"""A raster file that threads share: each reads with a dataset of its own, as GDAL demands."""

import contextlib
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tsmu_jax.scenes.grid import Grid

# Whoever opens or rasterizes in threads holds it: rasterio and this package switch off warnings that belong to the
# whole process, and one thread would switch on those of another.
WARNINGS = threading.Lock()


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


def is_of_gdal(error: Exception) -> bool:
    """Whether reading has failed, not this program."""
    return type(error).__module__.partition(".")[0] == "rasterio"
