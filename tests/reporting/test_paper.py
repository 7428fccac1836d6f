"""The paper's numbers against each other: a slip of the pen in one table shows in another."""

import numpy as np
import pytest

from tsmu_jax.methods import METHODS
from tsmu_jax.reporting import paper

TABLES = [paper.INITIAL, paper.FREEZE, *paper.UPDATED.values()]


@pytest.mark.parametrize("table", TABLES)
def test_averages_are_those_of_their_rows(table: dict[str, paper.Pair]) -> None:
    assert tuple(table) == (*paper.ECOREGIONS, paper.AVERAGE)
    for group in ("old", "new"):
        values = [getattr(table[name], f"{group}_iou") for name in paper.ECOREGIONS]
        if None not in values:
            assert np.mean(values) == pytest.approx(getattr(table[paper.AVERAGE], f"{group}_iou"), abs=0.001)


@pytest.mark.parametrize("method", ["leave_one_out", *paper.UPDATED])
def test_table_8_follows_from_the_others(method: str) -> None:
    table = paper.UPDATED.get(method, paper.INITIAL)
    means = [np.dot([0.75, 0.25], np.array(table[name], float)) for name in paper.ECOREGIONS]
    # To .002, but for feature extraction: it prints .648 where its Table V gives .6515.
    assert np.mean(means) == pytest.approx(paper.ALL_TEST_DATA[method][0], abs=0.004)


def test_every_method_of_the_paper_is_one_of_ours() -> None:
    assert set(paper.ALL_TEST_DATA) == {*paper.COSTS, "leave_one_out"} <= METHODS.keys()
    for costs in paper.COSTS.values():
        assert len(costs.hours) == len(costs.images) in (1, 4)
