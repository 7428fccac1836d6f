"""Temperature scaling: one number that makes a decoder's probabilities mean what they say (Guo et al. 2017)."""

import math

import numpy as np
from scipy.optimize import minimize_scalar

from tsmu_jax.mask import LANDSLIDE, UNKNOWN

COLDEST, HOTTEST = 0.05, 20.0
MOST_PIXELS = 1 << 20  # of the fit; more are thinned out evenly


def fit_temperature(logits: np.ndarray, masks: np.ndarray) -> float:
    """The temperature T for which sigmoid(logits / T) has the smallest cross-entropy with the masks.

    Args:
      logits: f[n, h, w], unnormalised, of images that did not train the decoder.
      masks: u8[n, h, w] of the values in mask.py; unknown ground does not count.

    Returns:
      A number between 0.05 and 20; 1 where the masks hold landslide alone or none at all, which fit any temperature.
    """
    step = max(1, math.ceil(logits.size / MOST_PIXELS)) | 1  # odd: sides are even, so all columns take part
    thinned = masks.ravel()[::step]
    known, truth = thinned != UNKNOWN, thinned == LANDSLIDE
    values, truth = logits.ravel()[::step][known].astype(np.float64), truth[known]
    if truth.all() or not truth.any():
        return 1.0
    signed = np.where(truth, -values, values)

    def cross_entropy(log_temperature: float) -> float:
        return float(np.logaddexp(0, signed / math.exp(log_temperature)).mean())

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    return math.exp(minimize_scalar(cross_entropy, bounds=bounds, method="bounded").x)
