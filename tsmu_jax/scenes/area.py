"""Which ground of a scene is mapped: within the area of interest, and not masked (by clouds, water, ...)."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.scenes import opening, shapes
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.opening import NOTHING, Stated
from tsmu_jax.scenes.raster_file import RasterFile, is_of_gdal, on_grid, read_around_damage
from tsmu_jax.scenes.shapes import Shapes

_DRIVERS = ("GTiff", "VRT", "JP2OpenJPEG", "PNG")


class MaskRaster:
    """A raster of one band whose values other than 0 mask the ground. Threads may share it.

    Its nodata value, NaN, and ground outside of it mask nothing.
    """

    def __init__(self, file: RasterFile, near: Grid, *, flag: str, stated: Stated = NOTHING) -> None:
        """Checks the file. Raises UserError where it is no such raster, or covers none of the scene.

        Args:
          near: the scene's own grid.
          flag: that named the file, for errors.
          stated: what the file does not say.
        """
        said = f"{flag}={file.path}"
        self._file = file
        dataset = self._file.dataset()
        self._crs, self._transform = opening.place(dataset, file.path, stated, said)
        if len(held := [number for number, _ in _bands(dataset)]) != 1:
            raise UserError(f"{said}: has {len(held)} bands; give a raster of one band, 0 where nothing is masked")
        self._band = held[0]
        if not covers(dataset, self._crs, self._transform, near):
            raise UserError(f"{said}: covers none of the scene; give a mask of this ground")

    def masked(self, grid: Grid, rows: slice, columns: slice) -> tuple[np.ndarray, bool]:
        """bool[h, w], which pixels of a part of a grid are masked, by the nearest pixel of the mask.

        Returns:
          The pixels, and whether some of the file could not be read: that ground is masked.
        """

        def read(rows: slice, columns: slice) -> tuple[np.ndarray]:
            from rasterio.windows import Window

            window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
            warped = self._file.warped(grid, lambda dataset: self._warped(dataset, grid))
            values, seen = warped.read([self._band, warped.count], window=window)
            return ((np.nan_to_num(values) != 0) & (seen > 0),)

        (masked,), damaged = read_around_damage(read, lambda shape: (np.ones(shape, bool),), rows, columns)
        return masked, damaged

    def _warped(self, dataset: Any, grid: Grid) -> Any:
        from rasterio.enums import Resampling

        alpha = len(_bands(dataset)) == dataset.count
        how = {"resampling": Resampling.nearest, "src_nodata": dataset.nodata, "add_alpha": alpha}
        return on_grid(dataset, (self._crs, self._transform), grid, **how)


class Digests(NamedTuple):
    """What names the files that say which ground is wanted; None where there is none.

    Attributes:
      aoi: of the polygons near the scene, whatever their file: `shapes.Layer.digest`.
      mask: likewise of polygons; of a raster, of its whole file: `opening.file_digest`.
    """

    aoi: str | None = None
    mask: str | None = None


NO_FILES = Digests()


class Area:
    """The ground of a scene that is wanted. Threads may share it.

    Attributes:
      digests: name the files that say it.
    """

    def __init__(
        self,
        within: Shapes | None = None,
        masked: Shapes | MaskRaster | None = None,
        digests: Digests = NO_FILES,
    ) -> None:
        """All ground by default.

        Args:
          within: the area of interest.
          masked: ground that counts as not observed.
        """
        self.digests = digests
        self._within, self._masked = within, masked

    @property
    def is_bounded(self) -> bool:
        """Whether there is an area of interest."""
        return self._within is not None

    @property
    def unbounded(self) -> "Area":
        """All ground that is not masked."""
        return Area(None, self._masked)

    def meets(self, grid: Grid, rows: slice, columns: slice) -> bool:
        """Whether the area of interest has ground in common with a part of a grid, or touches the part's edge."""
        return self._within is None or self._within.meet(grid, rows, columns)

    def wanted(self, grid: Grid, rows: slice, columns: slice) -> tuple[np.ndarray, bool]:
        """bool[h, w], the pixels of a part of an upright grid whose centres lie in wanted ground.

        Returns:
          The pixels, and whether some of the mask could not be read: that ground is not wanted.
        """
        wanted, damaged = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool), False
        if self._within:
            wanted &= self._within.burnt(grid, rows, columns)
        if isinstance(self._masked, MaskRaster):
            masked, damaged = self._masked.masked(grid, rows, columns)
            wanted &= ~masked
        elif self._masked:
            wanted &= ~self._masked.burnt(grid, rows, columns)
        return wanted, damaged

    def outline(self, grid: Grid) -> Any:
        """The ground of a grid that lies in the area of interest: a shapely geometry."""
        return self._within.within(grid) if self._within else grid.outline(slice(0, grid.height), slice(0, grid.width))

    def span(self, grid: Grid) -> tuple[slice, slice]:
        """Rows and columns of an upright grid that hold the area of interest."""
        if self._within is None:
            return slice(0, grid.height), slice(0, grid.width)
        west, south, east, north = self._within.within(grid).bounds
        (left, top), (right, bottom) = (~grid.transform * corner for corner in ((west, north), (east, south)))
        return (
            slice(max(int(top), 0), min(max(int(np.ceil(bottom)), int(top) + 1), grid.height)),
            slice(max(int(left), 0), min(max(int(np.ceil(right)), int(left) + 1), grid.width)),
        )


