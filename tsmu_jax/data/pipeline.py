"""From draws to batches on the device: Grain reads ahead in threads, at any position of the order."""

import collections
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, SupportsIndex

import grain
import numpy as np

from tsmu_jax.batch import DECODER, FLIP, FLIPS, IMAGE, MASK, RESPONSES, ROW, WEIGHT, fill
from tsmu_jax.data.draws import Draws
from tsmu_jax.data.examples import Examples

Arrays = dict[str, np.ndarray]


class ResponseReader(Protocol):
    """Stored logits of the distilled decoders."""

    def read(self, pair: int, flip: int) -> np.ndarray:
        """Returns f32[d, s, s] for a pair, flipped."""
        ...


class StoredFeatures(NamedTuple):
    """Stands for the images whose features are stored.

    Attributes:
      rows: pair -> its place among the features.
      masks: pair -> u8[s, s].
    """

    rows: Mapping[int, int]
    masks: Mapping[int, np.ndarray]


class _Batches:
    """Grain's random-access source: the assembled batch of any step."""

    def __init__(
        self,
        examples: Examples,
        draws: Draws,
        *,
        share: slice,
        decoder: Mapping[int, int],
        responses: ResponseReader | None,
        features: StoredFeatures | None,
        steps: int,
    ):
        self._examples, self._draws, self._share = examples, draws, share
        self._decoder, self._responses, self._stored, self._steps = decoder, responses, features, steps

    def __len__(self) -> int:
        return self._steps

    def __repr__(self) -> str:
        return f"Batches({self._draws!r})"

    def __getitem__(self, step: SupportsIndex) -> Arrays:
        whole = self._draws.batch(int(step))
        drawn = whole[self._share]
        weight = np.ones(len(drawn), np.float32)
        if not len(drawn):  # the last batch of an epoch may end before this share: an image that does not count
            drawn, weight = whole[:1], np.zeros(1, np.float32)
        pairs, flips = drawn.T
        batch = {
            **self._shown(drawn),
            FLIP: flips.astype(np.int32),
            WEIGHT: weight,
            DECODER: np.array([self._decoder[pair] for pair in pairs], np.int32),
        }
        if self._responses is not None:
            stored = [self._responses.read(pair, code) for pair, code in drawn]
            batch[RESPONSES] = np.stack(stored).astype(np.float32)
        return fill(batch, self._share.stop - self._share.start)

    def _shown(self, drawn: np.ndarray) -> Arrays:
        """Masks, and what the network sees: images, or the rows of their features. Then no image is decoded."""
        if self._stored is None:
            image, mask = self._examples.stack(drawn[:, 0])
            return {IMAGE: image, MASK: mask}
        rows, masks = self._stored
        numbers = np.array([rows[pair] * FLIPS + code for pair, code in drawn], np.int32)
        return {ROW: numbers, MASK: np.stack([masks[pair] for pair in drawn[:, 0]])}


def train_batches(
    examples: Examples,
    draws: Draws,
    *,
    slots: int,
    share: slice | None = None,
    decoder: Mapping[int, int],
    responses: ResponseReader | None = None,
    features: StoredFeatures | None = None,
    start: int,
    stop: int,
    workers: int = 4,
) -> Iterator[Arrays]:
    """Yields the batches of steps `start` to `stop`, read ahead by `workers` threads.

    A batch is a pure function of its step, so a resumed run continues at the exact image.

    Args:
      slots: length of every batch: `draws.batch_size`, padded to a multiple of the devices.
      share: its part to load, where several processes share each batch; by default all of it.
      decoder: pair -> number of the decoder that its labels train.
      responses: stored responses, where the phase distils.
      features: take the place of images where they are stored.
    """
    share = share or slice(0, slots)
    source = _Batches(examples, draws, share=share, decoder=decoder, responses=responses, features=features, steps=stop)
    options = grain.ReadOptions(num_threads=workers, prefetch_buffer_size=2 * workers)
    yield from grain.MapDataset.source(source).slice(slice(start, stop)).to_iter_dataset(options)


class Prefetch:
    """Keeps `depth` batches on their way to the device, and adds up how long the caller waited for input."""

    def __init__(self, batches: Iterator[Arrays], send: Callable[[Arrays], Any], depth: int = 2):
        self._sent = (send(batch) for batch in batches)
        self._queue = collections.deque(itertools.islice(self._sent, depth))
        self.wait_seconds = 0.0

    def __iter__(self) -> Iterator[Any]:
        while self._queue:
            yield self._queue.popleft()
            # The consumer has started its step by now: the next input is read while the device works.
            started = time.perf_counter()
            self._queue.extend(itertools.islice(self._sent, 1))
            self.wait_seconds += time.perf_counter() - started
