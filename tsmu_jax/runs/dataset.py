"""The pairs of a run: where they come from, how they are split, what each phase draws of them."""

import dataclasses
import functools
import hashlib
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from tsmu_jax.batch import FLIPS
from tsmu_jax.data.draws import Draws
from tsmu_jax.data.examples import Examples, validation_examples
from tsmu_jax.data.pair_lists import KeptPairs, PairList, SourcePairs
from tsmu_jax.data.source import PairSource
from tsmu_jax.data.splits import Split
from tsmu_jax.evaluation.evaluate import TestSet
from tsmu_jax.runs.keys import digest
from tsmu_jax.runs.plan import Stage
from tsmu_jax.settings import Config

SAMPLE = "(old pairs)"  # the group of images that joint training sees beside the new ones


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A source of pairs, split for a configuration.

    Attributes:
      ecoregions: those whose pairs are there, in the order of their arrival.
      split: without test pairs that cannot be scored.
      exam: test sets of ecoregions that a saved model brings along, whose other pairs are not there.
      unscored: by ecoregion, test pairs without known ground at the network's size.
    """

    config: Config
    ecoregions: tuple[str, ...]
    source: PairSource
    split: Split
    examples: Examples
    exam: Mapping[str, TestSet] = dataclasses.field(default_factory=dict)
    unscored: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def tests(self) -> dict[str, TestSet]:
        """The test set of each ecoregion, those of the exam first."""
        own = {
            name: TestSet(*self.examples.stack(self.split.test[name]), tuple(self.test_pairs[name].ids))
            for name in self.ecoregions
        }
        return {**self.exam, **own}

    @functools.cached_property
    def test_pairs(self) -> dict[str, PairList]:
        """The test pairs of each ecoregion at their original sizes, those of the exam at the network's."""
        pairs: dict[str, PairList] = {}
        for name, test in self.exam.items():
            pairs[name] = KeptPairs(test.images, test.masks, test.ids)
        for name in self.ecoregions:
            pairs[name] = SourcePairs(self.source, self.split.test[name])
        return pairs

    def validation(self, ecoregion: str) -> TestSet:
        """The validation set of one ecoregion: augmented copies of at most `subsample` pairs."""
        seed = (self.config.seed, zlib.crc32(ecoregion.encode()))
        indices = np.random.default_rng(seed).permutation(self.split.validation[ecoregion])
        indices = indices[: self.validation_pairs(ecoregion)]
        copies = self.config.data.validation_copies
        return TestSet(*validation_examples(self.examples, indices, copies=copies, seed=seed))

    def validation_pairs(self, ecoregion: str) -> int:
        """Number of pairs that validate. Large ecoregions are subsampled, so that all weigh the same."""
        return self._subsampled(len(self.split.validation[ecoregion]))

    def training_pairs(self, ecoregion: str) -> int:
        """Number of an ecoregion's pairs that an epoch draws from."""
        return self._subsampled(len(self._drawn(ecoregion)))

    def _drawn(self, ecoregion: str) -> tuple[int, ...]:
        """An ecoregion's training pairs; those that are drawn more often than others, as hard negatives, repeatedly."""
        return tuple(pair for pair in self.split.train[ecoregion] for _ in range(self.source.infos[pair].draws))

    def _subsampled(self, pairs: int) -> int:
        most = self.config.data.subsample
        return min(pairs, most) if most else pairs

    def draws(self, stage: Stage) -> Draws:
        """The order in which a stage sees its training pairs."""
        settings = self.config.data
        seed = (self.config.seed, zlib.crc32(stage.purpose.encode()))
        groups, sizes = {name: self._drawn(name) for name in stage.ecoregions}, {}
        if stage.phase.data == "new_and_sample":
            known = [pair for name in stage.ecoregions if name not in stage.arrived for pair in groups[name]]
            groups = {name: groups[name] for name in stage.arrived}
            sizes[SAMPLE] = sum(self.training_pairs(name) for name in stage.arrived)
            if settings.old_sample == "once":
                known = np.random.default_rng(seed).permutation(known)[: sizes[SAMPLE]].tolist()
            groups[SAMPLE] = tuple(known)
        return Draws(
            groups=groups,
            sizes=sizes,
            subsample=settings.subsample,
            draws=settings.draws,
            batch_size=self.config.batch_size,
            seed=seed,
        )

    def stored_images(self, stage: Stage) -> int:
        """Number of a stage's training images, each in every flip: those with responses and features."""
        return FLIPS * sum(len(self.split.train[name]) for name in stage.ecoregions)

    def validated_images(self, stage: Stage) -> int:
        """Number of images that a stage validates on after each epoch."""
        return self.config.data.validation_copies * sum(map(self.validation_pairs, stage.ecoregions))

    def fingerprint(self, ecoregion: str) -> str:
        """Changes with an ecoregion's images and with its training and validation pairs, and with nothing else."""
        parts = (self.split.train, self.split.validation)
        ids = [[self.source.infos[pair].id for pair in part[ecoregion]] for part in parts]
        return digest([self.source.fingerprints[ecoregion], *ids])

    def test_fingerprint(self) -> str:
        """Changes with the images and the test pairs of any ecoregion."""
        exam = {name: _digest_of(test) for name, test in self.exam.items()}
        own = {name: [self.source.fingerprints[name], list(self.test_pairs[name].ids)] for name in self.ecoregions}
        return digest(sorted({**exam, **own}.items()))


def _digest_of(test: TestSet) -> list[str]:
    return [*test.ids, hashlib.sha256(test.images.tobytes() + test.masks.tobytes()).hexdigest()]
