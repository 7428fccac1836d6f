"""Precision and recall at every threshold, and calibration, from counts of pixels by predicted probability."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from tsmu_jax.mask import LANDSLIDE, UNKNOWN

BINS = 100
# Bin k holds probabilities in (k / BINS, (k + 1) / BINS], the first one also 0: those above one half are exactly the
# landslides of the scores, which compare logits with 0.
_EDGES = np.log(np.arange(1, BINS) / np.arange(BINS - 1, 0, -1))


class Histogram(NamedTuple):
    """Pixels of some test images by the probability that was predicted for them."""

    landslide: np.ndarray  # i64[BINS], of the truth
    background: np.ndarray  # i64[BINS], likewise
    probability: np.ndarray  # f64[BINS], sum over the pixels of each bin

    @property
    def pixels(self) -> np.ndarray:
        """i64[BINS]."""
        return self.landslide + self.background


class PrecisionRecall(NamedTuple):
    """From the highest threshold at which anything is called a landslide down to 0; f64[n] in [0, 1] each."""

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


class Reliability(NamedTuple):
    """Groups of pixels of similar probability, without empty ones."""

    predicted: np.ndarray  # f64[n], mean probability
    observed: np.ndarray  # f64[n], share of landslide
    pixels: np.ndarray  # i64[n]


def histogram(logits: np.ndarray, masks: np.ndarray) -> Histogram:
    """Counts the known pixels of logits f[n, h, w] by masks u8[n, h, w]. A logit that is NaN is no landslide."""
    known = masks != UNKNOWN
    logits, inside = logits[known], masks[known] == LANDSLIDE
    logits = np.where(np.isnan(logits), -np.inf, logits)
    bins = np.searchsorted(_EDGES, logits)
    landslide, background = (np.bincount(bins[where], minlength=BINS) for where in (inside, ~inside))
    return Histogram(landslide, background, np.bincount(bins, weights=expit(logits.astype(float)), minlength=BINS))


def together(histograms: Iterable[Histogram]) -> Histogram:
    """All pixels of several histograms. Raises ValueError without any."""
    return Histogram(*(np.sum(parts, axis=0) for parts in zip(*histograms, strict=True)))


def precision_recall(counts: Histogram) -> PrecisionRecall:
    """Of all pixels taken together, at the thresholds 0, 1 / BINS, ... . Nothing without any landslide pixel."""
    found, called = (np.cumsum(part[::-1]) for part in (counts.landslide, counts.pixels))
    threshold = np.arange(BINS)[::-1] / BINS
    shown = (called > 0) & (found[-1] > 0)
    return PrecisionRecall(threshold[shown], found[shown] / called[shown], found[shown] / max(found[-1], 1))


def average_precision(curve: PrecisionRecall) -> float:
    """Sum of precision times gain in recall, in [0, 1]; NaN of an empty curve."""
    return float(curve.precision @ np.diff(curve.recall, prepend=0)) if len(curve.recall) else np.nan


def reliability(counts: Histogram, groups: int = 10) -> Reliability:
    """Predicted beside observed in `groups` equally wide groups of probabilities. `groups` divides BINS."""
    landslide, pixels, probability = (
        part.reshape(groups, -1).sum(1) for part in (counts.landslide, counts.pixels, counts.probability)
    )
    shown = pixels > 0
    return Reliability(probability[shown] / pixels[shown], landslide[shown] / pixels[shown], pixels[shown])


def calibration_error(groups: Reliability) -> float:
    """Expected calibration error, in [0, 1]: |predicted - observed|, averaged over pixels; NaN without any."""
    gap = np.abs(groups.predicted - groups.observed)
    return float(gap @ groups.pixels / groups.pixels.sum()) if len(gap) else np.nan
