"""Answers of a decoder for any number of images: shared by validation, evaluation, responses and analysis."""

import functools
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np

from tsmu_jax import stopping
from tsmu_jax.batch import FLIP, IMAGE, ROW, fill
from tsmu_jax.learning import processes
from tsmu_jax.learning.features import Features
from tsmu_jax.learning.parallel import padded, place, pmap_answer, shard_whole, unshard
from tsmu_jax.learning.state import Model
from tsmu_jax.learning.steps import make_answer_step
from tsmu_jax.models.tsmu import Network, find_decoder


@functools.lru_cache(maxsize=8)
def _compiled(network: Network) -> Callable[..., jax.Array]:
    """Shares what is traced and compiled between the runs of a process."""
    return pmap_answer(make_answer_step(network))


class Answerer:
    """A network compiled once, and once more for stored features; every decoder and every model passes through it.

    Place a model on the devices first (`place`) to ask it more than once: each call sends what is not there.
    """

    def __init__(self, network: Network, *, batch_size: int):
        self._step = _compiled(network)
        self._slots = padded(batch_size)

    def __call__(self, model: Model, decoder: str, images: np.ndarray, flips: np.ndarray | None = None) -> np.ndarray:
        """Returns logits f32[n, s, s]; arguments as for `batches`."""
        return np.concatenate(list(self.batches(model, decoder, images, flips)))

    def batches(
        self, model: Model, decoder: str, images: np.ndarray, flips: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Yields logits f32[<= batch, s, s] of all images in order.

        Args:
          images: u8[n, s, s, c].
          flips: i32[n], applied to the images first; the logits are those of the flipped images.
        """
        flips = np.zeros(len(images), np.int32) if flips is None else flips
        return self._answers(model, decoder, {IMAGE: images, FLIP: flips}, lambda sent: sent)

    def from_features(self, model: Model, decoder: str, features: Features, rows: np.ndarray) -> np.ndarray:
        """Returns logits f32[n, s, s] of images whose features are stored. Needs neither the images nor the encoder.

        Args:
          rows: i32[n], the row of each image among the features.
        """
        return np.concatenate(list(self._answers(model, decoder, {ROW: rows}, features.attach)))

    def _answers(
        self,
        model: Model,
        decoder: str,
        asked: Mapping[str, np.ndarray],
        attach: Callable[[dict[str, jax.Array]], dict[str, jax.Array]],
    ) -> Iterator[np.ndarray]:
        part, params = find_decoder(model.params, decoder)
        trees = place(
            (
                {"shared": model.params["shared"], "decoder": params},
                {"shared": model.batch_stats["shared"], "decoder": model.batch_stats[part][decoder]},
            )
        )
        number = len(next(iter(asked.values())))
        for start in range(0, number, self._slots):
            if processes.alone():  # the answers of several processes wait for each other
                stopping.here()
            chunk = {name: rows[start : start + self._slots] for name, rows in asked.items()}
            sent = attach(shard_whole(fill(chunk, self._slots)))
            yield unshard(self._step(*trees, sent))[: number - start]
