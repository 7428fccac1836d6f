"""Tells which landslides lie mostly on the ground of a map, and which the map shows, by the area that is common."""

import sqlite3
from collections.abc import Iterable
from typing import Any

import numpy as np

from tsmu_jax.inventory import geopackage, reading
from tsmu_jax.inventory.known import SAME, common
from tsmu_jax.inventory.rows import Dates

_MOST_VERTICES = 256  # of a piece of ground
_ROUNDING = 1e-6  # edges of a landslide and of the ground have their corners at other places, so halves differ
_ACCEPTED = (
    f"SELECT geometry FROM landslides WHERE review_status IN {reading.REVIEWED} "
    "AND (:post IS NULL OR date_min IS NULL OR date_min < :post) "
    "AND (:pre IS NULL OR date_max IS NULL OR date_max > :pre) AND OBJECTID IN "
    "(SELECT id FROM rtree_landslides_geometry "
    "WHERE maxx >= :west AND minx <= :east AND maxy >= :south AND miny <= :north)"
)


class Pieces:
    """A ground in pieces: GEOS takes long for all of it, with a hole for each cloud."""

    def __init__(self, ground: Any) -> None:
        """Splits it. Args: ground: a shapely geometry in degrees."""
        import shapely

        whole = ground if ground.is_valid else shapely.make_valid(ground, method="structure", keep_collapsed=False)
        self.bounds = ground.bounds
        self._pieces = _split(whole)

    def hold(self, shapes: np.ndarray) -> np.ndarray:
        """bool[n], whether most of each shape [n] lies on the ground."""
        return shares(shapes, self._pieces) > SAME


def _split(ground: Any) -> list[Any]:
    import shapely

    waiting, done = list(shapely.get_parts(ground)), []
    while waiting:
        piece = waiting.pop()
        if shapely.get_num_coordinates(piece) <= _MOST_VERTICES:
            done.append(piece)
            continue
        west, south, east, north = piece.bounds
        if east - west > north - south:
            middle = (west + east) / 2
            halves = (west, south, middle, north), (middle, south, east, north)
        else:
            middle = (south + north) / 2
            halves = (west, south, east, middle), (west, middle, east, north)
        waiting += [part for half in halves for part in shapely.get_parts(common(piece, shapely.box(*half)))]
    return done


def unseen(database: sqlite3.Connection, looked: Pieces, outlines: Iterable[Any], dates: Dates) -> int:
    """Number of landslides that people accepted on the ground of a map, of which its outlines cover less than half.

    Args:
      outlines: shapely geometries of all landslides of the map, in degrees.
      dates: of its images; landslides that happened before or after are not counted.
    """
    west, south, east, north = looked.bounds
    box = {"west": west, "south": south, "east": east, "north": north}
    found = database.execute(_ACCEPTED, {**box, **dates._asdict()}).fetchall()
    shapes = np.array([geopackage.decoded_valid(blob) for (blob,) in found], object)
    return int(np.count_nonzero(shares(shapes[looked.hold(shapes)], outlines) < SAME - _ROUNDING))


def shares(shapes: np.ndarray, outlines: Iterable[Any]) -> np.ndarray:
    """f64[n], the share of the area of each shape [n] that lies in outlines; these may overlap one another."""
    import shapely

    given = np.array(list(outlines), object)
    at, of = shapely.STRtree(given).query(shapes, predicate="intersects")
    parts = shapely.intersection(shapes[at], given[of])[np.argsort(at, kind="stable")]
    number = np.bincount(at, minlength=len(shapes))
    covered = np.bincount(np.sort(at), shapely.area(parts), minlength=len(shapes))
    first = np.cumsum(number) - number
    for one in np.flatnonzero(number > 1):
        covered[one] = shapely.union_all(parts[first[one] : first[one] + number[one]]).area
    areas = shapely.area(shapes)
    return np.divide(covered, areas, out=np.zeros(len(shapes)), where=areas > 0)
