import math

import numpy as np
import pytest

from tsmu_jax.evaluation.intervals import Interval, Sample, paired_interval, spread

Scores = dict[Sample, float]


def samples(values: np.ndarray, *, ecoregion: str = "etf", experiment: object = 0, seed: object = None) -> Scores:
    return {Sample(experiment, ecoregion, str(image), seed): float(value) for image, value in enumerate(values)}


def interval(scores: Scores, reference: Scores, *, seed: int = 0, draws: int = 2000) -> Interval:
    found = paired_interval(scores, reference, np.random.default_rng(seed), draws=draws)
    assert found is not None
    return found


@pytest.mark.parametrize(("images", "least"), [((5, 5, 5, 5), 0.91), ((30,), 0.91), ((5,), 0.86)])
def test_nineteen_of_twenty_intervals_hold_the_true_difference(images: tuple[int, ...], least: float) -> None:
    rng, truth, held, repeats = np.random.default_rng(0), 0.03, 0, 300
    for repeat in range(repeats):
        scores, reference = {}, {}
        for region, count in enumerate(images):
            easy = rng.normal(0.5, 0.2, count)  # images differ far more than methods do
            reference |= samples(easy, ecoregion=str(region))
            scores |= samples(easy + rng.normal(truth, 0.1, count), ecoregion=str(region))
        found = interval(scores, reference, seed=repeat, draws=1500)
        held += found.low <= truth <= found.high
    assert least <= held / repeats <= 0.99


def test_pairing_narrows_the_interval() -> None:
    rng = np.random.default_rng(0)
    easy = rng.uniform(0.1, 0.9, 40)
    paired = interval(samples(easy + 0.05 + rng.normal(0, 0.01, 40)), samples(easy))
    shuffled = interval(samples(rng.permutation(easy) + 0.05), samples(easy))
    assert paired.excludes_zero
    assert not shuffled.excludes_zero
    assert (paired.high - paired.low) < 0.2 * (shuffled.high - shuffled.low)


def test_the_same_generator_gives_the_same_interval() -> None:
    rng = np.random.default_rng(0)
    scores, reference = samples(rng.uniform(size=20)), samples(rng.uniform(size=20))
    assert interval(scores, reference) == interval(scores, reference)
    assert interval(scores, reference) != interval(scores, reference, seed=1)
    reordered = dict(reversed(scores.items()))
    assert interval(reordered, reference) == interval(scores, reference)


def test_the_difference_is_the_mean_over_experiments_of_means_over_images() -> None:
    rng = np.random.default_rng(0)
    parts = [("a", 0, 4), ("b", 0, 2), ("a", 1, 4), ("b", 1, 7)]
    scores: Scores = {}
    reference: Scores = {}
    for ecoregion, experiment, count in parts:
        scores |= samples(rng.uniform(size=count), ecoregion=ecoregion, experiment=experiment)
        reference |= samples(rng.uniform(size=count), ecoregion=ecoregion, experiment=experiment)
    means = [np.mean([scores[one] - reference[one] for one in scores if one.experiment == number]) for number in (0, 1)]
    assert interval(scores, reference).difference == pytest.approx(np.mean(means))


def test_differences_that_are_all_alike_leave_no_doubt() -> None:
    easy = np.linspace(0.1, 0.8, 10)
    found = interval(samples(easy + 0.1), samples(easy))
    assert found.low == pytest.approx(0.1) and found.high == pytest.approx(0.1)
    assert interval(samples(easy), samples(easy)) == (0, 0, 0)
    assert not interval(samples(easy), samples(easy)).excludes_zero


def test_an_image_in_several_experiments_counts_as_one_image() -> None:
    """The same differences seen thrice tell no more than once."""
    rng = np.random.default_rng(0)
    better, easy = rng.uniform(size=10), rng.uniform(size=10)
    once = interval(samples(better), samples(easy))
    scores = {one: value for seed in range(3) for one, value in samples(better, experiment=seed).items()}
    thrice = interval(
        scores, {one: value for seed in range(3) for one, value in samples(easy, experiment=seed).items()}
    )
    np.testing.assert_allclose(thrice, once)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_of_few_seeds_hold_the_difference_of_all_seeds(seeds: int) -> None:
    rng, truth, held, repeats = np.random.default_rng(1), 0.03, 0, 300
    for repeat in range(repeats):
        scores, reference = {}, {}
        image = rng.normal(0, 0.05, 25)  # differences that an image makes with every seed
        for seed, own in enumerate(rng.normal(truth, 0.015, seeds)):
            easy = rng.normal(0.5, 0.2, 25)
            reference |= samples(easy, experiment=seed, seed=seed)
            scores |= samples(easy + own + image + rng.normal(0, 0.05, 25), experiment=seed, seed=seed)
        found = interval(scores, reference, seed=repeat, draws=1000)
        held += found.low <= truth <= found.high
    assert held / repeats >= 0.92


