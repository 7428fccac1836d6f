"""Recorded features: what a frozen encoder makes of each (pair, flip), computed once and kept on the devices."""

import time
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from tsmu_jax.batch import FEATURES, FLIP, FLIPS, IMAGE, ROW
from tsmu_jax.learning.parallel import padded, pmap_fill, pmap_take, replicate, shard_whole
from tsmu_jax.learning.state import Model
from tsmu_jax.learning.steps import make_encode_step
from tsmu_jax.models.tsmu import Network

BYTES = 2  # of a float16


class Features:
    """A table f16[pairs * flips, s, s, k] on every device: the frozen encoder never runs during training."""

    def __init__(self, table: jax.Array, pairs: Sequence[int], seconds: float):
        self.rows = {pair: row for row, pair in enumerate(pairs)}
        self.seconds = seconds  # that the recording took
        self._table = table
        self._take = pmap_take()

    def attach(self, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Puts the features of its rows into a batch on the devices."""
        rest = {name: value for name, value in batch.items() if name != ROW}
        return {**rest, FEATURES: self._take(self._table, batch[ROW])}


def gibibytes(images: int, side: int, channels: int) -> float:
    """Memory that the features of so many images, flipped ones counted, need on each device."""
    return images * side * side * channels * BYTES / 2**30


def record(
    network: Network,
    model: Model,
    image: Callable[[int], np.ndarray],
    *,
    pairs: Sequence[int],
    batch_size: int,
    progress: Callable[[int], None] = lambda done: None,
) -> Features:
    """Computes the features of every (pair, flip).

    Args:
      image: pair -> u8[s, s, c].
      batch_size: images at a time, over all devices.
      progress: called with the number of pairs so far.
    """
    started = time.perf_counter()
    at_a_time = max(1, padded(batch_size) // FLIPS)
    side = len(image(pairs[0]))
    slots = padded(at_a_time * FLIPS)
    # Whole batches: the rows behind the last pair are never taken.
    rows = -(-len(pairs) // at_a_time) * at_a_time * FLIPS + slots - at_a_time * FLIPS
    shape = (rows, side, side, network.encoder.features)
    table = replicate(jnp.zeros(shape, jnp.float16))
    encoder = replicate((model.params["shared"], model.batch_stats["shared"]))
    fill = pmap_fill(make_encode_step(network))
    for start in range(0, len(pairs), at_a_time):
        images = np.stack([image(pair) for pair in pairs[start : start + at_a_time]]).repeat(FLIPS, axis=0)
        flips = np.tile(np.arange(FLIPS, dtype=np.int32), len(images) // FLIPS)
        missing = slots - len(images)
        batch = {
            IMAGE: np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0))),
            FLIP: np.pad(flips, (0, missing)),
        }
        table = fill(table, np.int32(start * FLIPS), *encoder, shard_whole(batch))
        progress(min(start + at_a_time, len(pairs)))
    jax.block_until_ready(table)
    return Features(table, pairs, time.perf_counter() - started)
