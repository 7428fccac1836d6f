"""Which image pairs an epoch draws, and how each is flipped: pure functions of seed, phase and epoch."""

import dataclasses
import functools
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from tsmu_jax.batch import FLIPS


@dataclasses.dataclass(frozen=True, eq=False)
class Draws:
    """The order in which a phase sees its images: random access to any batch of any epoch.

    An epoch is `draws` augmented draws of each pair, shuffled; an ecoregion with more than `subsample` pairs is
    represented by that many of them, drawn anew each epoch (uniform sub-sampling, section V-A).

    Attributes:
      groups: indices of the training pairs of each ecoregion. A pair that stands there twice counts as two.
      subsample: pairs an epoch takes from one ecoregion at most; 0 takes all.
      sizes: the same for groups that are not one ecoregion, and have a number of their own.
      batch_size: images of a batch, of which the last of an epoch may hold fewer.
      seed: any integers that tell this run and phase from others.
    """

    groups: Mapping[str, Sequence[int]]
    subsample: int
    draws: int
    batch_size: int
    seed: tuple[int, ...]
    sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def images_per_epoch(self) -> int:
        """Image pairs of an epoch, augmented: what Table IX counts."""
        return self.draws * sum(self._taken(group) for group in self.groups)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch; the last one may hold fewer images."""
        return -(-self.images_per_epoch // self.batch_size)

    def batch(self, step: int) -> np.ndarray:
        """Returns i64[<= batch_size, 2]: the index and the flip of each image of the phase's step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        return _epoch(self, epoch)[start : start + self.batch_size]

    def epoch(self, epoch: int) -> np.ndarray:
        """Returns i64[images_per_epoch, 2]: the index and the flip of each image, in order."""
        drawn = []
        for group in sorted(self.groups):
            rng = np.random.default_rng([*self.seed, epoch, zlib.crc32(group.encode())])
            chosen = rng.choice(np.asarray(self.groups[group]), self._taken(group), replace=False)
            flips = rng.integers(0, FLIPS, self.draws * len(chosen))
            drawn.append(np.stack([np.repeat(chosen, self.draws), flips], axis=1))
        return np.random.default_rng([*self.seed, epoch]).permutation(np.concatenate(drawn))

    def _taken(self, group: str) -> int:
        pairs = len(self.groups[group])
        return min(pairs, self.sizes.get(group, self.subsample) or pairs)


@functools.lru_cache(maxsize=4)
def _epoch(draws: Draws, epoch: int) -> np.ndarray:
    return draws.epoch(epoch)
