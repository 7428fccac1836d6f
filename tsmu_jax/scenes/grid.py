"""The grid that a scene is mapped on: the ground of its post-event image at the resolution of the training."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.data.rasters import located
from tsmu_jax.errors import UserError

LATTICE = 33  # points along each side of a grid where its place in other coordinates is looked up
# Grids begin at whole pixels from the origin of the coordinates or, as Landsat's, at half ones: both are this far at
# least from where the floor jumps, so that rounding errors do not matter.
_ROUNDING = 0.3
SAME = 0.02  # resolutions that differ by less are not worth a resampling


class Grid(NamedTuple):
    """Pixels on the ground.

    Attributes:
      crs: rasterio's CRS.
      transform: affine.Affine, from columns and rows to coordinates.
      height, width: in pixels.
      gsd_m: metres of ground that a pixel covers down and across, at the grid's middle.
    """

    crs: Any
    transform: Any
    height: int
    width: int
    gsd_m: tuple[float, float]

    @property
    def is_upright(self) -> bool:
        """Whether rows run from north to south and columns from west to east."""
        return self.transform.b == self.transform.d == 0 and self.transform.a > 0 and self.transform.e < 0

    def phase(self, stride: int) -> tuple[int, int]:
        """Rows and columns since the last multiple of a stride, counted from the origin of the coordinates.

        Upright grids whose pixels coincide agree on these multiples, wherever each of them begins.
        """
        down, across = self.transform.f / self.transform.e, self.transform.c / self.transform.a
        return math.floor(down + _ROUNDING) % stride, math.floor(across + _ROUNDING) % stride

    def placed(self, row: float, column: float) -> Any:
        """The affine transform of a part of the grid that begins at a row and a column."""
        return self.transform * type(self.transform).translation(column, row)

    def outline(self, rows: slice, columns: slice) -> Any:
        """Shapely Polygon along the edges of a part of the grid."""
        import shapely

        corners = ((columns.start, rows.start), (columns.stop, rows.start), (columns.stop, rows.stop))
        return shapely.Polygon([self._at(*corner) for corner in (*corners, (columns.start, rows.stop))])

    def lattice(self) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates of points that are spread evenly over the grid, its corners among them."""
        columns, rows = np.meshgrid(np.linspace(0, self.width, LATTICE), np.linspace(0, self.height, LATTICE))
        return self._at(columns.ravel(), rows.ravel())

    def _at(self, column: Any, row: Any) -> tuple[Any, Any]:
        a, b, c, d, e, f = self.transform[:6]
        return a * column + b * row + c, d * column + e * row + f

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "crs": self.crs.to_wkt(),
            "transform": list(self.transform)[:6],
            "height": self.height,
            "width": self.width,
            "gsd_m": list(self.gsd_m),
        }


def grid(crs: Any, transform: Any, height: int, width: int, *, path: str) -> Grid:
    """Measures the pixels of a raster.

    Args: path: named in errors.

    Raises:
      UserError: its coordinates are of no use.
    """
    try:
        gsd_m, _ = located(crs, transform, height, width)
    except ValueError as error:
        raise UserError(f"{path}: {error}; mend its georeference") from error
    if not min(gsd_m) > 0:
        raise UserError(f"{path}: its pixels cover no ground by its coordinates; mend its georeference")
    return Grid(crs, transform, height, width, gsd_m)


def from_plain(plain: Mapping[str, Any], *, path: str) -> Grid:
    """The grid that `Grid.plain` described. Raises ValueError or TypeError where that is none, UserError as `grid`."""
    from rasterio import Affine
    from rasterio.crs import CRS

    transform = Affine(*plain["transform"][:6])
    return grid(CRS.from_wkt(plain["crs"]), transform, plain["height"], plain["width"], path=path)


def resampled(native: Grid, gsd_m: tuple[float, float], *, path: str) -> Grid:
    """A grid over the same ground whose pixels cover about `gsd_m` metres down and across.

    Rows run from north to south then. An upright grid whose pixels are that large already stays as it is.

    Args: path: named in errors.

    Raises:
      UserError: as `grid` does.
    """
    if native.is_upright and all(abs(has / wants - 1) <= SAME for has, wants in zip(native.gsd_m, gsd_m, strict=True)):
        return native
    upright = native if native.is_upright else _upright(native, path)
    height, width = (
        max(1, round(pixels * has / wants))
        for pixels, has, wants in zip((upright.height, upright.width), upright.gsd_m, gsd_m, strict=True)
    )
    a, _, west, _, e, north = upright.transform[:6]
    scaled = type(upright.transform)(a * upright.width / width, 0.0, west, 0.0, e * upright.height / height, north)
    return grid(upright.crs, scaled, height, width, path=path)


def _upright(native: Grid, path: str) -> Grid:
    """An upright grid that covers a slanted one, with pixels of the same size."""
    a, b, c, d, e, f = native.transform[:6]
    corners = [(a * x + b * y + c, d * x + e * y + f) for x in (0, native.width) for y in (0, native.height)]
    (west, *_, east), (south, *_, north) = (sorted(values) for values in zip(*corners, strict=True))
    across, down = math.hypot(a, d), math.hypot(b, e)
    width, height = max(1, round((east - west) / across)), max(1, round((north - south) / down))
    placed = type(native.transform)((east - west) / width, 0.0, west, 0.0, (south - north) / height, north)
    return grid(native.crs, placed, height, width, path=path)
