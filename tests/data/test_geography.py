"""Longitudes are compared by the shorter way round."""

import numpy as np
import pytest

from tsmu_jax.data import geography


@pytest.mark.parametrize(
    ("longitudes", "expected"),
    [([10, 11, 9], [10, 11, 9]), ([179, -179, 178], [179, 181, 178]), ([-179, 179, 359], [-179, -181, -1])],
)
def test_longitudes_beside_a_first_one(longitudes: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(geography.beside(np.array(longitudes), longitudes[0]), expected)


@pytest.mark.parametrize(
    ("longitude", "near", "turns"), [(10, 20, 0), (-179, 181, 360), (359, 0, -360), (181, -539, -720)]
)
def test_whole_turns(longitude: float, near: float, turns: float) -> None:
    assert geography.whole_turns(longitude, near) == turns
    assert abs(longitude + turns - near) <= 180
