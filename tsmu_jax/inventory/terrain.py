"""Height, slope and aspect of landslides by an elevation model, in metres whatever its coordinates."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.data import geography
from tsmu_jax.errors import UserError
from tsmu_jax.scenes import opening
from tsmu_jax.scenes.area import covers
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.opening import NOTHING
from tsmu_jax.scenes.raster_file import RasterFile, is_of_gdal

FLAT_DEG = 1.0  # pixels with less slope face no direction
PLAUSIBLE_M = (-1000.0, 10_000.0)  # other values are voids that the file does not declare, as -9999 and -32768
_LEAST_COVERED = 0.5  # of a landslide's pixels
_LEAST_AGREED = 0.1  # length of the mean of unit vectors: of less, directions cancel each other out
_DRIVERS = ("GTiff", "VRT", "AAIGrid", "HFA", "SRTMHGT", "DTED")
_METRES = ("", "m", "metre", "meter", "metres", "meters")
_ROWS = 512  # of the elevation model, held at once
_STEP_PX = 8  # over which the ground that a pixel covers is measured


class Terrain(NamedTuple):
    """Of a landslide; None where it is not known.

    Attributes:
      height_m: mean.
      slope_deg: mean of the pixels' slopes (Horn, 1981), 0 level.
      aspect_deg: mean direction that the slope faces, 0 north, 90 east; None on level ground.
    """

    height_m: float | None = None
    slope_deg: float | None = None
    aspect_deg: float | None = None


UNKNOWN = Terrain()


class ElevationModel:
    """A raster of heights in metres. One thread uses it."""

    def __init__(self, path: Path, near: Grid | None = None) -> None:
        """Opens the file. Raises UserError where it is no raster of heights, or covers none of a scene.

        Args: near: the scene's own grid, where that is to be looked at.
        """
        said = f"--dem={path}"
        opening.check_sources(path, said)
        self._file = RasterFile(path, _DRIVERS)
        try:
            self._dataset = self._file.dataset()
        except Exception as error:
            if not is_of_gdal(error):
                raise
            raise UserError(f"{said}: cannot be opened as a raster; give a GeoTIFF file of heights") from error
        self._crs, self._transform = opening.place(self._dataset, path, NOTHING, said)
        if self._dataset.count != 1:
            raise UserError(f"{said}: has {self._dataset.count} bands; give a raster of one band, heights in metres")
        if (unit := (self._dataset.units[0] or "").lower()) not in _METRES:
            raise UserError(f"{said}: holds heights in {unit!r:.30}; convert them to metres")
        if near and not covers(self._dataset, self._crs, self._transform, near):
            raise UserError(f"{said}: covers none of the scene; give an elevation model of this ground")

    def measure(self, polygon: Any, crs: Any) -> Terrain:
        """Means over the pixels whose centres lie in a polygon, or that a smaller polygon touches.

        Args:
          polygon: shapely Polygon.
          crs: its coordinate reference system, as rasterio has it.

        Returns:
          Nothing that is known where less than half of these pixels have a height.
        """
        try:
            outline = self._in_pixels(polygon, crs)
            to_ground = self._ground_of_pixel(outline.centroid.x, outline.centroid.y)
            for touched in (False, True):
                sums = sum((self._sums(*strip, to_ground) for strip in self._strips(outline, touched)), np.zeros(7))
                if sums[0]:
                    return _means(*sums)
        except Exception as error:  # a damaged block is ground without heights
            if not is_of_gdal(error):
                raise
        return UNKNOWN

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _in_pixels(self, polygon: Any, crs: Any) -> Any:
        """A polygon in columns and rows of the elevation model."""
        import shapely
        from rasterio.warp import transform

        def moved(points: np.ndarray) -> np.ndarray:
            xs, ys = (np.array(values) for values in transform(crs, self._crs, points[:, 0], points[:, 1]))
            if self._crs.is_geographic:  # next to each other, and where the elevation model lies
                middle = (self._transform * (self._dataset.width / 2, self._dataset.height / 2))[0]
                xs = geography.beside(xs, xs[0]) + geography.whole_turns(xs[0], middle)
            return np.stack(~self._transform * (xs, ys), -1)

        return shapely.transform(polygon, moved)

    def _ground_of_pixel(self, column: float, row: float) -> np.ndarray:
        """f64[2, 2]: metres east and north (rows) that one column and one row further lie (columns)."""
        from rasterio.warp import transform

        near = np.array([(column, row), (column + _STEP_PX, row), (column, row + _STEP_PX)])
        longitudes, latitudes = transform(self._crs, "EPSG:4326", *(self._transform * near.T))
        across_m, along_m = geography.degree_m(latitudes[0])
        east = [((one - longitudes[0] + 180) % 360 - 180) * across_m / _STEP_PX for one in longitudes[1:]]
        return np.array([east, [(one - latitudes[0]) * along_m / _STEP_PX for one in latitudes[1:]]])

    def _strips(self, outline: Any, touched: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Heights f64[h + 2, w + 2] around strips of pixels, and bool[h, w] which of these are the polygon's."""
        from rasterio.features import rasterize

        (left, top), (right, bottom) = np.floor(outline.bounds[:2]), np.ceil(outline.bounds[2:])
        left, top, right, bottom = int(left), int(top), int(right), int(bottom)
        for start in range(top, bottom, _ROWS):
            shape = (min(start + _ROWS, bottom) - start, right - left)
            placed = type(self._transform).translation(left, start)
            inside = rasterize([outline], out_shape=shape, transform=placed, all_touched=touched, dtype="uint8")
            if inside.any():
                yield self._heights(start - 1, left - 1, shape[0] + 2, shape[1] + 2), inside.astype(bool)

    def _heights(self, row: int, column: int, height: int, width: int) -> np.ndarray:
        """f64[height, width], NaN without data and beyond the file."""
        from rasterio.windows import Window

        heights = np.full((height, width), np.nan)
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + height, self._dataset.height), min(column + width, self._dataset.width)
        if top < bottom and left < right:
            window = Window(left, top, right - left, bottom - top)
            held = self._dataset.read(1, window=window, masked=True).astype(np.float64).filled(np.nan)
            held = held * self._dataset.scales[0] + self._dataset.offsets[0]
            held[~((held >= PLAUSIBLE_M[0]) & (held <= PLAUSIBLE_M[1]))] = np.nan
            heights[top - row : bottom - row, left - column : right - column] = held
        return heights

    def _sums(self, heights: np.ndarray, inside: np.ndarray, to_ground: np.ndarray) -> np.ndarray:
        """Of a strip: pixels, those with height, heights, those with slope, slopes, and of unit vectors east, north."""
        slopes, aspects = slope_and_aspect(heights, to_ground)
        own, slopes, aspects = heights[1:-1, 1:-1][inside], slopes[inside], aspects[inside]
        known, sloping = np.isfinite(own), np.isfinite(slopes)
        facing = np.radians(aspects[sloping & (slopes > FLAT_DEG)])
        counts = inside.sum(), known.sum(), own[known].sum(), sloping.sum(), slopes[sloping].sum()
        return np.array([*counts, np.sin(facing).sum(), np.cos(facing).sum()])


