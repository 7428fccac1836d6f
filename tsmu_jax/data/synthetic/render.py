"""Draws one synthetic pair: ground on two dates, landslides on the second, light, tones and sensor."""

import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tsmu_jax.data.ecoregions import Ecoregion
from tsmu_jax.data.source import Pair
from tsmu_jax.data.synthetic.cover import Ground, paint_layers
from tsmu_jax.data.synthetic.recipes import Recipe
from tsmu_jax.data.synthetic.slides import Slides, make_slides
from tsmu_jax.data.synthetic.terrain import Terrain, make_terrain, sunlight
from tsmu_jax.data.synthetic.tones import target_quantiles, tone_map

JITTER = 0.06  # deviation of brightness between images
CAST = 0.05  # deviation of the logarithm of each channel's sensitivity between images
TAIL = 0.05  # of the background: a few very bright and very dark things
SENSOR_NOISE = 0.012
MISREGISTRATION = 0.8  # pixels


class Exposure(NamedTuple):
    """How a date differs from the other."""

    winter: float  # 0 = mid-summer, 1 = mid-winter
    brightness: float  # added to all tones


def exposure(month: int, lot: float) -> Exposure:
    """Season and light of a month; `lot` in [0, 1) sets the brightness."""
    winter = 0.5 + 0.5 * math.cos(2 * math.pi * (month - 1) / 12)
    return Exposure(winter, (lot - 0.5) * JITTER * math.sqrt(12))


def render(
    rng: np.random.Generator,
    region: Ecoregion,
    recipe: Recipe,
    shape: tuple[int, int],
    dates: tuple[Exposure, Exposure],
) -> Pair:
    """A pair of `shape` (height, width) seen on two dates, pre and post."""
    terrain = make_terrain(rng, shape, recipe.relief, recipe.dissection)
    slides = make_slides(rng, terrain, recipe.slides)
    before, after = paint_layers(rng, terrain, recipe.layers, (dates[0].winter, dates[1].winter))
    debris = _debris(terrain, slides, recipe, after)
    after.height = np.where(slides.cover > 0.5, debris.height, after.height)

    outside = target_quantiles(region.background, TAIL, JITTER)
    lit = before.albedo * sunlight(before.height, *_sun(rng, dates[0])) * _cast(rng)
    pre = tone_map(lit, lit, outside) + dates[0].brightness

    light = sunlight(after.height, *_sun(rng, dates[1])) * _cast(rng)
    mask, touched = slides.mask, slides.cover > 0
    lit = after.albedo * light
    post = tone_map(lit, lit[:, mask == 0], outside)
    lit = debris.albedo * light
    soil = tone_map(lit[:, touched], lit[:, mask == 1], target_quantiles(region.landslide, 0.0, JITTER))
    post[:, touched] += slides.cover[touched] * (soil - post[:, touched])
    post += dates[1].brightness

    shift = rng.uniform(-MISREGISTRATION, MISREGISTRATION, 2)
    pre = ndimage.shift(pre, (0, *shift), order=1, mode="nearest")
    return Pair(_digitised(rng, pre), _digitised(rng, post), mask)


def _debris(terrain: Terrain, slides: Slides, recipe: Recipe, under: Ground) -> Ground:
    """Bare soil with streaks, boulders, a fresh scarp and rafts of what was `under` it."""
    mix = np.clip(0.5 + 0.3 * slides.streaks + 0.2 * terrain.medium, 0, 1)
    scarp = np.exp(-((slides.along / 0.12) ** 2))
    levees = 0.25 * np.abs(slides.across) ** 3
    texture = 0.5 * terrain.fine + 0.5 * terrain.coarse + 0.4 * slides.streaks
    bright = 1 + recipe.debris * texture + 0.3 * scarp - levees
    soil = np.array(recipe.soil, np.float32)[..., None, None]
    albedo = (soil[0] + (soil[1] - soil[0]) * mix) * np.clip(bright, 0.25, 2)
    rafts = np.clip(2 * (slides.streaks - terrain.medium) - 3.2, 0, 0.8)
    albedo += rafts * (under.albedo - albedo)
    rough = 1.2 * terrain.fine / 1000
    return Ground(albedo.astype(np.float32), (terrain.height + slides.relief + rough).astype(np.float32))


def _sun(rng: np.random.Generator, date: Exposure) -> tuple[float, float]:
    """Azimuth and elevation in degrees of a morning pass."""
    return float(rng.uniform(115, 170)), float(rng.uniform(52, 64) - 22 * date.winter)


def _cast(rng: np.random.Generator) -> np.ndarray:
    """Colour cast f32[3, 1, 1] of a date: sensors and atmospheres differ, so a hue alone tells little."""
    return np.exp(rng.normal(0, CAST, (3, 1, 1))).astype(np.float32)


def _digitised(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """`image: f32[3, h, w]` as the sensor stores it, u8[h, w, 3]."""
    noisy = image + SENSOR_NOISE * rng.standard_normal(image.shape, dtype=np.float32)
    return np.ascontiguousarray(np.round(np.clip(noisy, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0))
