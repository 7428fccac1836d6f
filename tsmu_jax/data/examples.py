"""Pairs as the network sees them: resized, stacked, and kept in memory where they fit."""

import threading
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from tsmu_jax.data.augmentation import augment_validation
from tsmu_jax.data.source import Pair, PairSource
from tsmu_jax.errors import UserError


class Example(NamedTuple):
    """A pair at the network's size."""

    image: np.ndarray  # u8[s, s, c]: pre-event RGB, then post-event RGB
    mask: np.ndarray  # u8[s, s] of the values in mask.py


def to_example(pair: Pair, *, size: int, channels: int) -> Example:
    """Resizes a pair (bilinear; the mask nearest neighbour only) and stacks its dates.

    Args:
      channels: 6 for pre- and post-event images, 3 for the post-event image alone.

    Raises:
      UserError: if 6 channels are asked for and there is no pre-event image.
    """
    image = stacked(pair.pre, pair.post, size=(size, size), channels=channels)
    mask = _resized(pair.mask, (size, size), Image.Resampling.NEAREST)
    return Example(image, mask)


def stacked(pre: np.ndarray | None, post: np.ndarray, *, size: tuple[int, int], channels: int) -> np.ndarray:
    """Resizes the images of a pair (bilinear) and stacks them: u8[h, w, c].

    Args:
      pre: u8[h, w, 3], or None.
      post: u8[h, w, 3].
      size: height and width of the result.
      channels: see `to_example`, which also raises the same error.
    """
    dates = [post]
    if channels == 6:
        if pre is None:
            raise UserError("a pair without a pre-event image has 3 channels: set --config.data.channels=3")
        dates = [pre, post]
    return np.concatenate([_resized(date, size, Image.Resampling.BILINEAR) for date in dates], axis=-1)


def _resized(array: np.ndarray, size: tuple[int, int], how: Image.Resampling) -> np.ndarray:
    """u8[h, w] or u8[h, w, 3] at a size (height and width); the array itself where it has that size."""
    height, width = size
    return array if array.shape[:2] == size else np.asarray(Image.fromarray(array).resize((width, height), how))


class Examples:
    """Random access to examples, safe from several threads, with a bounded cache of the resized arrays."""

    def __init__(self, source: PairSource, *, size: int, channels: int, cache_gib: float = 2.0):
        self.source = source
        self.size = size
        self.channels = channels
        self._room = int(cache_gib * 2**30) // (size * size * (channels + 1))
        self._cache: dict[int, Example] = {}
        self._lock = threading.Lock()

    def __getitem__(self, index: int) -> Example:
        example = self._cache.get(index)
        if example is None:
            try:
                example = to_example(self.source[index], size=self.size, channels=self.channels)
            except UserError as error:
                info = self.source.infos[index]
                raise UserError(f"{info.ecoregion}/{info.id}: {error}") from error
            with self._lock:
                if len(self._cache) < self._room:
                    self._cache[index] = example
        return example

    def stack(self, indices: Iterable[int]) -> Example:
        """Returns (u8[n, s, s, c], u8[n, s, s])."""
        images, masks = zip(*(self[index] for index in indices), strict=True)
        return Example(np.stack(images), np.stack(masks))


def validation_examples(examples: Examples, indices: Iterable[int], *, copies: int, seed: Sequence[int]) -> Example:
    """The validation set of one ecoregion: each pair `copies` times, augmented by section V-A's rule.

    Returns:
      (u8[n, s, s, c], u8[n, s, s]).
    """
    images, masks = [], []
    for index in indices:
        for copy in range(copies):
            pair = zlib.crc32(examples.source.infos[index].id.encode())  # wherever it lies in its source
            rng = np.random.default_rng([*seed, pair, copy])
            image, mask = augment_validation(*examples[index], rng)
            images.append(image)
            masks.append(mask)
    return Example(np.stack(images), np.stack(masks))
