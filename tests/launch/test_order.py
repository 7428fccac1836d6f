"""The order of points: what they have in common is trained once, and never twice at once."""

import random

import pytest

from launch.order import next_point, waves

# Chains of keys: each key stands for a phase after all those before it.
METHODS = ["i", "i r", "i f", "i f j", "i f t", "i a", "s s1 s2"]
POINTS = [tuple(chain.split()) for chain in METHODS]


def forest(seed: int, points: int = 30) -> list[tuple[str, ...]]:
    """Random chains with shared prefixes; a key names its whole prefix, as digests do."""
    rng = random.Random(seed)
    walks = [[rng.choice("abc") for _ in range(rng.randint(1, 4))] for _ in range(points)]
    return [tuple("".join(walk[:end]) for end in range(1, len(walk) + 1)) for walk in walks]


def trained_twice(points: list[tuple[str, ...]], groups: list[list[int]], trained: set[str]) -> list[str]:
    """Keys that two points of one group would train, both beginning when the group before has ended."""
    known, twice = set(trained), []
    for group in groups:
        fresh = [key for index in group for key in points[index] if key not in known]
        twice += [key for key in set(fresh) if fresh.count(key) > 1]
        known |= set(fresh)
    return twice


@pytest.mark.parametrize("seed", range(20))
def test_no_phase_is_trained_twice(seed: int) -> None:
    points = forest(seed)
    for trained in (set(), set(points[0]), {chain[0] for chain in points}):
        groups = waves(points, trained)
        assert sorted(index for group in groups for index in group) == list(range(len(points)))
        assert trained_twice(points, groups, trained) == []
    naive = [list(range(len(points)))]
    assert trained_twice(points, naive, set())  # the points above do share something


def test_the_first_wave_is_one_point_for_each_initial_training() -> None:
    first, *others = waves(POINTS)
    assert [POINTS[index][0] for index in first] == ["i", "s"]
    # "i f" is what most points wait for; after it nothing that is shared is left.
    assert POINTS[first[0]] == ("i", "f")
    assert len(others) == 1


def test_points_of_finished_phases_wait_for_nobody() -> None:
    assert waves(POINTS, trained={key for chain in POINTS for key in chain}) == [list(range(len(POINTS)))]
    assert len(waves([("a",)] * 4, trained={"a"})) == 1
    assert waves([("a",)] * 3) == [[0], [1, 2]]
    assert waves([]) == []


def test_a_point_waits_while_another_one_trains_its_prefix() -> None:
    everyone = list(range(len(POINTS)))
    running = 2  # i f
    waiting = [index for index in everyone if index != running]
    assert next_point(POINTS, waiting, [running], set()) == 6
    assert next_point(POINTS, [0, 1, 3], [running], set()) is None
    # The initial training is finished while the point goes on: what needs no more of it may start.
    assert next_point(POINTS, [0, 1, 3], [running], {"i"}) == 0
    assert next_point(POINTS, [3], [running], {"i"}) is None
    assert next_point(POINTS, [3], [], {"i"}) == 3


def test_after_a_failed_point_the_next_one_trains_the_prefix_alone() -> None:
    assert next_point(POINTS, [0, 1, 2, 3, 4], [], set()) == 2
    assert next_point(POINTS, [0, 1, 3, 4], [], set()) == 3  # 2 has failed: the other way to "f", which 4 needs too
    assert next_point(POINTS, [0, 1, 4], [3], set()) is None
    assert next_point(POINTS, [0, 1, 4], [3], {"i"}) == 0


def test_equals_keep_the_order_of_the_sweep() -> None:
    points = [("a", "b1"), ("a", "b2"), ("c", "d1"), ("c", "d2")]
    assert waves(points) == [[0, 2], [1, 3]]
