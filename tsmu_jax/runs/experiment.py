"""Everything that a run's phases share, made from its configuration: data, split, network, keys."""

import dataclasses
import functools
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from tsmu_jax import configuration
from tsmu_jax.batch import FLIPS
from tsmu_jax.data.draws import Draws
from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.examples import Examples, validation_examples
from tsmu_jax.data.open import open_source
from tsmu_jax.data.source import PairSource
from tsmu_jax.data.splits import Split, limited, resolved_kind, split
from tsmu_jax.declaration import Scope
from tsmu_jax.evaluation.evaluate import TestSet
from tsmu_jax.learning import features
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.learning.parallel import AXIS
from tsmu_jax.methods import Stage, stages
from tsmu_jax.models.tsmu import Network, make_network
from tsmu_jax.settings import SETTINGS, Config

# Raise it when the same configuration begins to mean other numbers: finished phases are then not reused.
SEMANTICS = 3
SAMPLE = "(old pairs)"  # the group of images that joint training sees beside the new ones


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """A configuration, bound to its data and its network.

    Attributes:
      config: with its defaults filled in: which ecoregions, which kind of split.
    """

    config: Config
    old: tuple[str, ...]
    new: tuple[str, ...]
    stages: tuple[Stage, ...]
    source: PairSource
    split: Split
    examples: Examples
    network: Network
    answer: Answerer
    compiled: dict[int, Any] = dataclasses.field(default_factory=dict)  # training steps by stage

    @functools.cached_property
    def tests(self) -> dict[str, TestSet]:
        """Test sets of all ecoregions."""
        return {name: TestSet(*self.examples.stack(self.split.test[name])) for name in (*self.old, *self.new)}

    def validation(self, ecoregion: str) -> TestSet:
        """The validation set of one ecoregion: augmented copies of at most `subsample` pairs."""
        data = self.config.data
        seed = (self.config.seed, zlib.crc32(ecoregion.encode()))
        indices = np.random.default_rng(seed).permutation(self.split.validation[ecoregion])
        indices = indices[: self.validation_pairs(ecoregion)]
        return TestSet(*validation_examples(self.examples, indices, copies=data.validation_copies, seed=seed))

    def validation_pairs(self, ecoregion: str) -> int:
        """How many of an ecoregion's pairs validate: a large one does not outweigh the others here either."""
        pairs, most = len(self.split.validation[ecoregion]), self.config.data.subsample
        return min(pairs, most) if most else pairs

    def training_pairs(self, ecoregion: str) -> int:
        """How many of an ecoregion's pairs an epoch draws from."""
        pairs, most = len(self.split.train[ecoregion]), self.config.data.subsample
        return min(pairs, most) if most else pairs

    def draws(self, stage: Stage) -> Draws:
        """The order in which a stage sees its training pairs."""
        data = self.config.data
        groups, sizes = {name: self.split.train[name] for name in stage.ecoregions}, {}
        if stage.phase.data == "new_and_sample":
            known = [pair for name in stage.ecoregions if name not in stage.arrived for pair in groups[name]]
            groups = {name: groups[name] for name in stage.arrived}
            sizes[SAMPLE] = sum(self.training_pairs(name) for name in stage.arrived)
            if data.old_sample == "once":
                rng = np.random.default_rng([self.config.seed, stage.index])
                known = rng.permutation(known)[: sizes[SAMPLE]].tolist()
            groups[SAMPLE] = tuple(known)
        return Draws(
            groups=groups,
            sizes=sizes,
            subsample=data.subsample,
            draws=data.draws,
            batch_size=self.config.batch_size,
            seed=(self.config.seed, stage.index),
        )

    def recorded_images(self, stage: Stage) -> int:
        """Training images of a stage, each in every flip: what responses and features are recorded of."""
        return FLIPS * sum(len(self.split.train[name]) for name in stage.ecoregions)

    def validated_images(self, stage: Stage) -> int:
        """Images that a stage validates on after each epoch."""
        return self.config.data.validation_copies * sum(map(self.validation_pairs, stage.ecoregions))

    def kept_features(self, stage: Stage) -> int:
        """Images of a stage whose features are recorded: those to train on, and to validate on, as far as they fit.

        None unless the encoder is frozen and computing them once is less work.
        """
        training, side = self.recorded_images(stage), self.examples.size
        drawn = self.epochs(stage) * self.draws(stage).images_per_epoch
        if "shared" in (*stage.phase.trains, *stage.phase.statistics) or training >= drawn:
            return 0
        room = self.config.data.features_gib / features.gibibytes(1, side, self.network.encoder.features)
        return next((images for images in (training + self.validated_images(stage), training) if images <= room), 0)

    def key(self, purpose: str) -> jax.Array:
        """A random key for a purpose, independent of all others."""
        return jax.random.fold_in(jax.random.key(self.config.seed), zlib.crc32(purpose.encode()))

    def stage_key(self, stage: Stage) -> str:
        """Digest of everything that influences the model after a stage: equal digests, equal models."""
        values = configuration.flatten(dataclasses.asdict(self.config))
        parts: list[Any] = [
            SEMANTICS,
            self.source.fingerprint,
            sorted(self.old),  # in which order they arrive, the stages say
            sorted(self.new),
        ]
        for earlier in self.stages[: stage.index]:
            concerned = {key: value for key, value in values.items() if SETTINGS[key].concerns(earlier.phase)}
            parts.append([dataclasses.asdict(earlier), concerned])
        return _digest(parts)

    def autoencoder_key(self, ecoregion: str) -> str:
        """Digest of everything that influences an ecoregion's autoencoder: its own images, no other ecoregion's."""
        values = configuration.flatten(dataclasses.asdict(self.config))
        own = {key: value for key, value in values.items() if SETTINGS[key].scope is Scope.AUTOENCODERS}
        parts: list[Any] = [
            SEMANTICS,
            self.source.fingerprint,
            [self.source.infos[pair].id for pair in self.split.train[ecoregion]],
            ecoregion,
            [self.config.seed, self.config.data.size, self.config.data.channels, self.config.data.subsample, own],
        ]
        return _digest(parts)

    def rate(self, stage: Stage) -> float:
        """Learning rate that a stage starts from."""
        return float(getattr(self.config.rates, stage.phase.settings))

    def epochs(self, stage: Stage) -> int:
        """Epochs of a stage's phase."""
        return int(getattr(self.config.epochs, stage.phase.settings))


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=list).encode()).hexdigest()