def slope_and_aspect(heights: np.ndarray, to_ground: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope and aspect by Horn's (1981) differences of the eight neighbours.

    Args:
      heights: f64[h + 2, w + 2] in metres, NaN without data.
      to_ground: f64[2, 2], metres east and north (rows) that one column and one row further lie (columns).

    Returns:
      Degrees f64[h, w] each; NaN where one of the nine pixels has no data.
    """
    left, right = (heights[:-2, at] + 2 * heights[1:-1, at] + heights[2:, at] for at in (slice(0, -2), slice(2, None)))
    above, below = (heights[at, :-2] + 2 * heights[at, 1:-1] + heights[at, 2:] for at in (slice(0, -2), slice(2, None)))
    by_pixel = np.stack([right - left, below - above]) / 8
    east, north = np.einsum("ij,jhw->ihw", np.linalg.inv(to_ground).T, by_pixel)
    east = np.where(np.isnan(heights[1:-1, 1:-1]), np.nan, east)
    return np.degrees(np.arctan(np.hypot(east, north))), np.degrees(np.arctan2(-east, -north)) % 360


@contextlib.contextmanager
def opened(path: Path) -> Iterator[ElevationModel]:
    """An elevation model. Raises UserError where it is none."""
    with contextlib.closing(ElevationModel(path)) as model:
        yield model


def check(path: Path, near: Grid) -> None:
    """Raises UserError where a file is no elevation model of a scene's ground: before hours of mapping."""
    ElevationModel(path, near).close()


def _means(
    pixels: float, known: float, height: float, sloping: float, slope: float, east: float, north: float
) -> Terrain:
    if known < _LEAST_COVERED * pixels:
        return UNKNOWN
    if not sloping:
        return Terrain(height / known)
    agreed = math.hypot(east, north) >= _LEAST_AGREED * sloping
    aspect = math.degrees(math.atan2(east, north)) % 360 if agreed else None
    return Terrain(height / known, slope / sloping, aspect)
