"""The images of a scene as its files store them, on the grid of its map: tiles to train on, which `prepare` reads."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.reviewing.scene_files import Images
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.image import SceneImage, look
from tsmu_jax.scenes.opening import Stated


class Tile(NamedTuple):
    """A square of a scene.

    Attributes:
      dates: "pre" (unless there is one date) and "post" -> values [bands, side, side] as stored.
      observed: bool[side, side], where all dates have data; nowhere beyond the scene.
      damaged: whether some of a file could not be read.
    """

    dates: Mapping[str, np.ndarray]
    observed: np.ndarray
    damaged: bool


class TileImages:
    """The images of a scene. `with TileImages(...) as images` closes them.

    Attributes:
      dtype: of the stored values.
      bands: their number.
    """

    def __init__(self, images: Images, *, bands: tuple[int, int, int] | None) -> None:
        """Opens the images. Args: bands: those that are kept, counted from 1; None keeps all but alpha.

        Raises:
          UserError: an image cannot be read, or the dates hold values of different types.
        """
        named = {"pre": images.pre, "post": images.post}
        self._images, kinds = {}, {}
        with contextlib.ExitStack() as opened:
            for date, path in named.items():
                if path:
                    image, kept, dtype = _opened(path, f"--{date}", bands)
                    self._images[date] = opened.enter_context(image), kept
                    kinds[date] = dtype, len(kept)
            if len({*kinds.values()}) > 1:
                held = " and ".join(f"{number} bands of {dtype}" for dtype, number in kinds.values())
                raise UserError(f"--post={images.post}: the dates hold {held}; name three bands: --bands=3,2,1")
            self._files = opened.pop_all()
        self.dtype, self.bands = kinds["post"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def read(self, grid: Grid, top: int, left: int, side: int) -> Tile:
        """A square of a grid, which may reach beyond its lower and right edge."""
        rows, columns = slice(top, min(top + side, grid.height)), slice(left, min(left + side, grid.width))
        beyond = ((0, side - (rows.stop - top)), (0, side - (columns.stop - left)))
        parts = {date: image.stored(grid, rows, columns, kept) for date, (image, kept) in self._images.items()}
        observed = np.logical_and.reduce([part.observed for part in parts.values()])
        dates = {date: np.pad(part.values, ((0, 0), *beyond)) for date, part in parts.items()}
        return Tile(dates, np.pad(observed, beyond), any(part.damaged for part in parts.values()))


def write(path: Path, values: np.ndarray, grid: Grid, top: int, left: int) -> None:
    """Writes a tile as GeoTIFF. Args: values: [bands, h, w]; top, left: where it begins on the grid."""
    import rasterio

    bands, height, width = values.shape
    kind = "rgb" if bands == 3 and values.dtype == np.uint8 else "minisblack"
    shape = {"height": height, "width": width, "count": bands, "dtype": values.dtype}
    place = {"crs": grid.crs, "transform": grid.placed(top, left)}
    with rasterio.open(path, "w", driver="GTiff", compress="deflate", photometric=kind, **shape, **place) as file:
        file.write(values)


def _opened(path: Path, flag: str, bands: tuple[int, int, int] | None) -> tuple[SceneImage, tuple[int, ...], str]:
    """An image, the numbers of the bands that are kept, and the type of their values."""
    with look(path, flag) as dataset:
        dtype, kept = str(dataset.dtypes[0]), bands or _coloured(dataset)
    three: tuple[int, int, int] = (kept[0], kept[len(kept) > 1], kept[-1])
    return SceneImage(path, Intensities(dtype, three, ()), flag=flag, stated=Stated(bands=three)), kept, dtype


def _coloured(dataset: Any) -> tuple[int, ...]:
    """The bands that are no alpha, counted from 1."""
    from rasterio.enums import ColorInterp

    return tuple(number for number, kind in enumerate(dataset.colorinterp, 1) if kind != ColorInterp.alpha)
