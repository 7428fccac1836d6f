import json

import numpy as np
import pytest
from scipy.special import expit, logit

from tsmu_jax.evaluation.probabilities import (
    BINS,
    Histogram,
    average_precision,
    calibration_error,
    histogram,
    precision_recall,
    reliability,
    together,
)


@pytest.fixture
def predicted() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    masks = rng.random((3, 20, 30)) < 0.2
    return (2 * masks - 1 + rng.normal(0, 1.5, masks.shape)).astype(np.float32), masks.astype(np.uint8)


def test_every_pixel_is_counted_once_in_its_bin(predicted) -> None:
    logits, masks = predicted
    counts = histogram(logits, masks)
    probability = expit(logits.astype(float))
    assert counts.landslide.sum() == masks.sum() and counts.pixels.sum() == masks.size
    bins = np.ceil(probability.ravel() * BINS).astype(int) - 1
    np.testing.assert_array_equal(counts.landslide, np.bincount(bins[masks.ravel() == 1], minlength=BINS))
    assert counts.probability.sum() == pytest.approx(probability.sum())


def test_the_bins_above_one_half_are_the_landslides_of_the_scores(predicted) -> None:
    logits, masks = predicted
    logits.ravel()[:50] = 0  # one half is no landslide
    counts = histogram(logits, masks)
    assert counts.pixels[BINS // 2 :].sum() == (logits > 0).sum()
    assert counts.landslide[BINS // 2 :].sum() == ((logits > 0) & (masks == 1)).sum()


def test_extreme_logits_and_nan() -> None:
    counts = histogram(np.array([[[-1e4, -np.inf, np.nan, 1e4, np.inf]]], np.float32), np.array([[[0, 0, 1, 1, 1]]]))
    assert counts.background[0] == 2 and counts.landslide[0] == 1 and counts.landslide[-1] == 2
    json.dumps([part.tolist() for part in counts], allow_nan=False)


def test_histograms_add_up(predicted) -> None:
    logits, masks = predicted
    parts = [histogram(logits[i : i + 1], masks[i : i + 1]) for i in range(3)]
    for part, whole in zip(together(parts), histogram(logits, masks), strict=True):
        np.testing.assert_allclose(part, whole)


def test_precision_and_recall_are_those_of_each_threshold(predicted) -> None:
    logits, masks = predicted
    curve = precision_recall(histogram(logits, masks))
    assert (np.diff(curve.recall) >= 0).all() and curve.recall[-1] == 1
    assert curve.precision[-1] == pytest.approx(masks.mean())
    for threshold in (0.0, 0.1, 0.5, 0.9):
        called = logits > logit(threshold)
        (at,) = np.flatnonzero(np.isclose(curve.threshold, threshold))
        assert curve.precision[at] == pytest.approx((called & (masks == 1)).sum() / called.sum())
        assert curve.recall[at] == pytest.approx((called & (masks == 1)).sum() / masks.sum())


def test_average_precision_of_perfect_and_of_even_answers() -> None:
    masks = np.zeros((1, 10, 10), np.uint8)
    masks[0, :3] = 1
    assert average_precision(precision_recall(histogram(10.0 * masks - 5, masks))) == 1
    assert average_precision(precision_recall(histogram(np.ones((1, 10, 10)), masks))) == pytest.approx(0.3)
    nothing = precision_recall(histogram(np.ones((1, 2, 2)), np.zeros((1, 2, 2))))
    assert len(nothing.recall) == 0 and np.isnan(average_precision(nothing))


def test_calibration() -> None:
    """A quarter of the pixels called .25 are landslide; of those called .85 none is."""
    logits = np.concatenate([np.full(400, logit(0.25)), np.full(100, logit(0.85))]).reshape(1, 1, 500)
    masks = (np.arange(500) < 100).astype(np.uint8).reshape(1, 1, 500)
    groups = reliability(histogram(logits, masks))
    np.testing.assert_allclose(groups.predicted, [0.25, 0.85])
    np.testing.assert_allclose(groups.observed, [0.25, 0])
    assert groups.pixels.tolist() == [400, 100]
    assert calibration_error(groups) == pytest.approx(0.2 * 0.85)
    empty = Histogram(*np.zeros((3, BINS)))
    assert np.isnan(calibration_error(reliability(empty)))
