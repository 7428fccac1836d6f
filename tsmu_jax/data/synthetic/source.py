"""Synthetic ecoregions: made-up pairs with Table I's pixel statistics, for tests, examples and benchmarks."""

import datetime
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np

from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.source import Pair, PairInfo, PairSource, Skipped
from tsmu_jax.data.synthetic.recipes import RECIPES
from tsmu_jax.data.synthetic.render import Exposure, exposure, render
from tsmu_jax.errors import UserError

VERSION = 4  # raise it whenever a change moves a pixel
SMALLEST_SIDE = 32
MOST_PAIRS = 10_000  # what ids of four digits can tell apart
GOLDEN = 0.6180339887498949


class SyntheticSource(PairSource):
    """A `PairSource` that draws its pairs when asked; the same bits on every call, from every thread.

    A pair depends on (VERSION, ecoregion, seed, number, height, width) alone, not on how many pairs there are
    or on the other ecoregions: a longer source begins with the pairs of a shorter one.
    """

    def __init__(self, pairs: Mapping[str, int], *, height: int, width: int, seed: int = 0) -> None:
        """`pairs`: how many, by ecoregion key; raises `UserError` on an unknown key or a bad number."""
        for key, count in pairs.items():
            if key not in RECIPES:
                raise UserError(f"synthetic.pairs: no ecoregion {key!r}; choose from {', '.join(sorted(RECIPES))}")
            if not 0 <= count <= MOST_PAIRS:
                raise UserError(f"synthetic.pairs: {count} pairs of {key}; ask for 0 to {MOST_PAIRS}")
        if min(height, width) < SMALLEST_SIDE:
            raise UserError(f"synthetic.height, synthetic.width: {height} x {width}; use {SMALLEST_SIDE} or more")
        if seed < 0:
            raise UserError(f"synthetic seed {seed}; it must be 0 or more")
        self._counts = dict(sorted(pairs.items()))
        self._shape = (height, width)
        self._seed = seed
        self._numbers = tuple((key, number) for key, count in self._counts.items() for number in range(count))

    @functools.cached_property  # fingerprints are often all that is asked for
    def infos(self) -> Sequence[PairInfo]:
        """One `PairInfo` a pair, sorted by ecoregion, then id; no footprints, every pair a scene of its own."""
        return tuple(self._info(key, number) for key, number in self._numbers)

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """Digests of the generator's version and the arguments that concern an ecoregion."""
        arguments = {key: [VERSION, key, count, self._shape, self._seed] for key, count in self._counts.items()}
        return {key: hashlib.sha256(json.dumps(own).encode()).hexdigest() for key, own in arguments.items()}

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Nothing is read, so nothing is left out."""
        return ()

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Pair:
        """u8 images of (height, width, 3) and a u8 mask with at least one landslide."""
        key, number = self._numbers[index]
        rng = np.random.default_rng([*self._entropy(key, number), *self._shape])
        return render(rng, ECOREGIONS[key], RECIPES[key], self._shape, self._exposures(key, number))

    def _exposures(self, key: str, number: int) -> tuple[Exposure, Exposure]:
        """Season and light of the two dates."""
        # Steps of the golden ratio spread evenly, and a bright pair follows every dark one, so that even a
        # small set has the right mean brightness.
        lots = (np.array([0.25, 0.75]) + GOLDEN * (number // 2 + self._seed)) % 1
        if number % 2:
            lots = 1 - lots
        pre, post = self._dates(key, number)
        return exposure(pre.month, float(lots[0])), exposure(post.month, float(lots[1]))

    def _dates(self, key: str, number: int) -> tuple[datetime.date, datetime.date]:
        rng = np.random.default_rng(self._entropy(key, number))
        post = datetime.date(2010, 1, 1) + datetime.timedelta(days=int(rng.integers(3650)))
        return post - datetime.timedelta(days=int(rng.integers(60, 900))), post

    def _entropy(self, key: str, number: int) -> list[int]:
        return [VERSION, int.from_bytes(key.encode()), self._seed, number]

    def _info(self, key: str, number: int) -> PairInfo:
        pre, post = self._dates(key, number)
        name = f"{number:04d}"
        return PairInfo(
            id=name,
            ecoregion=key,
            scene=f"{key}/{name}",
            pre_date=f"{pre:%Y%m%d}",
            post_date=f"{post:%Y%m%d}",
            size=self._shape,
        )
