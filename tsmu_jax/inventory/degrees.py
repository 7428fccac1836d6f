"""Geometries in degrees: cut at 180 degrees of longitude, and laid out on a plane that keeps their areas."""

from typing import Any

import numpy as np

_EQUAL_AREA = "EPSG:6933"  # a cylindrical projection of the WGS84 ellipsoid


def within_bounds(shape: Any) -> Any:
    """A shapely geometry whose longitudes may count on beyond 180 degrees, cut there into parts from -180 to 180.

    The package `antimeridian` (0.4.9) fails on polygons whose holes lie beyond 180 degrees, and on edges along it.
    """
    import shapely

    west, _, east, _ = shape.bounds
    if west >= -180 and east <= 180:
        return shape
    shape = shape if shape.is_valid else shapely.make_valid(shape)  # cutting needs rings that do not cross
    parts = []
    for turn in range(int(np.floor((west + 180) / 360)), int(np.ceil((east + 180) / 360))):
        part = shapely.intersection(shape, shapely.box(turn * 360 - 180, -90, turn * 360 + 180, 90))
        moved = shapely.transform(part, lambda points, by=turn * 360.0: points - [by, 0.0])
        parts += [one for one in shapely.get_parts(moved) if one.geom_type == "Polygon"]
    return shapely.MultiPolygon([polygon for part in parts for polygon in shapely.get_parts(part)])


def equal_area(shapes: Any) -> np.ndarray:
    """Geometries in degrees as they are on a plane on which areas are those of the ellipsoid, in metres."""
    import shapely
    from pyproj import Transformer

    project = Transformer.from_crs("EPSG:4326", _EQUAL_AREA, always_xy=True)
    turn = project.transform(180.0, 0.0)[0] / 180.0  # longitudes beyond 180 degrees go on, which PROJ would wrap

    def placed(points: np.ndarray) -> np.ndarray:
        _, north = project.transform(np.zeros(len(points)), points[:, 1])
        return np.stack([points[:, 0] * turn, north], axis=1)

    return np.asarray(shapely.transform(shapes, placed), object)


def covered_m2(shapes: np.ndarray) -> float:
    """Area on the ellipsoid that polygons cover together, ground in several of them once."""
    import shapely

    if not len(shapes):
        return 0.0
    cut = np.array([within_bounds(shape) for shape in shapes], object)
    placed = shapely.make_valid(equal_area(cut))
    one, other = shapely.STRtree(placed).query(placed, predicate="intersects")
    crowded = np.zeros(len(placed), bool)  # most touch no other one, and uniting them would take minutes
    crowded[one[one != other]] = True
    return float(shapely.area(placed[~crowded]).sum() + shapely.area(shapely.union_all(placed[crowded])))
