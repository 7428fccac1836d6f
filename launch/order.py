"""In which order points run, so that what they have in common is trained once. Pure functions of their phases' keys."""

import collections
from collections.abc import Collection, Sequence

Keys = Sequence[str]  # of a point's phases, first to last; equal keys are the same training


def next_point(
    points: Sequence[Keys], waiting: Sequence[int], running: Collection[int], trained: Collection[str]
) -> int | None:
    """The waiting point to start now: the one with most phases that others wait for, the first one of equals.

    A point that needs a phase which a running one is about to train is not started: it would train it a second time.

    Args:
      points: the keys of every point.
      waiting, running: indices of points.
      trained: keys of finished phases, which can be copied.

    Returns:
      An index, or None where all must wait.
    """
    missing = {index: [key for key in points[index] if key not in trained] for index in (*waiting, *running)}
    busy = {key for index in running for key in missing[index]}
    needed = collections.Counter(key for index in waiting for key in missing[index])
    free = [index for index in waiting if busy.isdisjoint(missing[index])]
    return max(free, key=lambda index: sum(needed[key] > 1 for key in missing[index]), default=None)


def waves(points: Sequence[Keys], trained: Collection[str] = ()) -> list[list[int]]:
    """Groups of points, each to be started when the one before it has ended.

    No two points of a group have an untrained phase in common. The first group is one point for each initial training.
    """
    waiting, known = list(range(len(points))), set(trained)
    found: list[list[int]] = []
    while waiting:
        wave: list[int] = []
        while (index := next_point(points, waiting, wave, known)) is not None:
            wave.append(index)
            waiting.remove(index)
        found.append(wave)
        known.update(key for index in wave for key in points[index])
    return found
