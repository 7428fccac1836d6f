"""Ground of the synthetic ecoregions: noise, relief, drainage and sunlight.

Lengths are in units of the image's shorter side, so that pictures of every size show the same kind of scene.
"""

import functools
import math
from typing import NamedTuple

import numpy as np


class Terrain(NamedTuple):
    """Relief of a scene and reusable noise, each f32[h, w]; the noises have mean 0 and deviation 1."""

    height: np.ndarray
    drainage: np.ndarray  # 0 along the valley lines, about 1 on the ridges
    coarse: np.ndarray
    medium: np.ndarray
    fine: np.ndarray

    @property
    def side(self) -> int:
        """Pixels in one unit of length."""
        return min(self.height.shape)


@functools.lru_cache(maxsize=64)
def _spectrum(height: int, width: int, low: float, high: float, slope: float) -> np.ndarray:
    """Amplitude f32[h, w // 2 + 1] falling as f^-slope above `low`, cut off below it and above `high`."""
    side = min(height, width)
    rows = np.fft.fftfreq(height, 1 / side)[:, None]  # cycles per unit of length
    columns = np.fft.rfftfreq(width, 1 / side)[None]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = 1e-3
    band = np.exp(-((low / frequency) ** 4) - (frequency / high) ** 2)
    return (band * frequency**-slope).astype(np.float32)


def noise(rng: np.random.Generator, shape: tuple[int, int], low: float, high: float, slope: float = 1.0) -> np.ndarray:
    """Noise f32[h, w] with mean 0 and deviation 1, between `low` and `high` cycles per unit of length."""
    white = rng.standard_normal(shape, dtype=np.float32)
    field = np.fft.irfft2(np.fft.rfft2(white) * _spectrum(*shape, low, high, slope), s=shape)
    return ((field - field.mean()) / field.std()).astype(np.float32)


def make_terrain(rng: np.random.Generator, shape: tuple[int, int], relief: float, dissection: float) -> Terrain:
    """A hilly scene; `relief` is the mean slope (1 = 45 degrees), `dissection` the share of small gullies."""
    main = np.sqrt(noise(rng, shape, 0.5, 4.0, 2.0) ** 2 + 0.01)
    side_valleys = np.sqrt(noise(rng, shape, 2.5, 12.0, 1.5) ** 2 + 0.02)
    height = main + 1.0 * noise(rng, shape, 0.5, 2.0, 2.0) + dissection * side_valleys * np.minimum(main, 1.0)
    down, right = np.gradient(height)
    height *= relief / (min(shape) * np.hypot(down, right).mean())
    return Terrain(
        height=height.astype(np.float32),
        drainage=main + 0.15 * side_valleys,
        coarse=noise(rng, shape, 1.5, 8.0, 1.5),
        medium=noise(rng, shape, 5.0, 24.0, 1.0),
        fine=noise(rng, shape, 16.0, 256.0, 1.0),
    )


def shifted(field: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same noise from a random origin: as good as new noise, for a tenth of the time."""
    return np.roll(field, tuple(int(rng.integers(size)) for size in field.shape), axis=(0, 1))


def sunlight(height: np.ndarray, azimuth: float, elevation: float) -> np.ndarray:
    """Hill-shading f32[h, w], 1 on flat ground; angles in degrees, azimuth clockwise from north (up)."""
    side = min(height.shape)
    down, right = np.gradient(height * side)
    turn, tilt = math.radians(azimuth), math.radians(elevation)
    toward_sun = math.cos(turn) * down - math.sin(turn) * right
    direct = (toward_sun / math.tan(tilt) + 1) / np.sqrt(1 + down**2 + right**2)
    return (0.3 + 0.7 * np.maximum(direct, 0)).astype(np.float32)
