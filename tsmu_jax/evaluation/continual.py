"""Forgetting and transfer, backward and forward: closed forms over a matrix of scores.

R[i, j] is the IoU on task j after phase i. Ecoregions are tasks; several may be learned in one phase, and an update
may take several phases. Lopez-Paz and Ranzato (2017) define the transfers, Chaudhry et al. (2018) forgetting; with one
phase and one ecoregion at a time, what stands here is what they print.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Trajectory:
    """The scores of a run's tasks after each of its phases.

    Attributes:
      scores: R, f64[p, t], in [0, 1]; row i after phase i, column j of task j.
      first: i64[t], the first phase that trains on a task; p where none does.
      learned: i64[t], the last phase of the update that a task arrives with; `first` or later, p where none does.
    """

    scores: np.ndarray
    first: np.ndarray
    learned: np.ndarray

    def __post_init__(self) -> None:
        phases, tasks = self.scores.shape
        if not self.first.shape == self.learned.shape == (tasks,):
            raise ValueError(f"{tasks} tasks, but first and learned are {self.first.shape} and {self.learned.shape}")
        if not ((self.first >= 0) & (self.first <= self.learned) & (self.learned <= phases)).all():
            raise ValueError(f"tasks are learned in phases {self.first} to {self.learned}; there are {phases}")


def matrix(phases: Sequence[Mapping[str, float]], tasks: Sequence[str]) -> np.ndarray:
    """R: f64[p, t] from task -> score after each phase. Raises KeyError where a task was not scored."""
    return np.array([[scores[task] for task in tasks] for scores in phases], float).reshape(len(phases), len(tasks))


def backward_transfer(run: Trajectory) -> float:
    """BWT = mean over j of R[last, j] - R[learned_j, j], over the tasks that a later phase could change.

    Above 0: later ecoregions helped earlier ones; below 0: they were forgotten. NaN if every task is learned last.
    """
    earlier = np.flatnonzero(run.learned < len(run.scores) - 1)
    return _mean(run.scores[-1, earlier] - run.scores[run.learned[earlier], earlier])


def forward_transfer(run: Trajectory, baseline: np.ndarray) -> float:
    """FWT = mean over j of R[first_j - 1, j] - b[j], over the tasks that are not learned in the first phase.

    What the model makes of an ecoregion before it has seen it. NaN if no task comes later.

    Args:
      baseline: b, f64[t]: what a model that has learned nothing scores.
    """
    later = np.flatnonzero(run.first > 0)
    return _mean(run.scores[run.first[later] - 1, later] - baseline[later])


def forgetting(run: Trajectory) -> float:
    """F = mean over j of max over i < last of R[i, j] - R[last, j], over the tasks that a later phase could change.

    0 or less: nothing was forgotten. NaN if every task is learned last.
    """
    earlier = np.flatnonzero(run.learned < len(run.scores) - 1)
    if not len(earlier):
        return float("nan")
    return _mean(run.scores[:-1, earlier].max(0) - run.scores[-1, earlier])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
