"""What a map shows of the landslides that people have judged, by area."""

import sqlite3
from collections.abc import Iterable
from typing import Any

import numpy as np

from tsmu_jax.inventory import geopackage, reading
from tsmu_jax.inventory.known import SAME
from tsmu_jax.inventory.rows import Dates

_ACCEPTED = (
    f"SELECT geometry FROM landslides WHERE review_status IN {reading.REVIEWED} "
    "AND (:post IS NULL OR date_min IS NULL OR date_min < :post) "
    "AND (:pre IS NULL OR date_max IS NULL OR date_max > :pre) AND OBJECTID IN "
    "(SELECT id FROM rtree_landslides_geometry "
    "WHERE maxx >= :west AND minx <= :east AND maxy >= :south AND miny <= :north)"
)


def unseen(database: sqlite3.Connection, looked: Any, outlines: Iterable[Any], dates: Dates) -> int:
    """Number of landslides that people accepted on the ground of a map, and of which it does not show the most.

    Args:
      looked: the ground that the map shows, a shapely geometry in degrees.
      outlines: of all landslides of the map, likewise.
      dates: of its images; landslides that happened before or after are not counted.
    """
    west, south, east, north = looked.bounds
    box = {"west": west, "south": south, "east": east, "north": north}
    found = database.execute(_ACCEPTED, {**box, **dates._asdict()}).fetchall()
    shapes = np.array([geopackage.decoded_valid(blob) for (blob,) in found], object)
    shapes = shapes[are_on(shapes, looked)] if len(shapes) else shapes
    return int(np.count_nonzero(shares(shapes, outlines) <= SAME))


def are_on(shapes: np.ndarray, ground: Any) -> np.ndarray:
    """bool[n], whether most of each shape [n] lies on a ground; shapely geometries in degrees."""
    import shapely

    shapely.prepare(ground)
    inside = shapely.contains_properly(ground, shapes)
    for at in np.flatnonzero(~inside & shapely.intersects(ground, shapes)):
        # GEOS takes long for the whole ground, with a hole for each cloud.
        near = shapely.clip_by_rect(ground, *shapes[at].bounds)
        inside[at] = near.intersection(shapes[at]).area > SAME * shapes[at].area
    return np.asarray(inside)


def shares(shapes: np.ndarray, outlines: Iterable[Any]) -> np.ndarray:
    """f64[n], the share of the area of each shape [n] that lies in outlines; these may overlap one another."""
    import shapely

    given = np.array(list(outlines), object)
    at, of = shapely.STRtree(given).query(shapes, predicate="intersects")
    parts = shapely.intersection(shapes[at], given[of])[np.argsort(at, kind="stable")]
    number = np.bincount(at, minlength=len(shapes))
    common = np.bincount(np.sort(at), shapely.area(parts), minlength=len(shapes))
    first = np.cumsum(number) - number
    for one in np.flatnonzero(number > 1):
        common[one] = shapely.union_all(parts[first[one] : first[one] + number[one]]).area
    areas = shapely.area(shapes)
    return np.divide(common, areas, out=np.zeros(len(shapes)), where=areas > 0)
