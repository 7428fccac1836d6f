"""Pixel statistics of an ecoregion (Table I) and the histograms behind them (Fig. 6), streamed over pairs."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tsmu_jax.data.source import Pair

LEVELS = 256  # intensities of a u8 channel


class PixelStatistics(NamedTuple):
    """Three columns of Table I: intensities / 255, all channels pooled; NaN where there are no pixels."""

    mean: float
    std: float
    median: float


class EcoregionStatistics(NamedTuple):
    """A row of Table I, and the counts that Fig. 6 draws."""

    pairs: int
    landslide: PixelStatistics
    background: PixelStatistics
    positive_fraction: float  # landslide pixels / all pixels; NaN without pairs
    empty_masks: int  # pairs without a landslide pixel
    landslide_counts: np.ndarray  # i64[256], values of intensity 0 ... 255 inside masks
    background_counts: np.ndarray  # i64[256], the same outside masks


class PixelAccumulator:
    """Adds up post-event intensities in constant memory; the statistics are exact, not estimates."""

    def __init__(self) -> None:
        self._pairs = 0
        self._empty_masks = 0
        self._counts = np.zeros((2, LEVELS), np.int64)  # background, landslide

    def add(self, pair: Pair) -> None:
        """Counts the three channels of `pair.post`, by `pair.mask`."""
        inside = pair.mask.astype(bool)
        landslide = np.bincount(pair.post[inside].ravel(), minlength=LEVELS)
        self._counts[1] += landslide
        self._counts[0] += np.bincount(pair.post.ravel(), minlength=LEVELS) - landslide
        self._pairs += 1
        self._empty_masks += not inside.any()

    def result(self) -> EcoregionStatistics:
        """The statistics of all the pairs added so far."""
        background, landslide = self._counts.copy()
        return of_counts(landslide, background, pairs=self._pairs, empty_masks=self._empty_masks)


def of_counts(
    landslide: np.ndarray, background: np.ndarray, *, pairs: int, empty_masks: int = 0
) -> EcoregionStatistics:
    """Returns the statistics of an ecoregion from its counts, each i64[256]."""
    total = int(landslide.sum() + background.sum())
    return EcoregionStatistics(
        pairs=pairs,
        landslide=histogram_statistics(landslide),
        background=histogram_statistics(background),
        positive_fraction=int(landslide.sum()) / total if total else math.nan,
        empty_masks=empty_masks,
        landslide_counts=landslide,
        background_counts=background,
    )


def histogram_statistics(counts: np.ndarray) -> PixelStatistics:
    """Mean, population standard deviation and median, in [0, 1], of `counts: i64[256]` intensities."""
    total = int(counts.sum())
    if not total:
        return PixelStatistics(math.nan, math.nan, math.nan)
    levels = np.arange(LEVELS) / (LEVELS - 1)
    mean = float(counts @ levels) / total
    variance = float(counts @ (levels - mean) ** 2) / total
    # With an even total the median lies halfway between the two middle values, as in numpy.
    middle = np.searchsorted(np.cumsum(counts), [(total - 1) // 2, total // 2], side="right")
    return PixelStatistics(mean, math.sqrt(variance), float(levels[middle].mean()))


def pixel_statistics(pairs: Iterable[Pair]) -> EcoregionStatistics:
    """The statistics of one ecoregion's pairs, each decoded once and let go."""
    accumulator = PixelAccumulator()
    for pair in pairs:
        accumulator.add(pair)
    return accumulator.result()
