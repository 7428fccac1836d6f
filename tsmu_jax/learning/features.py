"""Stored features: what a frozen encoder makes of each image, computed once and kept on the devices."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from tsmu_jax.batch import FEATURES, FLIP, FLIPS, IMAGE, ROW, fill
from tsmu_jax.learning.parallel import AHEAD, padded, place, pmap_fill, pmap_take, replicate, shard_whole
from tsmu_jax.learning.state import Model
from tsmu_jax.learning.steps import make_encode_step
from tsmu_jax.models.tsmu import Network

BYTES = 2  # of a float16


class Features:
    """A table f16[rows, s, s, k] on every device: the frozen encoder runs neither to train nor to validate.

    Attributes:
      pairs: training pair -> its place: its flips take the rows FLIPS * place and following.
      validation: ecoregion -> i32[n], the rows of its validation images; empty where they did not fit.
      seconds: that computing the table took.
    """

    def __init__(self, table: jax.Array, pairs: Sequence[int], validation: Mapping[str, int], seconds: float):
        self.pairs = {pair: place for place, pair in enumerate(pairs)}
        self.validation: dict[str, np.ndarray] = {}
        first = FLIPS * len(pairs)
        for name, images in validation.items():
            self.validation[name] = np.arange(first, first + images, dtype=np.int32)
            first += images
        self.seconds = seconds
        self._table = table
        self._take = pmap_take()

    def attach(self, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Puts the features of its rows into a batch on the devices."""
        rest = {name: value for name, value in batch.items() if name != ROW}
        return {**rest, FEATURES: self._take(self._table, batch[ROW])}


def gibibytes(images: int, side: int, channels: int) -> float:
    """Memory that the features of so many images, flipped ones counted, need on each device."""
    return images * side * side * channels * BYTES / 2**30


@functools.lru_cache(maxsize=8)
def _compiled(network: Network) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Shares what is traced and compiled between the runs of a process."""
    return pmap_fill(make_encode_step(network))


def store(
    network: Network,
    model: Model,
    image: Callable[[int], np.ndarray],
    *,
    pairs: Sequence[int],
    validation: Mapping[str, np.ndarray],
    batch_size: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Features:
    """Computes the features of every (pair, flip) and of the validation images, and stores them on the devices.

    Args:
      image: pair -> u8[s, s, c].
      validation: ecoregion -> u8[n, s, s, c], which are not flipped.
      batch_size: images at a time, over all devices.
      progress: called with the number of images so far.
    """
    started = time.perf_counter()

    def all_with_flips() -> Iterator[tuple[np.ndarray, int]]:
        for pair in pairs:
            shown = image(pair)
            yield from ((shown, code) for code in range(FLIPS))
        for images in validation.values():
            yield from ((each, 0) for each in images)

    numbers = {name: len(images) for name, images in validation.items()}
    rows, slots = FLIPS * len(pairs) + sum(numbers.values()), padded(batch_size)
    # Whole batches: the rows behind the last image are never taken.
    side, whole = len(image(pairs[0])), -(-rows // slots) * slots
    table = replicate(jnp.zeros((whole, side, side, network.encoder.feature_channels), jnp.float16))
    encoder = place((model.params["shared"], model.batch_stats["shared"]))
    fill_rows = _compiled(network)
    waiting = all_with_flips()
    filled: list[jax.Array] = []
    for start in range(0, rows, slots):
        images, flips = zip(*itertools.islice(waiting, slots), strict=True)
        batch = fill({IMAGE: np.stack(images), FLIP: np.array(flips, np.int32)}, slots)
        table, done = fill_rows(table, place(np.int32(start)), *encoder, shard_whole(batch))
        filled.append(done)
        if len(filled) > AHEAD:
            jax.block_until_ready(filled.pop(0))
        progress(min(start + slots, rows))
    jax.block_until_ready(table)
    return Features(table, pairs, numbers, time.perf_counter() - started)
