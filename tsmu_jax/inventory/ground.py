"""Polygons on the ground: longitudes and latitudes, area and perimeter on the WGS84 ellipsoid."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.data.geography import beside

WGS84 = "EPSG:4326"
_STEP_PX = 64  # longer edges get points between their ends: straight on the map is bent on the ellipsoid


class Ground(NamedTuple):
    """A polygon on the ellipsoid.

    Attributes:
      geometry: shapely geometry in degrees, longitudes first; they may count on beyond 180.
      area_m2, perimeter_m: geodesic; the perimeter counts the edges of holes.
      point: longitude and latitude of a point inside.
    """

    geometry: Any
    area_m2: float
    perimeter_m: float
    point: tuple[float, float]


def on_ground(polygon: Any, crs: Any, pixel: float) -> Ground:
    """Measures a polygon of a map.

    Args:
      polygon: shapely Polygon in the map's coordinates.
      crs: the map's coordinate reference system, as rasterio has it.
      pixel: side of a pixel in the map's coordinates.
    """
    import shapely
    from pyproj import Geod

    geometry = shapely.transform(polygon, lambda points: _degrees(points, crs))
    dense = shapely.transform(shapely.segmentize(polygon, _STEP_PX * pixel), lambda points: _degrees(points, crs))
    area, perimeter = Geod(ellps="WGS84").geometry_area_perimeter(shapely.geometry.polygon.orient(dense))
    inside = geometry.representative_point()
    return Ground(geometry, abs(area), perimeter, (inside.x, inside.y))


def together(parts: Sequence[Ground]) -> Ground:
    """Several polygons as one: sums of their measures, and the point of the largest. Args: parts: at least one."""
    import shapely

    return Ground(
        shapely.MultiPolygon([one.geometry for one in parts]),
        sum(one.area_m2 for one in parts),
        sum(one.perimeter_m for one in parts),
        max(parts, key=lambda one: one.area_m2).point,
    )


def _degrees(points: np.ndarray, crs: Any) -> np.ndarray:
    """f64[n, 2] in degrees, the longitudes next to each other, also across 180 degrees."""
    from rasterio.warp import transform

    longitudes, latitudes = (np.array(values) for values in transform(crs, WGS84, points[:, 0], points[:, 1]))
    return np.stack([beside(longitudes, longitudes[0]), latitudes], axis=1)
