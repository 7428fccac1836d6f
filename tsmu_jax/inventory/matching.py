"""Matches landslides of two inventories by distance and by date, both ways."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tsmu_jax.inventory import brackets, degrees
from tsmu_jax.inventory.brackets import Bracket

_METRES_A_DEGREE = 110_000.0  # of latitude, at least
_MOST_LATITUDE = 89.9  # beyond, a degree of longitude is no measure
_BATCH = 2_000  # landslides of ours whose candidates are measured at a time


class Pair(NamedTuple):
    """A landslide of ours and one of the other's that lie close enough.

    Attributes:
      ours, theirs: positions.
      distance_m: geodesic, between outlines or points; 0 where they meet.
      dates: "meet", "unknown" where one has none, or "apart".
    """

    ours: int
    theirs: int
    distance_m: float
    dates: str

    @property
    def is_match(self) -> bool:
        """Whether both may be one landslide."""
        return self.dates != "apart"


@dataclasses.dataclass(frozen=True)
class Matches:
    """All pairs within the distance.

    Attributes:
      pairs: by position of ours, then by distance, known dates first, and by position of theirs.
      our_best, their_best: position of a landslide -> its nearest match.
    """

    pairs: tuple[Pair, ...]
    our_best: dict[int, Pair]
    their_best: dict[int, Pair]
    our_ties: frozenset[int]
    their_ties: frozenset[int]


def match(
    ours: np.ndarray,
    theirs: np.ndarray,
    our_dates: Sequence[Bracket],
    their_dates: Sequence[Bracket],
    *,
    distance_m: float,
) -> Matches:
    """Finds what may be the same landslide.

    Args:
      ours: shapely geometries, degrees, longitudes may count on beyond 180.
      theirs: likewise.
      distance_m: how far apart a pair may lie.
    """
    found = []
    for one, other, metres in _near(ours, theirs, distance_m):
        mine, their = our_dates[one], their_dates[other]
        known = mine.known and their.known
        dates = "unknown" if not known else "meet" if brackets.meet(mine, their) else "apart"
        found.append(Pair(one, other, metres, dates))
    found.sort(key=lambda pair: (pair.ours, *_rank(pair)))
    matched = [pair for pair in found if pair.is_match]
    by_ours: dict[int, list[Pair]] = {}
    by_theirs: dict[int, list[Pair]] = {}
    for pair in matched:
        by_ours.setdefault(pair.ours, []).append(pair)
        by_theirs.setdefault(pair.theirs, []).append(pair)
    return Matches(
        tuple(found),
        {key: pairs[0] for key, pairs in by_ours.items()},
        {
            key: min(pairs, key=lambda pair: (pair.distance_m, pair.dates, pair.ours))
            for key, pairs in by_theirs.items()
        },
        frozenset(key for key, pairs in by_ours.items() if len(pairs) > 1),
        frozenset(key for key, pairs in by_theirs.items() if len(pairs) > 1),
    )


def _rank(pair: Pair) -> tuple[float, str, int, int]:
    """The nearest first, then the one whose date is known to fit, then the first ones of both."""
    return pair.distance_m, pair.dates, pair.ours, pair.theirs


def _near(ours: np.ndarray, theirs: np.ndarray, distance_m: float) -> list[tuple[int, int, float]]:
    """Positions of ours and of theirs that lie within a distance, and the distance in metres."""
    import shapely

    if not len(ours) or not len(theirs):
        return []
    placed, positions = turned(theirs)
    tree = shapely.STRtree(placed)
    west, south, east, north = shapely.bounds(ours).T
    tall = distance_m / _METRES_A_DEGREE
    farthest = np.minimum(np.maximum(abs(south), abs(north)) + tall, _MOST_LATITUDE)
    wide = np.minimum(tall / np.cos(np.radians(farthest)), 180.0)
    boxes = shapely.box(west - wide, south - tall, east + wide, north + tall)
    shortest: dict[tuple[int, int], float] = {}
    for start in range(0, len(ours), _BATCH):
        one, other = tree.query(boxes[start : start + _BATCH], predicate="intersects")
        metres = distances_m(ours[one + start], placed[other])
        for index in np.flatnonzero(metres <= distance_m):
            key = (int(one[index]) + start, int(positions[other[index]]))
            shortest[key] = min(float(metres[index]), shortest.get(key, np.inf))
    return [(mine, their, metres) for (mine, their), metres in shortest.items()]


def turned(shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Geometries, and once more those on the other side of 180 degrees, a turn away; with their positions."""
    import shapely

    west, _, east, _ = shapely.bounds(shapes).T
    placed, positions = [shapes], [np.arange(len(shapes))]
    for turn, chosen in ((360.0, west < -90), (-360.0, east > 90)):
        where = np.flatnonzero(chosen)
        placed.append(shapely.transform(shapes[where], lambda points, by=turn: points + [by, 0.0]))
        positions.append(where)
    return np.concatenate(placed), np.concatenate(positions)


def distances_m(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distances of pairs of neighbouring geometries in degrees, f64[n] in metres; 0 where two meet.

    Where they are nearest to each other is found on a plane that touches the ellipsoid at the first one; the way
    between these two points is geodesic.
    """
    import shapely
    from pyproj import Geod

    if not len(ones):
        return np.zeros(0)
    _, south, _, north = shapely.bounds(ones).T
    latitude = np.radians(np.clip((south + north) / 2, -_MOST_LATITUDE, _MOST_LATITUDE))
    geod = Geod(ellps="WGS84")
    squeezed = (
        np.cos(latitude) * (1 - geod.es * np.sin(latitude) ** 2) / (1 - geod.es)
    )  # degrees of longitude, latitude
    lines = shapely.shortest_line(_scaled(ones, squeezed), _scaled(others, squeezed))
    ends = shapely.get_coordinates(lines).reshape(-1, 2, 2) / np.stack([squeezed, np.ones_like(squeezed)], -1)[:, None]
    first, second = ends[:, 0], ends[:, 1]
    _, _, metres = geod.inv(first[:, 0], first[:, 1], second[:, 0], second[:, 1])
    return np.where(shapely.intersects(ones, others), 0.0, metres)


def _scaled(shapes: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Geometries whose longitudes are multiplied, each by its factor."""
    import shapely

    points, owner = shapely.get_coordinates(shapes, return_index=True)
    points[:, 0] *= factors[owner]
    return shapely.set_coordinates(shapes.copy(), points)


class Overlap(NamedTuple):
    """Areas on the ellipsoid, square metres: of both inventories, of what they share, and of both together."""

    ours_m2: float
    theirs_m2: float
    shared_m2: float
    together_m2: float


def overlap(ours: np.ndarray, theirs: np.ndarray) -> Overlap | None:
    """Compares the ground that both call landslide; None unless all geometries are polygons."""
    import shapely

    every = np.concatenate([ours, theirs])
    if not len(ours) or not len(theirs) or not (shapely.get_dimensions(every) == 2).all():
        return None
    mine, their, together = (degrees.covered_m2(shapes) for shapes in (ours, theirs, every))
    return Overlap(mine, their, mine + their - together, together)
