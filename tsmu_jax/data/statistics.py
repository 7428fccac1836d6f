"""Pixel statistics of an ecoregion (Table I) and the histograms behind them (Fig. 6), streamed over pairs."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from tsmu_jax.data.source import Pair
from tsmu_jax.mask import BACKGROUND, LANDSLIDE

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
    positive_fraction: float  # landslide pixels / all known pixels; NaN without any
    unknown_fraction: float  # pixels of unknown ground / all pixels; NaN without pairs
    empty_masks: int  # pairs without a landslide pixel
    landslide_counts: np.ndarray  # i64[256], values of intensity 0 ... 255 inside masks
    background_counts: np.ndarray  # i64[256], the same outside masks, without unknown ground


class PixelAccumulator:
    """Adds up post-event intensities in constant memory; the statistics are exact, not estimates."""

    def __init__(self) -> None:
        self._pairs = 0
        self._empty_masks = 0
        self._pixels = 0
        self._counts = np.zeros((2, LEVELS), np.int64)  # background, landslide

    def add(self, pair: Pair) -> None:
        """Counts the three channels of `pair.post`, by `pair.mask`; unknown ground is left out."""
        for value in (BACKGROUND, LANDSLIDE):
            self._counts[value] += np.bincount(pair.post[pair.mask == value].ravel(), minlength=LEVELS)
        self._pairs += 1
        self._pixels += pair.mask.size
        self._empty_masks += not (pair.mask == LANDSLIDE).any()

    def result(self) -> EcoregionStatistics:
        """The statistics of all the pairs added so far."""
        background, landslide = self._counts.copy()
        return of_counts(landslide, background, pairs=self._pairs, empty_masks=self._empty_masks, pixels=self._pixels)


def of_counts(
    landslide: np.ndarray, background: np.ndarray, *, pairs: int, empty_masks: int = 0, pixels: int = 0
) -> EcoregionStatistics:
    """Returns the statistics of an ecoregion from its counts, each i64[256].

    Args: pixels: of all images, unknown ground included; 0 where not known.
    """
    total = int(landslide.sum() + background.sum())  # values: three to a pixel
    return EcoregionStatistics(
        pairs=pairs,
        landslide=histogram_statistics(landslide),
        background=histogram_statistics(background),
        positive_fraction=int(landslide.sum()) / total if total else math.nan,
        unknown_fraction=1 - total / 3 / pixels if pixels else math.nan,
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
