"""Shares of shapes in outlines, and which shapes lie on a ground: by geometry that is known beforehand."""

import numpy as np
import pytest
import shapely

from tsmu_jax.inventory.shown import Pieces, shares

SQUARE, FAR = shapely.box(0, 0, 10, 10), shapely.box(50, 50, 60, 60)


def array(*shapes: object) -> np.ndarray:
    found = np.empty(len(shapes), object)
    found[:] = shapes
    return found


@pytest.mark.parametrize(
    ("outlines", "share"),
    [
        ([], 0.0),
        ([FAR], 0.0),
        ([shapely.box(10, 0, 20, 10)], 0.0),  # touches it
        ([shapely.box(-5, 0, 4, 10)], 0.4),
        ([shapely.box(0, 0, 4, 10), FAR, shapely.box(7, 0, 30, 10)], 0.7),
        ([shapely.box(0, 0, 6, 10), shapely.box(3, 0, 9, 10)], 0.9),  # what is in both counts once
    ],
)
def test_shares(outlines: list[object], share: float) -> None:
    nothing = shapely.LineString([(0, 0), (5, 5)])
    found = shares(array(shapely.box(90, 90, 99, 99), SQUARE, nothing), outlines)
    np.testing.assert_allclose(found, [0, share, 0])
    assert shares(array(), outlines).shape == (0,)


@pytest.mark.parametrize("clouds", [0, 500])
def test_what_lies_on_a_ground(clouds: int) -> None:
    """Shapes share edges with the ground's holes, as pixels do."""
    places = [(50 + at % 25 * 2, 2 + at // 25 * 4) for at in range(clouds)]
    holes = [shapely.box(x, y, x + 1, y + 1) for x, y in places]
    ground = shapely.box(0, 0, 100, 100) - shapely.union_all([shapely.box(20, 20, 40, 40), *holes])
    shapes = [
        shapely.box(1, 1, 9, 9),
        shapely.box(-6, 1, 4, 9),
        shapely.box(-4, 1, 6, 9),
        shapely.box(22, 22, 30, 30),
        shapely.box(10, 22, 25, 30),
        shapely.box(200, 0, 210, 10),
        shapely.box(20, 10, 40, 20),
        shapely.box(20, 10, 40, 29),
        shapely.box(20, 10, 40, 31),
        shapely.box(50, 2, 70, 30),
    ]
    expected = [True, False, True, False, True, False, True, True, False, True]
    assert Pieces(ground).hold(array(*shapes)).tolist() == expected
    assert Pieces(ground).hold(array()).tolist() == []


def test_a_ground_whose_parts_meet_is_mended() -> None:
    """The observed ground of a map has such parts: corners that lie on another part's edge."""
    parts = shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10.5)])
    assert not parts.is_valid
    assert Pieces(parts).hold(array(shapely.box(8, 1, 14, 9), shapely.box(18, 1, 29, 9))).tolist() == [True, False]
