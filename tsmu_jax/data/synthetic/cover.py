"""Land cover of the synthetic ecoregions: forests, fields, roads, clear-cuts, rock, washes, snow.

A shape is a function of (rng, terrain) that returns how much of each pixel it covers, f32[h, w] in [0, 1].
"""

import dataclasses
import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from tsmu_jax.data.synthetic.terrain import Terrain, shifted

Colour = tuple[float, float, float]
Shape = Callable[[np.random.Generator, Terrain], np.ndarray]

ALWAYS, NEW, WINTER = "always", "new", "winter"  # NEW: in the post-event image only


@dataclasses.dataclass(frozen=True)
class Layer:
    """One kind of land cover, painted over those before it."""

    shape: Shape
    colours: tuple[Colour, Colour]  # mixed by noise; winter moves the mixture towards the second
    season: float = 0.0  # by how much
    canopy: float = 0.0  # height of the texture that throws shadows, in thousandths of the image
    grain: float = 0.0  # contrast of its albedo
    when: str = ALWAYS
    chance: float = 1.0


@dataclasses.dataclass
class Ground:
    """A scene on one date, before light falls on it."""

    albedo: np.ndarray  # f32[3, h, w]: planes are several times faster to blend than pixels
    height: np.ndarray  # f32[h, w]

    def paint(self, cover: np.ndarray, colours: tuple[Colour, Colour], mix: np.ndarray, bright: np.ndarray) -> None:
        """Lays over `cover` the two colours, mixed by `mix` in [0, 1] and multiplied by `bright`."""
        first, second = np.array(colours, np.float32)[..., None, None]
        colour = (first + (second - first) * mix) * bright
        self.albedo += cover * (colour - self.albedo)


def paint_layers(
    rng: np.random.Generator, terrain: Terrain, layers: tuple[Layer, ...], winters: tuple[float, float]
) -> tuple[Ground, Ground]:
    """The ground on the pre- and the post-event date; `winters` in [0, 1], 1 = mid-winter."""
    blank = np.zeros((3, *terrain.height.shape), np.float32)
    before, after = Ground(blank.copy(), terrain.height), Ground(blank, terrain.height)
    for layer in layers:
        if rng.random() >= layer.chance:
            continue
        cover = layer.shape(rng, terrain)
        patchy, grain = shifted(terrain.medium, rng), shifted(terrain.fine, rng)
        bright = np.clip(1 + layer.grain * grain, 0.2, 2).astype(np.float32)
        for ground, winter in zip((before, after), winters, strict=True):
            if layer.when == NEW and ground is before:
                continue
            seen = cover * np.clip(3 * winter - 1, 0, 1) if layer.when == WINTER else cover
            mix = np.clip(0.35 + 0.25 * patchy + layer.season * (winter - 0.3), 0, 1)
            ground.paint(seen, layer.colours, mix, bright)
            # What is painted over loses its canopy: a clear-cut is flat.
            canopy = terrain.height + layer.canopy / 1000 * grain
            ground.height = ground.height + seen * (canopy - ground.height)
    return before, after


def everywhere() -> Shape:
    """All of the image."""
    return lambda rng, terrain: np.ones_like(terrain.height)


def patches(share: float, sharpness: float = 4.0, where: str = "coarse") -> Shape:
    """Blots of the named noise that cover `share` of the image."""
    level = NormalDist().inv_cdf(1 - share)

    def shape(rng: np.random.Generator, terrain: Terrain) -> np.ndarray:
        return _step(shifted(getattr(terrain, where), rng) - level, 1 / sharpness)

    return shape


def valleys(width: float) -> Shape:
    """The valley floors: rivers, washes; `width` on the scale of `Terrain.drainage`."""

    def shape(rng: np.random.Generator, terrain: Terrain) -> np.ndarray:
        reach = width * rng.uniform(0.7, 1.3) * (1 + 0.3 * terrain.medium)
        # The lowest valley only: water gathers there.
        low = _step(-_standard(terrain.height) + 0.4 * terrain.coarse, 0.3)
        return _step(reach - terrain.drainage, 0.04) * low

    return shape


