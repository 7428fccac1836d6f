"""Training, validation and test sets (section V-A), and how much of one leaks into the other.

Pure functions of what is known of the pairs: nothing is read.

A split deals out *blocks*, never single pairs. In a `paper` split the tiles of one scene are a block, and
an untiled pair is one by itself: 5 random pairs of each ecoregion are its test set. Scenes that are copies of one
picture are one block in any split, see `copies.py`. In a `blocked` split,
scenes whose footprints overlap or lie within a distance of one another are one block as well, found among
all pairs of the source: neighbouring images show the same ground, and testing on it rewards remembering.

Blocks are dealt in the order of a hash of (seed, ecoregion, smallest scene of the block). So the split of
an ecoregion depends on nothing but the seed and its own pairs: not on their order, nor on which other
ecoregions are there. The one exception cannot be avoided: a block that reaches into two ecoregions must be
on the same side in both, which two independent draws do not grant, so it always is in the training sets.
"""

import collections
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from tsmu_jax.data import copies, geography
from tsmu_jax.data.choose import chosen_ecoregions
from tsmu_jax.data.source import PairInfo
from tsmu_jax.errors import UserError

MIN_DISTANCE_M = 100.0  # 2 km would join 36 of the paper's 39 pairs of North American Deserts to one block
_BLOCKS_REMEDY = "use a smaller --config.data.test_pairs or --config.data.min_distance_m, or --config.data.split=paper"

Indices = tuple[int, ...]  # into the source, ascending


@dataclasses.dataclass(frozen=True)
class Split:
    """Which pairs serve what, by ecoregion."""

    train: Mapping[str, Indices]
    validation: Mapping[str, Indices]
    test: Mapping[str, Indices]


def split(
    infos: Sequence[PairInfo],
    *,
    ecoregions: Sequence[str],
    test_pairs: int,
    kind: Literal["auto", "paper", "blocked"] = "auto",
    validation: Literal["disjoint", "paper"] = "disjoint",
    validation_fraction: float = 0.15,
    min_distance_m: float = MIN_DISTANCE_M,
    seed: int,
) -> Split:
    """Splits each of `ecoregions`.

    Args:
      infos: all pairs of the source, also those of ecoregions that are not split.
      ecoregions: those to split.
      test_pairs: how many pairs of each ecoregion are tested on; a few more where only whole blocks are left.
      kind: "auto" is "blocked" where any footprint is known, else "paper".
      validation: "disjoint" holds a part of the training blocks out, "paper" validates on the training pairs
        themselves (to be augmented otherwise).
      validation_fraction: part of the pairs that are not tested on; at least one block is held out.
      min_distance_m: footprints this close are one block.
      seed: of the draw.

    Raises:
      UserError: an option is wrong, an ecoregion is unknown, or too small for its sets; names it and the
        remedy.
    """
    _check_options(infos, ecoregions, test_pairs, kind, validation, validation_fraction, min_distance_m)
    blocks = _blocks(infos, min_distance_m if resolved_kind(infos, kind) == "blocked" else None)
    sets = {
        name: _split_one(infos, name, blocks[name], test_pairs, validation, validation_fraction, seed)
        for name in ecoregions
    }
    return Split(*({name: sets[name][part] for name in ecoregions} for part in range(3)))


def limited(divided: Split, infos: Sequence[PairInfo], *, ecoregions: Sequence[str], pairs: int, seed: int) -> Split:
    """Keeps `pairs` training pairs of each of `ecoregions`: how many of a new ecoregion are enough?

    The pairs of a smaller number are among those of a larger one. Test and held-out validation pairs stay as they
    are, so that any two numbers are scored alike; where the training pairs validate too, the same ones do.

    Raises:
      UserError: an ecoregion has fewer training pairs.
    """
    train, validation = dict(divided.train), dict(divided.validation)
    for name in ecoregions:
        whole = divided.train[name]
        if pairs > len(whole):
            raise UserError(
                f"--config.data.new_pairs={pairs}: ecoregion {name!r} has {len(whole)} training pairs; "
                "ask for as many at most, or for all with 0"
            )
        order = sorted(whole, key=lambda index: _rank(seed, name, f"{infos[index].scene}/{infos[index].id}"))
        train[name] = tuple(sorted(order[:pairs]))
        if validation[name] == whole:
            validation[name] = train[name]
    return Split(train, validation, divided.test)


def names(infos: Sequence[PairInfo]) -> list[str]:
    """The ecoregions of a source, sorted."""
    return sorted({info.ecoregion for info in infos})


def resolved_kind(infos: Sequence[PairInfo], kind: str) -> Literal["paper", "blocked"]:
    """Resolves "auto": "blocked" where any footprint is known, else "paper"."""
    known = any(info.footprint is not None for info in infos)
    return "blocked" if kind == "blocked" or (kind == "auto" and known) else "paper"


@dataclasses.dataclass(frozen=True)
class _Block:
    """Pairs of one ecoregion that stay together."""

    pairs: Indices
    key: str  # independent of order: the smallest scene
    crosses: bool  # reaches into another ecoregion, hence trained on
    copied: str  # two scenes of it that are copies of one picture, if any

    def __len__(self) -> int:
        return len(self.pairs)


