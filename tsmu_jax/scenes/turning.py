"""The spread of a network's answers over turned versions of its input: a measure of how sure the answers are."""

from collections.abc import Callable, Iterator

import numpy as np

from tsmu_jax.models.saved import SavedModel

VERSIONS = (0, 4, 8)  # none; as it is and flipped; also turned by a quarter
MOST = 0.5  # no standard deviation of values in [0, 1] is larger

Turn = Callable[[np.ndarray], np.ndarray]


def spread(model: SavedModel, images: np.ndarray, decoder: str, own: np.ndarray, versions: int) -> np.ndarray:
    """Standard deviation of the calibrated probability over versions of images, each turned back to its place.

    Args:
      images: u8[b, h, w, c], sides divisible by the network's stride.
      own: f32[b, h, w], the probabilities of the images as they are: one of the versions.
      versions: 4 for the images as they are, mirrored left to right, top to bottom, and both; 8 for these also
        transposed.

    Returns:
      f32[b, h, w] in [0, 0.5].
    """
    answers = [own]
    for turn, back in _turns(versions):
        answers.append(back(model.predict(np.ascontiguousarray(turn(images)), decoder)))
    return np.std(answers, axis=0, dtype=np.float64).astype(np.float32)


def _turns(versions: int) -> Iterator[tuple[Turn, Turn]]:
    """All but the identity, each with its inverse, of arrays [b, h, w, ...]."""
    for transposed in (False, True) if versions == 8 else (False,):
        for axes in ((), (2,), (1,), (1, 2)):
            if axes or transposed:
                yield _turn(axes, transposed), _back(axes, transposed)


def _turn(axes: tuple[int, ...], transposed: bool) -> Turn:
    return lambda array: np.flip(array.swapaxes(1, 2) if transposed else array, axes)


def _back(axes: tuple[int, ...], transposed: bool) -> Turn:
    return lambda array: np.flip(array, axes).swapaxes(1, 2) if transposed else np.flip(array, axes)
