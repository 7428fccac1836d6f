"""How much of the test and validation sets' ground lies under training images."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from tsmu_jax.data import geography
from tsmu_jax.data.source import PairInfo
from tsmu_jax.data.splits import Split

_MUCH = 0.25  # of the smaller footprint
_ANY = 0.001  # likewise; neighbours that only touch share what their coordinates are rounded by


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """How many of some pairs have a neighbour among others; each line includes those above it."""

    pairs: int  # with a known footprint
    duplicates: int  # share their footprint with another one
    overlap_much: int  # share over a quarter of the smaller footprint
    overlap: int
    near: int  # within the distance of the report, box to box

    def __str__(self) -> str:
        return (
            f"of {self.pairs} footprints {self.duplicates} are duplicates, {self.overlap_much} overlap by "
            f"more than {_MUCH:.0%}, {self.overlap} at all, {self.near} lie within the distance"
        )


@dataclasses.dataclass(frozen=True)
class LeakageReport:
    """Counts among all pairs, and for each evaluation set against all training sets."""

    distance_m: float
    among_all: Neighbours  # every pair against every other one, tiles of its own scene aside
    test: Neighbours
    validation: Neighbours | None  # None where the validation pairs are training pairs themselves


def leakage(infos: Sequence[PairInfo], split: Split, distance_m: float) -> LeakageReport:
    """Counts pairs with a footprint that overlaps another one, or lies within `distance_m` of it.

    The paper's inventory, whose pairs were split at random, is the reason to ask: 105 of its 494 sound
    footprints overlap another one by more than a quarter of the smaller one.
    """
    train = _indices(split.train.values())
    test = _indices(split.test.values())
    validation = _indices(split.validation.values())
    everything = np.arange(len(infos))
    return LeakageReport(
        distance_m=distance_m,
        among_all=_neighbours(infos, everything, everything, distance_m),
        test=_neighbours(infos, test, train, distance_m),
        validation=None if set(validation) & set(train) else _neighbours(infos, validation, train, distance_m),
    )


def _indices(sets: Iterable[Sequence[int]]) -> np.ndarray:
    return np.array([index for indices in sets for index in indices], np.int64)


def _neighbours(
    infos: Sequence[PairInfo], those: np.ndarray, others: np.ndarray, distance_m: float, chunk: int = 512
) -> Neighbours:
    boxes = geography.boxes([info.footprint for info in infos])
    numbers = {name: number for number, name in enumerate({(info.ecoregion, info.scene) for info in infos})}
    scene = np.array([numbers[info.ecoregion, info.scene] for info in infos], np.int64)
    outlined = np.array([info.outline is not None for info in infos])
    those, others = (indices[~np.isnan(boxes[indices, 0])] for indices in (those, others))
    counts = np.zeros(4, np.int64)
    for start in range(0, len(those), chunk):  # bounds the memory of the all-against-all tables
        part = those[start : start + chunk]
        foreign = scene[part][:, None] != scene[others][None]
        overlap = geography.overlaps(boxes[part], boxes[others])
        slanted = outlined[part][:, None] | outlined[others][None]
        for row, column in np.argwhere(foreign & slanted & (overlap > _ANY)):
            overlap[row, column] = _overlap(infos[part[row]], infos[others[column]], overlap[row, column])
        equal = (boxes[part][:, None] == boxes[others][None]).all(-1)
        near = geography.distances_m(boxes[part], boxes[others]) <= distance_m
        counts += [(table & foreign).any(1).sum() for table in (equal, overlap > _MUCH, overlap > _ANY, near)]
    return Neighbours(len(those), *(int(count) for count in counts))


def _overlap(one: PairInfo, other: PairInfo, of_boxes: float) -> float:
    """The share of the smaller pair's ground that both show, by outlines where their boxes are larger than they."""
    if one.outline == other.outline:
        return of_boxes
    first, second = (each.outline or (each.footprint and geography.corners(each.footprint)) for each in (one, other))
    assert first and second  # their boxes overlap
    return geography.shared(first, second)
