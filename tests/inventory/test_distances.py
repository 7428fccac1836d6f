"""Landslides are matched by geodesic distance and by date; polygons by the area that they share."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import shapely

from tests.inventory.test_matching import GEOD, place, square
from tsmu_jax.inventory import matching
from tsmu_jax.inventory.brackets import OPEN, parse


def array(shapes: Sequence[Any]) -> np.ndarray:
    found = np.empty(len(shapes), object)
    found[:] = shapes
    return found


def pairs(ours: Sequence[Any], theirs: Sequence[Any], distance_m: float) -> dict[tuple[int, int], float]:
    one, other = array(ours), array(theirs)
    found = matching.match(one, other, [OPEN] * len(one), [OPEN] * len(other), distance_m=distance_m)
    return {(pair.ours, pair.theirs): pair.distance_m for pair in found.pairs}


@pytest.mark.parametrize("latitude", [0.0, 47.0, -75.0])
def test_distances_are_geodesic(latitude: float) -> None:
    """Between the edge of a square and a point to its east, and to its north."""
    ours = [square(15, latitude)]
    theirs = [shapely.Point(place(15, latitude, 220)), shapely.Point(place(15, latitude, 0, 320))]
    found = pairs(ours, theirs, 500)
    assert found == {(0, 0): pytest.approx(200, abs=0.05), (0, 1): pytest.approx(300, abs=0.05)}
    assert pairs(ours, theirs, 250).keys() == {(0, 0)} and pairs(ours, theirs, 199.9) == {}
    assert pairs(ours, [square(15, latitude, 10), shapely.Point(15, latitude)], 0) == {(0, 0): 0.0, (0, 1): 0.0}


def test_the_nearest_points_lie_aslant() -> None:
    """Where a degree of longitude is half a degree of latitude, the nearest point in degrees is another one."""
    latitude = 60.0
    line = shapely.Polygon([place(15, latitude, 0, 400), place(15, latitude, 400, 0), place(15, latitude, 401, 401)])
    found = pairs([shapely.Point(15, latitude).buffer(1e-9)], [line], 1000)
    assert found[0, 0] == pytest.approx(400 / np.sqrt(2), rel=2e-3)


def test_across_180_degrees() -> None:
    """Whatever side a longitude is written on."""
    ours = [square(179.9999, 10, 60, 360), square(-179.995, 10)]
    theirs = [shapely.Point(-179.9998, 10), shapely.Point(180.0002 - 360, 10), square(179.9998, 10)]
    found = pairs(ours, theirs, 100)
    assert found.keys() == {(0, 0), (0, 1), (0, 2)} and found[0, 2] == 0
    assert found[0, 0] == pytest.approx(GEOD.inv(179.9999, 10, -179.9998, 10)[2] - 30, abs=0.1)


def test_as_by_every_pair_in_turn() -> None:
    """The index leaves out nothing that is near, at any place on Earth."""
    rng = np.random.default_rng(0)
    centres = [(float(x), float(y)) for x, y in zip(rng.uniform(-180, 180, 40), rng.uniform(-85, 85, 40), strict=True)]
    ours = [square(*one, side_m=20) for one in centres for _ in range(2)]
    theirs = [shapely.Point(place(*one, *rng.uniform(-900, 900, 2))) for one in centres for _ in range(3)]
    found = pairs(ours, theirs, 700)
    slow = {}
    for i, one in enumerate(ours):
        dense = shapely.get_coordinates(shapely.segmentize(one, 1e-6))
        for j, other in enumerate(theirs):
            if abs(one.centroid.y - other.y) > 0.1:
                continue
            away = GEOD.inv(dense[:, 0], dense[:, 1], np.full(len(dense), other.x), np.full(len(dense), other.y))[2]
            slow[i, j] = float(away.min())
    near = {key: metres for key, metres in slow.items() if metres <= 700}
    assert found.keys() == near.keys() and len(near) > 50
    assert all(found[key] == pytest.approx(near[key], abs=0.2) for key in near)


def test_dates_that_exclude_each_other_match_nothing() -> None:
    here = array([shapely.Point(15, 47)] * 4)
    dates = [parse(text) or OPEN for text in ("5/10/2024", "2020", "", "2024")]
    found = matching.match(here[:1], here, [parse("2024-05-01/2024-06-01") or OPEN], dates, distance_m=1)
    assert [pair.dates for pair in found.pairs] == ["apart", "meet", "meet", "unknown"]
    assert found.our_best[0].theirs == 0 and found.their_best.keys() == {0, 2, 3}  # of equal ones a known date first
    assert found.our_ties == {0} and found.their_ties == frozenset()


def test_areas_that_both_call_landslide() -> None:
    one, other = square(15, 47, 100), square(*place(15, 47, 50), side_m=100)
    found = matching.overlap(array([one, one]), array([other]))
    assert found is not None
    assert found == pytest.approx((10_000, 10_000, 5_000, 15_000), rel=1e-3)
    assert matching.overlap(array([one]), array([shapely.Point(15, 47)])) is None
