"""How sure a mean and a difference of means are: spread over seeds, paired bootstrap over test images."""

import collections
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, stdtrit

LEVEL = 0.95
DRAWS = 10_000  # resamples
MIN_FREEDOM = 4  # of one ecoregion with five test images: with fewer no resampling covers what it promises


class Spread(NamedTuple):
    """Mean and standard deviation over seeds; the latter is NaN for a single one."""

    mean: float
    std: float
    seeds: int


class Interval(NamedTuple):
    """A difference of means and where it may lie; the bounds are NaN where too few images tell."""

    difference: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether a ranking may be called."""
        return self.low > 0 or self.high < 0


class Sample(NamedTuple):
    """Which test image a score is of, and in which experiment."""

    experiment: Hashable  # what is averaged over: seed, ecoregion held out
    ecoregion: str
    image: str


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation (n - 1) of one value a seed. Raises ValueError without any."""
    if not values:
        raise ValueError("no values to average")
    std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(float(np.mean(values)), std, len(values))


def paired_interval(
    scores: Mapping[Sample, float],
    reference: Mapping[Sample, float],
    rng: np.random.Generator,
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> Interval | None:
    """The difference of mean scores to a reference on the same images, with its bootstrap interval.

    The difference is the mean over experiments of the mean over images of score minus reference. Images are resampled
    within their ecoregion; an image that several experiments test on (other seeds, other regions held out) is drawn
    with all its differences, since they are not independent. The interval says what other test images might have
    shown. It says nothing about other seeds: their spread stands beside it.

    Percentiles of resamples as large as the sample are too narrow for few images. So of an ecoregion's n images n - 1
    are drawn (Rao and Wu 1988), and the percentiles are those that Student's t with as many degrees of freedom asks
    for (Hesterberg 2015). Measured on normal differences, such intervals hold the true one in 92 % of all cases with
    one ecoregion of 5 images (82 % without these two corrections), and in 95 % with four.

    Args:
      scores: of each image in each experiment, in [0, 1].
      reference: likewise; what only one of the two has is left out.
      draws: resamples.

    Returns:
      None without a common image; no bounds where an ecoregion has a single image, or all together fewer than
      MIN_FREEDOM beyond one each.
    """
    common = sorted((sample for sample in scores if sample in reference), key=repr)
    if not common:
        return None
    sizes = collections.Counter(sample.experiment for sample in common)
    sums, shares = _by_image(common, sizes, scores, reference)
    difference = math.fsum(math.fsum(each.values()) for each in sums.values())
    freedom = sum(len(each) - 1 for each in sums.values())
    if min(len(each) for each in sums.values()) == 1 or freedom < MIN_FREEDOM:
        return Interval(difference, math.nan, math.nan)
    resampled = np.zeros(draws)
    for ecoregion in sums:
        images = len(sums[ecoregion])
        drawn = rng.multinomial(images - 1, np.full(images, 1 / images), draws).astype(float)
        value, share = (np.array(list(part[ecoregion].values())) for part in (sums, shares))
        resampled += share.sum() * (drawn @ value) / (drawn @ share)
    tail = float(ndtr(stdtrit(freedom, (1 - level) / 2)))
    low, high = np.quantile(resampled, (tail, 1 - tail))
    return Interval(difference, float(low), float(high))


_Parts = dict[str, dict[str, float]]


def _by_image(
    samples: Sequence[Sample],
    sizes: Mapping[Hashable, int],
    scores: Mapping[Sample, float],
    reference: Mapping[Sample, float],
) -> tuple[_Parts, _Parts]:
    """By ecoregion and image: its part of the difference, and its share of the weight; all shares sum to 1."""
    sums: _Parts = {}
    shares: _Parts = {}
    for sample in samples:
        weight = 1 / (len(sizes) * sizes[sample.experiment])
        for parts, value in ((sums, weight * (scores[sample] - reference[sample])), (shares, weight)):
            images = parts.setdefault(sample.ecoregion, {})
            images[sample.image] = images.get(sample.image, 0.0) + value
    return sums, shares