def heights(share: float) -> Shape:
    """The highest `share` of the image, with a ragged lower edge."""
    level = NormalDist().inv_cdf(1 - share)

    def shape(rng: np.random.Generator, terrain: Terrain) -> np.ndarray:
        ragged = 0.8 * _standard(terrain.height) + 0.35 * shifted(terrain.medium, rng)
        return _step(ragged - level, 0.15)

    return shape


def blocks(count: tuple[int, int], size: tuple[float, float]) -> Shape:
    """Straight-edged plots: clear-cuts, building sites; `size` is the range of their sides."""

    def shape(rng: np.random.Generator, terrain: Terrain) -> np.ndarray:
        cover = np.zeros_like(terrain.height)
        for _ in range(int(rng.integers(count[0], count[1] + 1))):
            across, along = _turned(rng, terrain, rng.uniform(0, math.pi))
            lean = rng.uniform(-0.4, 0.4)
            inside = np.minimum(
                rng.uniform(*size) / 2 - np.abs(across + lean * along), rng.uniform(*size) / 2 - np.abs(along)
            )
            cover = np.maximum(cover, np.clip(inside * terrain.side + 0.5, 0, 1))
        return cover.astype(np.float32)

    return shape


def fields(share: float, size: tuple[float, float], within: float) -> Shape:
    """A patchwork of plots in the low parts; `share` of the plots, `within` that part of the image."""
    level = NormalDist().inv_cdf(1 - within)

    def shape(rng: np.random.Generator, terrain: Terrain) -> np.ndarray:
        across, along = _turned(rng, terrain, rng.uniform(0, math.pi))
        row = np.floor(along / rng.uniform(*size)).astype(int)
        column = np.floor(across / rng.uniform(*size) + 0.37 * row).astype(int)
        chosen = rng.random((64, 64)) < share
        low = _step(0.6 * terrain.coarse - 0.6 * _standard(terrain.height) - level, 0.1)
        return (chosen[row % 64, column % 64] * low).astype(np.float32)

    return shape


def road(width: float, winding: float) -> Shape:
    """A road through the image, `winding` from 0 (straight) to 1."""

    def shape(rng: np.random.Generator, terrain: Terrain) -> np.ndarray:
        across, along = _turned(rng, terrain, rng.uniform(0, math.pi))
        bend = np.zeros_like(along)
        for waves in (1, 2, 3):
            sway = rng.normal() * 0.1 * winding / waves
            bend += np.float32(sway) * np.sin(2 * math.pi * waves * along + rng.uniform(0, 6))
        # At least a pixel wide, or the anti-aliasing would hide it.
        half = max(width * terrain.side, 1.0) / 2
        return np.clip(half - np.abs(across + bend) * terrain.side + 0.5, 0, 1).astype(np.float32)

    return shape


def _turned(rng: np.random.Generator, terrain: Terrain, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in units of length from a random point, turned by `angle`."""
    height, width = terrain.height.shape
    down = (np.arange(height, dtype=np.float32)[:, None] - rng.uniform(0.1, 0.9) * height) / terrain.side
    right = (np.arange(width, dtype=np.float32)[None] - rng.uniform(0.1, 0.9) * width) / terrain.side
    return (
        (math.cos(angle) * right - math.sin(angle) * down).astype(np.float32),
        (math.sin(angle) * right + math.cos(angle) * down).astype(np.float32),
    )


def _step(field: np.ndarray, softness: float) -> np.ndarray:
    """0 below zero, 1 above, over a ramp of +-`softness`."""
    return np.clip(0.5 + 0.5 * field / softness, 0, 1).astype(np.float32)


def _standard(field: np.ndarray) -> np.ndarray:
    return (field - field.mean()) / field.std()