def _blocks(infos: Sequence[PairInfo], min_distance_m: float | None) -> dict[str, list[_Block]]:
    """The blocks of every ecoregion; None for blocks of single scenes."""
    scenes: dict[tuple[str, str], list[int]] = collections.defaultdict(list)
    for index, info in enumerate(infos):
        scenes[info.ecoregion, info.scene].append(index)
    order = sorted(scenes)
    roots = np.arange(len(order))
    if min_distance_m is not None:
        tiles = [geography.boxes([infos[index].footprint for index in scenes[name]]) for name in order]
        whole = [np.concatenate([box[:, :2].min(0), box[:, 2:].max(0)]) for box in tiles]
        roots = geography.components(np.array(whole).reshape(-1, 4), min_distance_m)
    linked = copies.links(list(copies.scenes(infos).values()))
    roots = copies.joined(roots, linked)
    members: dict[int, list[tuple[str, str]]] = collections.defaultdict(list)
    for root, name in zip(roots, order, strict=True):
        members[int(root)].append(name)
    copied = {
        int(roots[one]): " and ".join("/".join(order[end]) for end in (one, other)) for one, other in reversed(linked)
    }
    blocks: dict[str, list[_Block]] = collections.defaultdict(list)
    for joint, together in members.items():
        touched = sorted({ecoregion for ecoregion, _ in together})
        for ecoregion in touched:
            own = [name for name in together if name[0] == ecoregion]
            pairs = tuple(sorted(index for name in own for index in scenes[name]))
            blocks[ecoregion].append(_Block(pairs, min(own)[1], len(touched) > 1, copied.get(joint, "")))
    return blocks


def _split_one(
    infos: Sequence[PairInfo],
    name: str,
    blocks: Sequence[_Block],
    test_pairs: int,
    validation: str,
    fraction: float,
    seed: int,
) -> tuple[Indices, Indices, Indices]:
    """Training, validation and test set of one ecoregion."""
    total = sum(map(len, blocks))
    if total <= test_pairs:
        raise UserError(
            f"ecoregion {name!r} has {total} pair{'s' * (total > 1)}, none left for training beside "
            f"{test_pairs} test pairs; "
            "add pairs or use a smaller --config.data.test_pairs"
        )
    crossing = [block for block in blocks if block.crosses]
    free = sorted((block for block in blocks if not block.crosses), key=lambda block: _rank(seed, name, block.key))
    test = _deal(free, test_pairs)
    rest = _without(free, test)
    if sum(map(len, test)) < test_pairs or not rest + crossing:
        largest = max(map(len, blocks))
        raise UserError(
            f"ecoregion {name!r}: {total} pairs form {len(blocks)} blocks of up to {largest} pairs, "
            f"{len(crossing)} of them shared with other ecoregions; {test_pairs} test pairs cannot be set "
            f"apart from a training set: {_remedy(blocks)}"
        )
    if validation == "paper":
        train = _pairs(rest + crossing)
        return train, train, _pairs(test)
    remaining = sum(map(len, rest + crossing))
    held_out = _deal(rest, max(1, round(fraction * remaining)), exactly=True)
    train_blocks = _without(rest, held_out) + crossing
    if not held_out or not train_blocks:
        raise UserError(
            f"ecoregion {name!r}: its {remaining} training pairs (blocks: {len(rest + crossing)}) cannot be "
            "parted into a training and a validation set; use --config.data.validation=paper, or "
            f"{_remedy(blocks)}"
        )
    return _pairs(train_blocks), _pairs(held_out), _pairs(test)


def _remedy(blocks: Sequence[_Block]) -> str:
    copied = [block.copied for block in blocks if block.copied]
    return f"remove copies of one picture, such as {copied[0]}, or {_BLOCKS_REMEDY}" if copied else _BLOCKS_REMEDY


def _deal(blocks: Sequence[_Block], wanted: int, *, exactly: bool = False) -> list[_Block]:
    """Takes blocks in order, those that fit, until `wanted` pairs are reached.

    Where only larger blocks are left the smallest of them completes the set; with `exactly`, only if the
    set would be empty otherwise.
    """
    dealt: list[_Block] = []
    missing = wanted
    for block in blocks:
        if len(block) <= missing:
            dealt.append(block)
            missing -= len(block)
    left = _without(blocks, dealt)
    if missing and left and not (exactly and dealt):
        dealt.append(min(left, key=len))  # larger than what is missing, or it would have been taken
    return dealt


def _without(blocks: Sequence[_Block], taken: Sequence[_Block]) -> list[_Block]:
    keys = {block.key for block in taken}
    return [block for block in blocks if block.key not in keys]


def _rank(seed: int, ecoregion: str, key: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{ecoregion}\0{key}".encode()).digest()


def _pairs(blocks: Sequence[_Block]) -> Indices:
    return tuple(sorted(index for block in blocks for index in block.pairs))


def _check_options(
    infos: Sequence[PairInfo],
    ecoregions: Sequence[str],
    test_pairs: int,
    kind: str,
    validation: str,
    fraction: float,
    distance_m: float,
) -> None:
    chosen_ecoregions(names(infos), ecoregions, where="split")
    if test_pairs < 1:
        raise UserError(f"--config.data.test_pairs={test_pairs}: it must be 1 or more")
    if kind not in ("auto", "paper", "blocked"):
        raise UserError(f"--config.data.split={kind}: known are auto, paper, blocked")
    if kind == "blocked" and all(info.footprint is None for info in infos):
        raise UserError(
            "--config.data.split=blocked needs footprints, and no pair has one; use --config.data.split=paper"
        )
    if validation not in ("disjoint", "paper"):
        raise UserError(f"--config.data.validation={validation}: known are disjoint, paper")
    if not 0 < fraction < 1:
        raise UserError(f"--config.data.validation_fraction={fraction}: it must be between 0 and 1")
    if not distance_m >= 0:
        raise UserError(f"--config.data.min_distance_m={distance_m}: it must be 0 or more")
