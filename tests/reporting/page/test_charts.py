import re

import numpy as np
import pytest

from tsmu_jax.reporting.page.charts import HEIGHT, WIDTH, Axis, Entry, Plane, figure, padded


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.31, 0.66, [0.4, 0.5, 0.6]),
        (0, 3, [0, 1, 2, 3]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (0, 70_000, [0, 20_000, 40_000, 60_000]),
    ],
)
def test_ticks_are_round_and_within(low: float, high: float, ticks: list[float]) -> None:
    assert Axis("", low, high).ticks == pytest.approx(ticks)


def test_points_lie_where_their_values_say() -> None:
    plane = Plane(Axis("x", 0, 10), Axis("y", 0, 1))
    line = plane.line(np.array([[0, 0], [5, 0.5], [10, 1]]), 0)
    (low, middle, high) = (
        tuple(map(float, pair.split(","))) for pair in re.findall(r'points="(.*?)"', line)[0].split()
    )
    assert low[0] < middle[0] < high[0] and low[1] > middle[1] > high[1]
    np.testing.assert_allclose(np.add(low, high) / 2, middle, atol=0.06)
    assert low[0] >= 0 and high[0] <= WIDTH and high[1] >= 0 and low[1] <= HEIGHT


def test_names_are_written_where_they_fit() -> None:
    plane = Plane(Axis("x", 0, 100), Axis("y", 0, 1))
    assert plane.span(0, 50, "initial") is not None
    assert plane.span(0, 5, "initial") is None


def test_limits_leave_room_within_shares() -> None:
    assert padded([0.5, 0.7]) == pytest.approx((0.47, 0.73))
    assert padded([0.0, 1.0]) == (0, 1)
    low, high = padded([0.5])
    assert low < 0.5 < high


def test_styles_stay_apart_and_labels_are_escaped() -> None:
    plane = Plane(Axis("<x>", 0, 1), Axis("y", 0, 1))
    drawn = figure(plane.drawn([plane.line(np.zeros((2, 2)), 9)], "<label>"), "<caption>", [Entry("<a>", 9, "<n>")])
    assert "<x>" not in drawn and "<label>" not in drawn and "<caption>" not in drawn and "<a>" not in drawn
    assert drawn.count("line c1 d1") == 2  # in the drawing and in the legend