def prepare(chosen: Mapping[str, Any], *, opened: dict[str, PairSource] | None = None) -> Experiment:
    """Opens the data, splits it and builds the network.

    Args:
      chosen: the configuration, a nested dictionary.
      opened: sources opened before, to be used again and added to: many configurations may look at the same images.

    Raises:
      UserError: whatever is wrong with the configuration or the data; see `configuration.read` and the sources.
    """
    config = configuration.read(chosen)
    data, model = config.data, config.model
    source = _open(config, {} if opened is None else opened)
    known = _by_arrival({info.ecoregion for info in source.infos})
    old, new = configuration.arrivals(config.old, config.new, known)
    divided = split(
        source.infos,
        ecoregions=(*old, *new),
        test_pairs=data.test_pairs,
        kind=data.split,
        validation=data.validation,
        validation_fraction=data.validation_fraction,
        min_distance_m=data.min_distance_m,
        seed=config.seed,
    )
    if data.new_pairs:
        divided = limited(divided, source.infos, ecoregions=new, pairs=data.new_pairs, seed=config.seed)
    plan = stages(
        config.method,
        old,
        new,
        statistics=dataclasses.asdict(config.statistics),
        train_old=config.distillation.train_old,
    )
    network = make_network(
        model.variant,
        channels=data.channels,
        width=model.width,
        depth=model.depth,
        dropout=model.dropout,
        prior=model.prior,
        momentum=model.bn_momentum,
        dtype=model.dtype,
        axis_name=AXIS,
        rematerialise=model.rematerialise,
    )
    examples = Examples(source, size=data.size, channels=data.channels, cache_gib=data.cache_gib)
    answer = Answerer(network, batch_size=config.batch_size)
    kind = resolved_kind(source.infos, data.split)
    resolved = dataclasses.replace(
        config, old=",".join(old), new=",".join(new), data=dataclasses.replace(data, split=kind)
    )
    return Experiment(resolved, old, new, plan, source, divided, examples, network, answer)


def ecoregions_of(chosen: Mapping[str, Any]) -> tuple[str, ...]:
    """The ecoregions of a configuration's data, in the order in which they arrive by default.

    Raises:
      UserError: as `prepare`, where the data cannot be opened.
    """
    source = _open(configuration.read(chosen), {})
    return tuple(_by_arrival({info.ecoregion for info in source.infos}))


def _open(config: Config, opened: dict[str, PairSource]) -> PairSource:
    data = config.data
    wanted = (*configuration.names(config.old), *configuration.names(config.new))
    # With only one of the two named, the other one is all the rest: every ecoregion is needed.
    complete = bool(configuration.names(config.old) and configuration.names(config.new))
    options: dict[str, Any] = {
        "directory": data.dir or None,
        "ecoregions": sorted(wanted) if complete else None,
        "labels": configuration.names(data.labels),
        "tile": configuration.tiles(data.tile),
        "on_bad_file": data.on_bad_file,
        "require_pre": data.channels == 6,
    }
    if not data.dir:
        synthetic = data.synthetic
        options["synthetic_pairs"] = configuration.counts(synthetic.pairs, key="data.synthetic.pairs")
        options["synthetic_size"] = (synthetic.height, synthetic.width)
        options["synthetic_seed"] = config.seed
    name = json.dumps(options)
    if name not in opened:
        opened[name] = open_source(**options)
    return opened[name]


def _by_arrival(names: set[str]) -> list[str]:
    """The paper's ecoregions in the paper's order of experiments, any others by name after them."""
    paper = [key for key in ECOREGIONS if key in names]
    return [*paper, *sorted(names - set(paper))]
