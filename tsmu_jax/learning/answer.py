"""What a decoder answers, for any number of images: shared by validation, evaluation, responses and analysis."""

from collections.abc import Callable, Iterator

import jax
import numpy as np

from tsmu_jax.batch import FLIP, IMAGE, ROW
from tsmu_jax.learning.features import Features
from tsmu_jax.learning.parallel import padded, pmap_answer, shard_whole, unshard
from tsmu_jax.learning.state import Model
from tsmu_jax.learning.steps import make_answer_step
from tsmu_jax.models.tsmu import Network, find_decoder


class Answerer:
    """A network compiled once, and once more for recorded features; every decoder and every model passes through it."""

    def __init__(self, network: Network, *, batch_size: int):
        self._step: Callable[..., jax.Array] = pmap_answer(make_answer_step(network))
        self._slots = padded(batch_size)

    def batches(
        self,
        model: Model,
        decoder: str,
        images: np.ndarray,
        flips: np.ndarray | None = None,
        *,
        recorded: tuple[Features, np.ndarray] | None = None,
    ) -> Iterator[np.ndarray]:
        """Yields logits f32[<= batch, s, s] of all images in order.

        Args:
          images: u8[n, s, s, c].
          flips: i32[n], applied to the images first; the logits are those of the flipped images.
          recorded: features and i32[n], the row of each image among them. Then the encoder does not run, and of images
            and flips only the number matters.
        """
        flips = np.zeros(len(images), np.int32) if flips is None else flips
        part, params = find_decoder(model.params, decoder)
        trees = (
            {"shared": model.params["shared"], "decoder": params},
            {"shared": model.batch_stats["shared"], "decoder": model.batch_stats[part][decoder]},
        )
        for start in range(0, len(images), self._slots):
            chunk = slice(start, start + self._slots)
            number = len(images[chunk])
            missing = self._slots - number
            batch = {
                IMAGE: np.pad(images[chunk], ((0, missing), (0, 0), (0, 0), (0, 0))),
                FLIP: np.pad(flips[chunk], (0, missing)),
            }
            if recorded is None:
                sent = shard_whole(batch)
            else:
                features, rows = recorded
                sent = features.attach(shard_whole(batch | {ROW: np.pad(rows[chunk], (0, missing))}))
            yield unshard(self._step(*trees, sent))[:number]

    def __call__(
        self,
        model: Model,
        decoder: str,
        images: np.ndarray,
        flips: np.ndarray | None = None,
        *,
        recorded: tuple[Features, np.ndarray] | None = None,
    ) -> np.ndarray:
        """Returns logits f32[n, s, s]; arguments as for `batches`."""
        return np.concatenate(list(self.batches(model, decoder, images, flips, recorded=recorded)))