EVERYWHERE = Area()


@contextlib.contextmanager
def opened(aoi: Path | None, mask: Path | None, near: Grid, *, stated: Stated = NOTHING) -> Iterator[Area]:
    """The wanted ground by the files of --aoi and --mask.

    Args:
      near: the scene's own grid.
      stated: what a raster of --mask does not say.

    Raises:
      UserError: a file cannot be read, or does not fit the scene.
    """
    within: Shapes | None = None
    masked: Shapes | MaskRaster | None = None
    digests = NO_FILES
    with contextlib.ExitStack() as files:
        if aoi:
            layer = shapes.read(aoi, near, flag="--aoi")
            within, digests = Shapes(layer.polygons), digests._replace(aoi=layer.digest)
            if not within.within(near).area:
                raise UserError(f"--aoi={aoi}: has no ground in common with the scene; give polygons of this ground")
        if mask and (raster := files.enter_context(_raster(mask))):
            masked = MaskRaster(raster, near, flag="--mask", stated=stated)
            digests = digests._replace(mask=opening.file_digest(mask, f"--mask={mask}"))
        elif mask:
            layer = shapes.read(mask, near, flag="--mask")
            masked, digests = Shapes(layer.polygons), digests._replace(mask=layer.digest)
        yield Area(within, masked, digests)


def covers(dataset: Any, crs: Any, transform: Any, near: Grid) -> bool:
    """Whether a raster and a scene have ground in common, by points that are spread over both.

    Args: crs, transform: of the raster.
    """
    from rasterio.warp import transform as project

    def inside(one: Any, other: Any) -> bool:
        """Whether a point of one grid lies in the other."""
        xs, ys = (np.array(values) for values in project(one.crs, other.crs, *one.lattice()))
        found = False
        for turn in (-360, 0, 360) if other.crs.is_geographic else (0,):
            columns, rows = ~other.transform * (xs + turn, ys)
            found |= bool(((columns >= 0) & (columns <= other.width) & (rows >= 0) & (rows <= other.height)).any())
        return found

    own = Grid(crs, transform, dataset.height, dataset.width, (0.0, 0.0))
    return inside(near, own) or inside(own, near)


def _bands(dataset: Any) -> list[tuple[int, Any]]:
    """The bands that are no alpha, counted from 1, with what colours they hold."""
    from rasterio.enums import ColorInterp

    return [(number, kind) for number, kind in enumerate(dataset.colorinterp, 1) if kind != ColorInterp.alpha]


@contextlib.contextmanager
def _raster(path: Path) -> Iterator[RasterFile | None]:
    """A file of --mask, where that opens as a raster. Raises UserError where it takes pixels from elsewhere."""
    if path.is_file():
        opening.check_sources(path, f"--mask={path}")
    with contextlib.closing(RasterFile(path, _DRIVERS)) as file:
        try:
            file.dataset()
        except Exception as error:
            if not is_of_gdal(error):
                raise
            found = None
        else:
            found = file
        yield found
