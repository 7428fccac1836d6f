"""Landslides of the synthetic ecoregions: a scarp, a path down the slope, a tongue of debris around it."""

import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tsmu_jax.data.synthetic.terrain import Terrain

STEPS = 32  # of a path
ROUNDING = (0.10, 0.16)  # share of the length in which the scarp opens, and the toe closes
CANDIDATES = 48
TURN = 0.07  # how far a path turns towards the steepest descent at each step


class SlideShape(NamedTuple):
    """Properties that the landslides of an ecoregion have in common."""

    area: tuple[float, float]  # share of the image, all landslides together
    numbers: tuple[int, int]  # how many, least and most
    aspect: tuple[float, float]  # length / width
    spread: tuple[float, float]  # width at the toe / width at the scarp
    roughness: float  # of the edges


class Slides(NamedTuple):
    """All landslides of a scene, in maps of f32[h, w]."""

    cover: np.ndarray  # 0 ... 1, anti-aliased
    along: np.ndarray  # 0 at the scarp ... 1 at the toe
    across: np.ndarray  # -1 ... 1 from edge to edge
    streaks: np.ndarray  # noise drawn out along the flow
    relief: np.ndarray  # change of the height

    @property
    def mask(self) -> np.ndarray:
        """u8[h, w], 1 = landslide."""
        return (self.cover > 0.5).astype(np.uint8)


def make_slides(rng: np.random.Generator, terrain: Terrain, shape: SlideShape) -> Slides:
    """One to a few landslides on the steep parts of the terrain, the first one the largest."""
    slides = Slides(*(np.zeros(terrain.height.shape, np.float32) for _ in Slides._fields))
    # Only the lie of the land guides a landslide: its small bumps would twist the tongue into knots.
    ground = ndimage.gaussian_filter(terrain.height, terrain.side / 16)
    slopes = np.stack(np.gradient(ground * terrain.side)).astype(np.float32)
    count = int(rng.integers(shape.numbers[0], shape.numbers[1] + 1))
    shares = 0.6 ** np.arange(count)
    height, width = terrain.height.shape
    areas = rng.uniform(*shape.area) * shares / shares.sum() * height * width / terrain.side**2
    for area in areas:
        aspect = rng.uniform(*shape.aspect)
        half_width = math.sqrt(area / (3 * aspect))  # the tongue fills about 3/4 of its bounding strip
        path = _path(rng, ground, slopes, slides.cover, 2 * aspect * half_width * terrain.side)
        _add(slides, rng, terrain, path, half_width * terrain.side, shape)
    return slides


def _path(
    rng: np.random.Generator, ground: np.ndarray, slopes: np.ndarray, taken: np.ndarray, length: float
) -> np.ndarray:
    """Points f32[STEPS + 1, 2] (row, column; pixels) down the slope, from where it falls the most."""
    size = np.array(taken.shape)
    starts = rng.uniform(0.06, 0.94, (CANDIDATES, 2)) * size
    rows, columns = starts.astype(int).T
    gradient = slopes[:, rows, columns].T
    toes = starts - gradient / (np.linalg.norm(gradient, axis=1, keepdims=True) + 1e-6) * length
    outside = np.maximum(np.maximum(-toes, toes - size), 0).sum(1) / length
    toe_rows, toe_columns = np.clip(toes, 0, size - 1).astype(int).T
    middle_rows, middle_columns = np.clip((starts + toes) / 2, 0, size - 1).astype(int).T
    overlap = taken[rows, columns] + taken[middle_rows, middle_columns]
    fall = (ground[rows, columns] - ground[toe_rows, toe_columns]) / ground.std()
    point = starts[np.argmax(fall - 4 * outside - 4 * overlap)]
    points, direction = [point], np.zeros(2)
    for turn in (1.0, *(STEPS - 1) * (TURN,)):
        row, column = np.clip(point, 0, size - 1).astype(int)
        downhill = -slopes[:, row, column]
        # Inertia carries the debris over small hollows; without it a path would circle in the first one.
        direction = (1 - turn) * direction + turn * downhill / (math.hypot(*downhill) + 1e-6)
        direction /= math.hypot(*direction) + 1e-6
        point = point + length / STEPS * direction
        points.append(point)
    return np.array(points, np.float32)


def _add(
    slides: Slides,
    rng: np.random.Generator,
    terrain: Terrain,
    path: np.ndarray,
    half_width: float,
    shape: SlideShape,
) -> None:
    """Draws one landslide into the maps, within its bounding box."""
    spread = rng.uniform(*shape.spread)
    waist, waist_at = rng.uniform(0.0, 0.35), rng.uniform(0.3, 0.6)
    table = rng.standard_normal((48, 48), dtype=np.float32)
    reach = half_width * 2.5 * max(spread, 1.0) + 2
    first = np.maximum(np.floor(path.min(0) - reach), 0).astype(int)
    last = np.minimum(np.ceil(path.max(0) + reach), terrain.height.shape).astype(int)
    window = (slice(first[0], last[0]), slice(first[1], last[1]))
    along, offset = _path_coordinates(path, window)

    closing = np.sqrt(np.clip(np.minimum(along / ROUNDING[0], (1 - along) / ROUNDING[1]), 0, 1))
    width = 1 + (spread - 1) * along - waist * np.exp(-(((along - waist_at) / 0.2) ** 2))
    rough = 0.5 * terrain.coarse[window] + 0.7 * terrain.medium[window] + 0.3 * terrain.fine[window]
    width = half_width * width * closing * np.exp(shape.roughness * np.clip(rough, -2, 2))
    cover = np.clip(width - np.abs(offset) + 0.5, 0, 1) * (closing > 0)
    across = np.clip(offset / np.maximum(width, 1e-3), -1, 1)

    flow = (along * 5, offset / half_width * 5)
    streaks = ndimage.map_coordinates(table, flow, order=1, mode="grid-wrap")
    # The ground sinks below the scarp and piles up further down.
    profile = np.where(along < 0.3, -np.sin(along / 0.3 * np.pi), 0.7 * np.sin((along - 0.3) / 0.7 * np.pi))
    depth = 0.25 * half_width / terrain.side
    relief = ndimage.gaussian_filter(depth * profile * (1 - across**2), half_width / 6)
    on_top = cover > slides.cover[window]
    for target, value in zip(slides, (cover, along, across, streaks, relief), strict=True):
        target[window][on_top] = value[on_top]


def _path_coordinates(path: np.ndarray, window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel lies: share of the path behind it, and pixels to the side of it, both f32[h, w]."""
    rows, columns = (axis.astype(np.float32) for axis in np.ogrid[window])
    tangents = np.gradient(path, axis=0)
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    distance = (rows - path[:, 0, None, None]) ** 2 + (columns - path[:, 1, None, None]) ** 2
    nearest = np.argmin(distance, axis=0)
    down, right = rows - path[nearest, 0], columns - path[nearest, 1]
    tangent = tangents[nearest]
    step = float(np.linalg.norm(path[1] - path[0]))
    along = (nearest.astype(np.float32) + (down * tangent[..., 0] + right * tangent[..., 1]) / step) / STEPS
    offset = right * tangent[..., 0] - down * tangent[..., 1]
    return along, offset
