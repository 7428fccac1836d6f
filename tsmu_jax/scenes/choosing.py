"""Chooses one decoder for a whole scene: by what its autoencoder makes of squares that are spread over it."""

import dataclasses

import numpy as np
from PIL import Image

from tsmu_jax.errors import UserError
from tsmu_jax.prediction.predictor import Choice, Predictor
from tsmu_jax.scenes.grid import Grid, resampled
from tsmu_jax.scenes.pair import ScenePair

SQUARES = 16  # looked at, for each resolution that an ecoregion was trained at
_LEAST_OBSERVED = 0.9  # of a square's ground


def choose(predictor: Predictor, scene: ScenePair, stated_m: tuple[float, float] | None) -> Choice:
    """The decoder that the user named, or that of the ecoregion whose autoencoder reconstructs the scene best.

    Each autoencoder sees ground at the scale that it was trained on; its errors are averaged over the squares.

    Args:
      stated_m: metres of ground that a pixel of the network's input covers, down and across; None as in training.

    Raises:
      UserError: the model knows no resolution, or the scene has no square of ground with data.
    """
    if predictor.named:
        return predictor.named
    side, seen = predictor.model.side, {}
    errors = []
    for column, name in enumerate(predictor.candidates):
        wanted = resolution(predictor, Choice(name, predictor.model.route[name], None), stated_m)
        if wanted not in seen:
            grid = resampled(scene.grid, wanted, path=str(scene.post.path))
            squares = _squares(scene, grid, side)
            if not squares:
                raise UserError(f"{scene.post.path}: no square of {side} px has data; name a decoder: --decoder=NAME")
            at_once = predictor.images_at_once
            chunks = [squares[at : at + at_once] for at in range(0, len(squares), at_once)]
            seen[wanted] = np.concatenate([predictor.errors(chunk) for chunk in chunks]).mean(axis=0)
        errors.append(seen[wanted][column])
    return predictor.chosen(np.array([errors]))[0]


def resolution(predictor: Predictor, choice: Choice, stated_m: tuple[float, float] | None) -> tuple[float, float]:
    """Metres of ground of the network's pixels. Raises UserError where neither the user nor the model knows them."""
    found = stated_m or predictor.resolution_m(choice)
    if found is None:
        known = f"the model does not know how much ground the pixels of {choice.ecoregion or choice.decoder} covered"
        raise UserError(f"{predictor.model.path}: {known}; state it: --resolution=METRES of a pixel of its input")
    return found


def _squares(scene: ScenePair, grid: Grid, side: int) -> list[np.ndarray]:
    """Squares u8[side, side, c] with data, spread evenly; all of a grid that is smaller than one, enlarged.

    Where there is an area of interest, they lie in its bounding box and meet it. Masked ground counts as without data.
    """
    unbounded = dataclasses.replace(scene, area=scene.area.unbounded)
    (top, height, rows), (left, width, columns) = (
        _tiled(span, length, side)
        for span, length in zip(scene.area.span(grid), (grid.height, grid.width), strict=True)
    )
    step = max(1, round((rows * columns / SQUARES) ** 0.5))
    found = []
    for row in range(top, top + rows * height, step * height):
        for column in range(left, left + columns * width, step * width):
            place = slice(row, row + height), slice(column, column + width)
            if not scene.area.meets(grid, *place):
                continue
            part = unbounded.read(grid, *place)
            if part.observed.mean() >= _LEAST_OBSERVED:
                found.append(_square(part.image, side))
    return found


def _tiled(span: slice, length: int, side: int) -> tuple[int, int, int]:
    """Start, side and number of the squares that cover a span of a grid's side; whole ones, which lie on the grid."""
    side = min(side, length)
    start = min(span.start, length - side)
    return start, side, max(1, (span.stop - start) // side)


def _square(image: np.ndarray, side: int) -> np.ndarray:
    if image.shape[:2] == (side, side):
        return image
    dates = np.split(image, image.shape[-1] // 3, axis=-1)
    return np.concatenate([Image.fromarray(date).resize((side, side), Image.Resampling.BILINEAR) for date in dates], -1)
