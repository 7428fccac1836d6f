"""Tone mapping: gives the pixels of a class the mean, deviation and median that Table I asks for."""

import functools

import numpy as np
from scipy.special import ndtri

from tsmu_jax.data.statistics import PixelStatistics

KNOTS = 257
TABLE = 2048
SAMPLE = 15_000  # values that the quantiles of a class are taken from


@functools.lru_cache(maxsize=64)
def target_quantiles(wanted: PixelStatistics, tail: float, jitter: float) -> np.ndarray:
    """Quantile function f64[KNOTS] in [0, 1] whose mean, deviation and median are `wanted`.

    A normal variable z, with tails lengthened by `tail`, through the parabola a + b z + c z^2. Brightness
    that varies between images with deviation `jitter` is left out of the deviation.
    """
    z = ndtri((np.arange(KNOTS) + 0.5) / KNOTS)
    z = z + tail * z**3
    z /= z.std()
    inner = np.sqrt(wanted.std**2 - jitter**2)
    median, spread, bend = wanted.median, inner, wanted.mean - wanted.median
    for _ in range(20):  # clipping to [0, 1] moves the moments a little: correct for it
        curve = np.clip(median + spread * z + bend * z**2, 0, 1)
        spread *= inner / curve.std()
        bend += wanted.mean - curve.mean()
    return np.maximum.accumulate(curve)


def tone_map(image: np.ndarray, sample: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """`image` through the rising curve that takes the values of `sample` to the wanted distribution.

    One curve serves the three channels: it keeps their order, and with it the hue.
    """
    values = np.sort(sample.ravel()[:: 1 + sample.size // SAMPLE])
    at = (np.arange(KNOTS) + 0.5) / KNOTS * values.size - 0.5
    knots = np.interp(at, np.arange(values.size), values)
    # A table with evenly spaced inputs: faster to read than to search the knots for every pixel.
    low, high = float(knots[0]), float(max(knots[-1], knots[0] + 1e-6))
    table = np.interp(np.linspace(low, high, TABLE), knots, quantiles).astype(np.float32)
    index = np.clip((image - low) * ((TABLE - 1) / (high - low)) + 0.5, 0, TABLE - 1)
    return table[index.astype(np.int32)]