def test_seeds_that_agree_leave_the_interval_as_it_is_and_others_widen_it() -> None:
    rng = np.random.default_rng(0)
    better, easy = rng.uniform(size=20), rng.uniform(size=20)

    def found(shift: float, seeds: bool) -> Interval:
        scores = {
            one: value
            for k in range(3)
            for one, value in samples(better + shift * (k - 1), experiment=k, seed=k if seeds else None).items()
        }
        return interval(scores, {one: easy[int(one.image)] for one in scores})

    np.testing.assert_allclose(found(0.0, True), found(0.0, False))
    apart, known = found(0.1, True), found(0.1, False)
    assert apart.difference == pytest.approx(known.difference)
    assert apart.high - apart.low > 1.1 * (known.high - known.low)
    assert apart.low < known.low and apart.high > known.high


def test_seeds_alone_bound_a_difference_that_no_image_varies() -> None:
    easy = np.linspace(0.1, 0.8, 10)
    scores = {one: v for k in range(3) for one, v in samples(easy + 0.1 * (k + 1), experiment=k, seed=k).items()}
    found = interval(scores, {one: easy[int(one.image)] for one in scores})
    margin = 4.303 * 0.1 / math.sqrt(3)  # Student's t with two degrees of freedom
    assert found == pytest.approx((0.2, 0.2 - margin, 0.2 + margin), abs=1e-3)


def test_settings_that_differ_are_no_doubt_about_seeds() -> None:
    """A sweep cut short: one seed has both settings, two have one of them."""
    easy = np.linspace(0.1, 0.8, 12)
    gains = {("a", 0): 0.1, ("a", 1): 0.1, ("a", 2): 0.1, ("b", 0): 0.5}
    scores = {
        one: value
        for (setting, seed), gain in gains.items()
        for one, value in samples(easy + gain, ecoregion=setting, experiment=(setting, seed), seed=seed).items()
    }
    found = interval(scores, {one: easy[int(one.image)] for one in scores})
    assert found.low == pytest.approx(0.2) and found.high == pytest.approx(0.2)


def test_ecoregions_are_resampled_apart() -> None:
    """A difference between ecoregions is no doubt about the mean over both."""
    scores = samples(np.full(6, 0.9), ecoregion="a") | samples(np.full(6, 0.1), ecoregion="b")
    reference = samples(np.full(6, 0.4), ecoregion="a") | samples(np.full(6, 0.4), ecoregion="b")
    found = interval(scores, reference)
    assert found.low == pytest.approx(0.1) and found.high == pytest.approx(0.1)


def test_only_what_both_have_is_compared() -> None:
    easy = np.linspace(0.1, 0.8, 8)
    scores = samples(easy + 0.1) | {Sample(0, "nad", "alone"): 1.0}
    assert interval(scores, samples(easy)) == interval(samples(easy + 0.1), samples(easy))
    assert paired_interval(scores, samples(easy, ecoregion="nwfm"), np.random.default_rng(0)) is None


@pytest.mark.parametrize("counts", [(4,), (2, 3), (1, 9)])
def test_too_few_images_bound_nothing(counts: tuple[int, ...]) -> None:
    scores: Scores = {}
    for region, count in enumerate(counts):
        scores |= samples(np.full(count, 0.9), ecoregion=str(region))
    found = interval(scores, dict.fromkeys(scores, 0.1))
    assert found.difference == pytest.approx(0.8)
    assert math.isnan(found.low) and math.isnan(found.high) and not found.excludes_zero


def test_spread_over_seeds() -> None:
    assert spread([0.4, 0.6]) == (0.5, pytest.approx(0.1 * math.sqrt(2)), 2)
    assert math.isnan(spread([0.4]).std)
    with pytest.raises(ValueError, match="no values"):
        spread([])
