"""The test pairs of one ecoregion by position, wherever they come from."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tsmu_jax.data.source import Pair, PairSource


class PairList(Protocol):
    """Decoded pairs and their ids, in the order of the scores."""

    @property
    def ids(self) -> Sequence[str]:
        """Unique within the ecoregion."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> Pair: ...


@dataclasses.dataclass(frozen=True)
class SourcePairs:
    """Pairs of a source at their original sizes, decoded when asked for."""

    source: PairSource
    indices: Sequence[int]

    @property
    def ids(self) -> Sequence[str]:
        """See `PairList`."""
        return [self.source.infos[index].id for index in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Pair:
        return self.source[self.indices[position]]


@dataclasses.dataclass(frozen=True, eq=False)
class KeptPairs:
    """Pairs at the network's size, which is all that a saved model keeps of them.

    Attributes:
      images: u8[n, s, s, c], c = 6 with pre-event images, 3 without.
      masks: u8[n, s, s].
    """

    images: np.ndarray
    masks: np.ndarray
    ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, position: int) -> Pair:
        image = self.images[position]
        pre = image[..., :3] if image.shape[-1] == 6 else None
        return Pair(pre, image[..., -3:], self.masks[position])
