import math

import numpy as np
import pytest

from tsmu_jax.evaluation.continual import Trajectory, backward_transfer, forgetting, forward_transfer, matrix


def one_by_one(scores: np.ndarray) -> Trajectory:
    """One ecoregion learned in each phase: the literature's setting."""
    tasks = np.arange(len(scores))
    return Trajectory(scores, tasks, tasks)


def test_the_literature_s_formulas_where_each_phase_learns_one_task() -> None:
    scores = np.random.default_rng(0).uniform(size=(5, 5))
    baseline = np.random.default_rng(1).uniform(size=5)
    run, last = one_by_one(scores), scores[-1]
    assert backward_transfer(run) == pytest.approx(sum(last[i] - scores[i, i] for i in range(4)) / 4)
    assert forward_transfer(run, baseline) == pytest.approx(
        sum(scores[i - 1, i] - baseline[i] for i in range(1, 5)) / 4
    )
    assert forgetting(run) == pytest.approx(sum(max(scores[:4, i]) - last[i] for i in range(4)) / 4)


def test_a_bifurcated_update_of_two_phases() -> None:
    """Two old ecoregions learned at once, a third with a freeze and a joint phase."""
    scores = np.array([[0.6, 0.5, 0.1], [0.6, 0.5, 0.4], [0.7, 0.3, 0.5]])
    run = Trajectory(scores, np.array([0, 0, 1]), np.array([0, 0, 2]))
    assert backward_transfer(run) == pytest.approx((0.1 - 0.2) / 2)
    assert forgetting(run) == pytest.approx((-0.1 + 0.2) / 2)
    assert forward_transfer(run, np.full(3, 0.05)) == pytest.approx(0.1 - 0.05)


def test_frozen_decoders_neither_gain_nor_forget() -> None:
    scores = np.array([[0.6, 0.1], [0.6, 0.9]])
    run = one_by_one(scores)
    assert backward_transfer(run) == 0 == forgetting(run)


def test_forgetting_counts_from_the_best_and_transfer_from_the_task_s_own_update() -> None:
    run = one_by_one(np.array([[0.5, 0.0, 0.0], [0.8, 0.4, 0.0], [0.6, 0.4, 0.4]]))
    assert backward_transfer(run) == pytest.approx((0.1 + 0.0) / 2)
    assert forgetting(run) == pytest.approx((0.2 + 0.0) / 2)


def test_without_later_phases_or_later_tasks_there_is_nothing_to_measure() -> None:
    alone = Trajectory(np.array([[0.5, 0.2]]), np.array([0, 1]), np.array([0, 1]))  # leave one out
    assert math.isnan(backward_transfer(alone)) and math.isnan(forgetting(alone))
    assert forward_transfer(alone, np.array([0.0, 0.05])) == pytest.approx(0.15)
    assert math.isnan(forward_transfer(one_by_one(np.array([[0.5]])), np.zeros(1)))


def test_a_matrix_has_a_row_a_phase_and_a_column_a_task() -> None:
    phases = [{"etf": 0.5, "nad": 0.1}, {"nad": 0.6, "etf": 0.4}]
    np.testing.assert_array_equal(matrix(phases, ["nad", "etf"]), [[0.1, 0.5], [0.6, 0.4]])
    with pytest.raises(KeyError, match="nwfm"):
        matrix(phases, ["nwfm"])


@pytest.mark.parametrize(("first", "learned"), [([0], [0]), ([1, 0], [0, 0]), ([0, 0], [0, 3]), ([-1, 0], [0, 0])])
def test_tasks_are_learned_in_phases_that_exist(first: list[int], learned: list[int]) -> None:
    with pytest.raises(ValueError, match="tasks"):
        Trajectory(np.zeros((2, 2)), np.array(first), np.array(learned))
