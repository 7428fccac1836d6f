"""The landslides of a map as polygons: the outlines of its pixels, with what the model said of them."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax.prediction.output import FULL, NOT_OBSERVED
from tsmu_jax.scenes import layers

CONNECTIVITY = 4  # pixels that touch at a corner alone are two landslides: one polygon of both would cross itself


@dataclasses.dataclass(frozen=True)
class Detection:
    """One landslide of a map.

    Attributes:
      geometry: shapely Polygon in the map's coordinates, along the edges of pixels.
      pixels: their number.
      first: row and column of the first one, from the top and then from the left.
      prob_mean, prob_max: calibrated probability over its pixels, in [0, 1].
      touches_edge: whether it ends at the edge of the map, or at ground without data.
      uncertainty: mean spread of the probability over turned images, in [0, 0.5]; None where that was not measured.
    """

    geometry: Any
    pixels: int
    first: tuple[int, int]
    prob_mean: float
    prob_max: float
    touches_edge: bool
    uncertainty: float | None = None


def detections(directory: Path) -> Iterator[Detection]:
    """Finds the landslides of a finished map, from the top; holds one of them in memory at a time."""
    import rasterio
    from rasterio.features import shapes
    from shapely.geometry import shape

    with contextlib.ExitStack() as files:
        mask = files.enter_context(rasterio.open(directory / layers.MASK))
        probability = files.enter_context(rasterio.open(directory / layers.PROBABILITY))
        spread = None
        if (directory / layers.UNCERTAINTY).exists():
            spread = files.enter_context(rasterio.open(directory / layers.UNCERTAINTY))
        for outline, value in shapes(rasterio.band(mask, 1), connectivity=CONNECTIVITY):  # reads the file by lines
            if value == 1:
                yield _detection(shape(outline), mask, probability, spread)


def count(directory: Path) -> int:
    """The number of landslides of a finished map."""
    import rasterio
    from rasterio.features import shapes

    with rasterio.open(directory / layers.MASK) as mask:
        return sum(value == 1 for _, value in shapes(rasterio.band(mask, 1), connectivity=CONNECTIVITY))


def _detection(polygon: Any, mask: Any, probability: Any, spread: Any | None) -> Detection:
    """Measures a polygon on the pixels of its surroundings."""
    from rasterio.features import rasterize
    from rasterio.windows import Window, from_bounds
    from rasterio.windows import transform as placed

    bounds = from_bounds(*polygon.bounds, transform=mask.transform).round_offsets().round_lengths()
    top, left = max(int(bounds.row_off) - 1, 0), max(int(bounds.col_off) - 1, 0)
    bottom = min(int(bounds.row_off + bounds.height) + 1, mask.height)
    right = min(int(bounds.col_off + bounds.width) + 1, mask.width)
    window = Window(left, top, right - left, bottom - top)
    inside = rasterize(
        [polygon], out_shape=(bottom - top, right - left), transform=placed(window, mask.transform), dtype="uint8"
    ).astype(bool)
    levels = probability.read(1, window=window)
    rows, columns = np.nonzero(inside)
    values = levels[inside].astype(np.float64) / FULL
    at_edge = top + rows.min() == 0 or left + columns.min() == 0
    at_edge |= top + rows.max() == mask.height - 1 or left + columns.max() == mask.width - 1
    return Detection(
        geometry=polygon,
        pixels=len(values),
        first=(top + int(rows[0]), left + int(columns[0])),
        prob_mean=float(values.mean()),
        prob_max=float(values.max()),
        uncertainty=None if spread is None else float(spread.read(1, window=window)[inside].mean()) * spread.scales[0],
        touches_edge=bool(at_edge) or bool((_grown(inside) & (levels == NOT_OBSERVED)).any()),
    )


def _grown(inside: np.ndarray) -> np.ndarray:
    """With the pixels beside it."""
    grown = inside.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            moved = np.roll(inside, step, axis)
            edge = [slice(None), slice(None)]
            edge[axis] = slice(0, 1) if step == 1 else slice(-1, None)
            moved[tuple(edge)] = False
            grown |= moved
    return grown
