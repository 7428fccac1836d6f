"""The validation set's augmentations (section V-A), on the host; training's flips happen inside the step."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

Augmentation = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def augment_validation(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Applies 2 or more of diagonal, horizontal and vertical flip, zoom, translation and Gaussian blur.

    Args:
      image: u8[s, s, c], square.
      mask: u8[s, s].

    Returns:
      New arrays of the same shapes.
    """
    number = rng.integers(2, len(AUGMENTATIONS) + 1)
    for index in sorted(rng.choice(len(AUGMENTATIONS), number, replace=False)):
        image, mask = AUGMENTATIONS[index](image, mask, rng)
    return np.ascontiguousarray(image), np.ascontiguousarray(mask)


def _diagonal_flip(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return image.swapaxes(0, 1), mask.T


def _horizontal_flip(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return image[:, ::-1], mask[:, ::-1]


def _vertical_flip(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return image[::-1], mask[::-1]


def _zoom(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    side = len(mask)
    window = round(side / rng.uniform(1.05, 1.25))
    top, left = rng.integers(0, side - window + 1, 2)
    box = (left, top, left + window, top + window)
    zoomed = _by_channel(image, lambda band: band.resize((side, side), Image.Resampling.BILINEAR, box))
    return zoomed, np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.NEAREST, box))


def _translation(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    side = len(mask)
    reach = max(1, side // 10)
    top, left = rng.integers(0, 2 * reach + 1, 2)
    # What moves in from outside is the mirrored edge, mask included: labels stay true of what is seen.
    edges = ((reach, reach), (reach, reach))
    window = (slice(top, top + side), slice(left, left + side))
    return np.pad(image, (*edges, (0, 0)), "reflect")[window], np.pad(mask, edges, "reflect")[window]


def _gaussian_blur(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    blur = ImageFilter.GaussianBlur(rng.uniform(0.3, 1.0) * len(mask) / 256)
    return _by_channel(image, lambda band: band.filter(blur)), mask


def _by_channel(image: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    bands = [Image.fromarray(np.ascontiguousarray(band)) for band in np.moveaxis(image, -1, 0)]
    return np.stack([np.asarray(change(band)) for band in bands], axis=-1)


AUGMENTATIONS: tuple[Augmentation, ...] = (
    _diagonal_flip,
    _horizontal_flip,
    _vertical_flip,
    _zoom,
    _translation,
    _gaussian_blur,
)
