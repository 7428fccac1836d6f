"""Degrees, and distances and overlaps between footprints (WGS84 boxes), all against all."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from tsmu_jax.data.source import Footprint, Outline

_EARTH_RADIUS_M = 6_371_008.8
_EQUATOR_M, _ECCENTRICITY_2 = 6_378_137.0, 0.00669437999014  # of the WGS84 ellipsoid
_CHUNK = 512  # rows of the all-against-all tables held at once


def degree_m(latitude: float) -> tuple[float, float]:
    """Metres of a degree of longitude and of a degree of latitude, at a latitude in degrees, on WGS84."""
    sine = math.sin(math.radians(latitude))
    shrunk = 1 - _ECCENTRICITY_2 * sine**2
    across = _EQUATOR_M / math.sqrt(shrunk) * math.cos(math.radians(latitude))
    along = _EQUATOR_M * (1 - _ECCENTRICITY_2) / shrunk**1.5
    return math.radians(across), math.radians(along)


def beside(longitudes: np.ndarray, first: float) -> np.ndarray:
    """Longitudes less than half a turn from a first one, so that they may count on beyond 180 degrees."""
    return first + (longitudes - first + 180) % 360 - 180


def whole_turns(longitude: float, near: float) -> float:
    """Degrees by which a longitude is to be moved to lie within half a turn of another one."""
    return 360.0 * round((near - longitude) / 360)


def gsd_m(footprint: Footprint, height: int, width: int) -> tuple[float, float]:
    """Metres of ground that a pixel of a north-up image covers down and across, at its middle."""
    across_m, along_m = degree_m((footprint.lat_min + footprint.lat_max) / 2)
    down = (footprint.lat_max - footprint.lat_min) * along_m / height
    return down, (footprint.lon_max - footprint.lon_min) * across_m / width


def box(outline: Outline) -> Footprint:
    """The bounding box of an outline."""
    longitudes, latitudes = zip(*outline, strict=True)
    return Footprint(min(longitudes), min(latitudes), max(longitudes), max(latitudes))


def corners(footprint: Footprint) -> Outline:
    """The outline of a box."""
    west, south, east, north = footprint
    return (west, north), (east, north), (east, south), (west, south)


def boxes(footprints: Sequence[Footprint | None]) -> np.ndarray:
    """f64[n, 4] (lon_min, lat_min, lon_max, lat_max); NaN where unknown."""
    rows = [(np.nan,) * 4 if footprint is None else footprint for footprint in footprints]
    return np.array(rows, np.float64).reshape(-1, 4)


def distances_m(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Gaps between boxes in metres, 0 where they touch or overlap, NaN where one is unknown.

    On a sphere, exact along meridians. East-west gaps are taken at the latitude nearest to a pole, where
    they are shortest: a distance is never overstated, so that blocks are never too small.

    Args:
      a: f64[n, 4].
      b: f64[m, 4].

    Returns:
      f64[n, m].
    """
    a, b = a[:, None], b[None]
    east_west = _gap(a[..., 0], a[..., 2], b[..., 0], b[..., 2])
    for turn in (-360.0, 360.0):  # boxes on the two sides of the antimeridian
        east_west = np.minimum(east_west, _gap(a[..., 0], a[..., 2], b[..., 0] + turn, b[..., 2] + turn))
    north_south = _gap(a[..., 1], a[..., 3], b[..., 1], b[..., 3])
    polar = np.maximum(np.abs(a[..., 1::2]).max(-1), np.abs(b[..., 1::2]).max(-1))
    metres = np.deg2rad(1.0) * _EARTH_RADIUS_M
    return np.hypot(east_west * metres * np.cos(np.deg2rad(polar)), north_south * metres)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Common area over the smaller box's area, in [0, 1]; shapes and NaN as in `distances_m`."""
    a, b = a[:, None], b[None]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    smaller = np.minimum(_area(a), _area(b))
    return np.maximum(width, 0) * np.maximum(height, 0) / smaller


def shared(a: Outline, b: Outline) -> float:
    """Common area of two convex outlines over the smaller one's, in [0, 1]: `overlaps` of what no box can tell."""
    x, y = a[0]  # differences keep the digits that the areas of small outlines need
    first, second = ([((one - x + 180) % 360 - 180, other - y) for one, other in each] for each in (a, b))
    smaller = min(abs(_signed_area(first)), abs(_signed_area(second)))
    if _signed_area(second) < 0:
        second.reverse()
    for start, end in zip(second, second[1:] + second[:1], strict=True):
        first = _left_of(start, end, first)
    return abs(_signed_area(first)) / smaller


def components(footprints: np.ndarray, distance_m: float) -> np.ndarray:
    """Connected components of boxes that overlap or lie within `distance_m` of one another.

    Args:
      footprints: f64[n, 4]; a box that is unknown (NaN) is a component of its own.
      distance_m: 0 joins boxes that touch.

    Returns:
      i64[n]: for each box the smallest index in its component.
    """
    near = [
        sparse.csr_array(distances_m(footprints[start : start + _CHUNK], footprints) <= distance_m)  # NaN: False
        for start in range(0, len(footprints), _CHUNK)
    ]
    if not near:
        return np.zeros(0, np.int64)
    _, labels = csgraph.connected_components(sparse.vstack(near), directed=False)
    _, first = np.unique(labels, return_index=True)
    return first[labels]


def _gap(low_a: np.ndarray, high_a: np.ndarray, low_b: np.ndarray, high_b: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, np.maximum(low_a - high_b, low_b - high_a))


_Points = list[tuple[float, float]]


def _signed_area(points: _Points) -> float:
    """Above 0 where the corners run counterclockwise."""
    return sum(x * v - u * y for (x, y), (u, v) in zip(points, points[1:] + points[:1], strict=True)) / 2


def _left_of(start: tuple[float, float], end: tuple[float, float], points: _Points) -> _Points:
    """The part of a convex outline to the left of the line from `start` to `end`."""

    def side(x: float, y: float) -> float:
        return (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])

    kept: _Points = []
    for one, other in zip(points, points[1:] + points[:1], strict=True):
        here, there = side(*one), side(*other)
        if here >= 0:
            kept.append(one)
        if (here < 0) != (there < 0):
            part = here / (here - there)
            kept.append((one[0] + part * (other[0] - one[0]), one[1] + part * (other[1] - one[1])))
    return kept


def _area(box: np.ndarray) -> np.ndarray:
    return (box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1])
