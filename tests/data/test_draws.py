"""Which pairs an epoch draws: counts, balance, randomness, batches."""

import collections
from typing import Any

import numpy as np
import pytest

from tsmu_jax.batch import FLIPS
from tsmu_jax.data.draws import Draws

# Training pairs that Table IX's counts imply, and the images of an epoch that it prints.
TABLE_IX = {"nwfm": (400, 700), "etf": (22, 440), "mwcf": (25, 500), "nad": (34, 680)}


def make(**options: Any) -> Draws:
    groups = {"etf": range(0, 7), "nad": range(7, 10)}
    defaults = {"groups": groups, "subsample": 0, "draws": 4, "batch_size": 3, "seed": (0, 1)}
    return Draws(**(defaults | options))


def table_ix(*names: str) -> Draws:
    starts = dict(zip(TABLE_IX, np.cumsum([0, 400, 22, 25]), strict=True))
    groups = {name: range(starts[name], starts[name] + TABLE_IX[name][0]) for name in names}
    return make(groups=groups, subsample=35, draws=20, batch_size=2)


def taken(draws: Draws, epoch: int) -> collections.Counter[int]:
    return collections.Counter(draws.epoch(epoch)[:, 0].tolist())


@pytest.mark.parametrize("name", TABLE_IX)
def test_images_of_an_epoch_are_those_of_table_ix(name: str) -> None:
    draws = table_ix(name)
    assert draws.images_per_epoch == len(draws.epoch(0)) == TABLE_IX[name][1]


def test_images_of_all_ecoregions_are_those_of_table_ix() -> None:
    draws = table_ix(*TABLE_IX)
    assert draws.images_per_epoch == len(draws.epoch(3)) == 2320
    assert draws.steps_per_epoch == 1160


def test_an_epoch_draws_every_pair_equally_often() -> None:
    for epoch in range(3):
        assert taken(make(), epoch) == dict.fromkeys(range(10), 4)


def test_a_pair_that_stands_there_twice_is_drawn_twice_as_often() -> None:
    draws = make(groups={"etf": (0, 1, 1, 2)})
    assert draws.images_per_epoch == 16 and taken(draws, 0) == {0: 4, 1: 8, 2: 4}
    few = make(groups={"etf": (0, 1, 1, 2)}, subsample=2)
    assert {sum(taken(few, epoch).values()) for epoch in range(9)} == {8}  # an epoch is as long as any other


def test_subsampling_balances_without_losing_pairs() -> None:
    draws = make(groups={"big": range(100, 140), "small": range(5)}, subsample=8)
    epochs = [taken(draws, epoch) for epoch in range(40)]
    big = [{pair for pair in epoch if pair >= 100} for epoch in epochs]
    assert all(set(epoch.values()) == {4} for epoch in epochs)
    assert all(len(pairs) == 8 for pairs in big)
    assert all(set(epoch) - pairs == set(range(5)) for epoch, pairs in zip(epochs, big, strict=True))
    assert len({frozenset(pairs) for pairs in big}) > 35  # drawn anew each epoch
    assert set.union(*big) == set(range(100, 140))


def test_subsample_of_more_pairs_than_there_are_takes_all() -> None:
    assert taken(make(subsample=7), 0) == taken(make(), 0)
    assert make(subsample=5).images_per_epoch == 4 * (5 + 3)


def test_an_epoch_is_a_function_of_seed_and_epoch() -> None:
    reference = make().epoch(5)
    np.testing.assert_array_equal(make().epoch(5), reference)
    for other in (make().epoch(6), make(seed=(1, 1)).epoch(5), make(seed=(0, 2)).epoch(5)):
        assert (other != reference).any()
        assert sorted(other[:, 0]) == sorted(reference[:, 0])


def test_the_order_of_the_ecoregions_does_not_matter() -> None:
    groups = dict(make(subsample=2).groups)
    turned = dict(reversed(groups.items()))
    assert list(turned) != list(groups)
    np.testing.assert_array_equal(make(groups=turned, subsample=2).epoch(1), make(subsample=2).epoch(1))


def test_what_an_ecoregion_contributes_does_not_depend_on_the_others() -> None:
    both, alone = make(subsample=2).epoch(1), make(subsample=2, groups={"nad": range(7, 10)}).epoch(1)
    assert sorted(map(tuple, both[both[:, 0] >= 7])) == sorted(map(tuple, alone))


def test_epochs_are_shuffled_over_ecoregions() -> None:
    draws = table_ix("etf", "mwcf")
    first = draws.epoch(0)[: len(draws.epoch(0)) // 2, 0]
    share = np.mean(first < 422)  # of etf, which holds 47 % of the images
    assert 0.35 < share < 0.6
    assert (draws.epoch(0)[:, 0] != draws.epoch(1)[:, 0]).mean() > 0.5


def test_all_flips_occur_about_equally_often() -> None:
    draws = table_ix("nad")
    flips = np.concatenate([draws.epoch(epoch)[:, 1] for epoch in range(4)])
    counts = np.bincount(flips, minlength=FLIPS)
    assert len(counts) == FLIPS
    assert counts.min() > 0.9 * len(flips) / FLIPS


def test_each_pair_is_flipped_in_several_ways() -> None:
    drawn = table_ix("etf").epoch(0)
    for pair in range(400, 422):
        assert len(set(drawn[drawn[:, 0] == pair, 1])) >= 3  # of 20 draws; 2 or fewer: once in 10^5 pairs


@pytest.mark.parametrize(("batch_size", "steps", "last"), [(1, 40, 1), (3, 14, 1), (8, 5, 8), (40, 1, 40), (64, 1, 40)])
def test_batches_are_the_epoch_in_pieces(batch_size: int, steps: int, last: int) -> None:
    draws = make(batch_size=batch_size)
    assert draws.steps_per_epoch == steps
    for epoch in (0, 2):
        batches = [draws.batch(step) for step in range(epoch * steps, (epoch + 1) * steps)]
        assert [len(batch) for batch in batches] == [batch_size] * (steps - 1) + [last]
        np.testing.assert_array_equal(np.concatenate(batches), draws.epoch(epoch))


def test_batches_can_be_read_in_any_order() -> None:
    steps = np.random.default_rng(0).permutation(6 * make().steps_per_epoch)
    one, draws = make(), make()
    for step in steps:  # jumps between more epochs than are kept
        np.testing.assert_array_equal(draws.batch(int(step)), one.epoch(step // 14)[step % 14 * 3 :][:3])
