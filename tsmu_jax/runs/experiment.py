"""A configuration bound to its plan, its data and its network: what the phases of a run share."""

import dataclasses
import functools
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from tsmu_jax import configuration
from tsmu_jax.data import evidence
from tsmu_jax.data import open as opening
from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.examples import Examples
from tsmu_jax.data.source import PairSource
from tsmu_jax.data.splits import limited, resolved_kind, split
from tsmu_jax.learning import features
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.learning.parallel import AXIS
from tsmu_jax.models.tsmu import Network, make_network
from tsmu_jax.runs import keys
from tsmu_jax.runs.dataset import Dataset
from tsmu_jax.runs.plan import Stage, stages
from tsmu_jax.runs.start import Start, open_model
from tsmu_jax.settings import Config


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """Plan, data, network and keys, which the phases of a run share.

    Attributes:
      config: with its defaults filled in: which ecoregions, which kind of split.
      outlines: of the ecoregions' files, see `open.outlines`.
      start: the saved model that is updated; None where the model begins anew.
    """

    config: Config
    old_ecoregions: tuple[str, ...]
    new_ecoregions: tuple[str, ...]
    stages: tuple[Stage, ...]
    data: Dataset
    network: Network
    answer: Answerer
    outlines: Mapping[str, str]
    start: Start | None = None

    def random_key(self, purpose: str) -> jax.Array:
        """A random key for a purpose, independent of all others."""
        return jax.random.fold_in(jax.random.key(self.config.seed), zlib.crc32(purpose.encode()))

    def stage_key(self, stage: Stage) -> str:
        """The key of a stage: decides the model after it, see `keys`."""
        return self._stage_keys[stage.index - 1]

    @functools.cached_property
    def _stage_keys(self) -> tuple[str, ...]:
        return keys.phase_keys(self.config, self.stages, self._fingerprints, parent=self._first_parent)

    @property
    def _first_parent(self) -> str:
        return self.start.key if self.start else ""

    @functools.cached_property
    def _fingerprints(self) -> dict[str, str]:
        return {name: self.data.fingerprint(name) for name in self.data.ecoregions}

    def keeps_state(self, stage: Stage) -> bool:
        """Whether Adam's state after a stage is kept: after the last one, if more epochs can go on from it."""
        last = stage.index == len(self.stages)
        return last and self.config.keep_state and self.continued_key(stage) is not None

    def continued_key(self, stage: Stage) -> str | None:
        """The key of a stage but for the number of its epochs: where it is equal, more epochs go on from fewer.

        None where the number of epochs decides the first ones too, by the rate's schedule.
        """
        if self.config.optimizer.schedule != "constant":
            return None
        config = dataclasses.replace(
            self.config, epochs=dataclasses.replace(self.config.epochs, **{stage.phase.settings: 0})
        )
        before = self._stage_keys[: stage.index - 1]
        parent = before[-1] if before else self._first_parent
        (key,) = keys.phase_keys(config, [stage], self._fingerprints, parent=parent)
        return keys.digest([key, self.kept_features(stage) > 0])  # features may be stored at another precision

    def autoencoder_key(self, ecoregion: str) -> str:
        """The key of an ecoregion's autoencoder."""
        return keys.autoencoder_key(self.config, ecoregion, self.data.fingerprint(ecoregion))

    def tests_key(self, stage: Stage) -> str:
        """The key of a model's scores after a stage: the test images, and which decoder answers for them."""
        return keys.digest([self.data.test_fingerprint(), stage.route])

    def rate(self, stage: Stage) -> float:
        """Learning rate that a stage starts from."""
        return float(getattr(self.config.rates, stage.phase.settings))

    def epochs(self, stage: Stage) -> int:
        """Epochs of a stage's phase."""
        return int(getattr(self.config.epochs, stage.phase.settings))

    def kept_features(self, stage: Stage) -> int:
        """Number of a stage's images whose features are stored: to train on, and if they fit, to validate on.

        0 unless the encoder is frozen and computing them once is less work.
        """
        training, side = self.data.stored_images(stage), self.data.examples.size
        drawn = self.epochs(stage) * self.data.draws(stage).images_per_epoch
        if "shared" in (*stage.phase.trains, *stage.phase.statistics) or training >= drawn:
            return 0
        room = self.config.data.features_gib / features.gibibytes(1, side, self.network.encoder.feature_channels)
        wanted = (training + self.data.validated_images(stage), training)
        return next((images for images in wanted if images <= room), 0)


def prepare(chosen: Mapping[str, Any], *, opened: dict[str, PairSource] | None = None) -> Experiment:
    """Opens the data, splits it and builds the network.

    Args:
      chosen: the configuration, a nested dictionary.
      opened: sources opened before, to be used again and added to: many configurations may look at the same images.

    Raises:
      UserError: whatever is wrong with the configuration or the data; see `configuration.read` and the sources.
    """
    config = configuration.read(chosen)
    start = open_model(config.start) if config.start else None
    if start:
        config = start.configured(config)
    data, outlines = config.data, opening.outlines(config.data.dir or None, **_synthetic(config))
    cache = {} if opened is None else opened
    if start:
        where = data.dir or "synthetic ecoregions"
        arriving = start.arrivals(configuration.names(config.new), outlines, where=where)
        old_ecoregions, new_ecoregions = start.ecoregions, tuple(_by_arrival({*arriving}))
        source, trained_on = _open(config, new_ecoregions, cache), new_ecoregions
    else:
        source = _open(config, _wanted(config), cache)
        known = _by_arrival({info.ecoregion for info in source.infos})
        old_ecoregions, new_ecoregions = configuration.arrivals(config.old, config.new, known)
        trained_on = (*old_ecoregions, *new_ecoregions)
    divided = split(
        source.infos,
        ecoregions=trained_on,
        test_pairs=data.test_pairs,
        kind=data.split,
        validation=data.validation,
        validation_fraction=data.validation_fraction,
        min_distance_m=data.min_distance_m,
        seed=config.seed,
    )
    evidence.check(source, divided, where=data.dir or "synthetic ecoregions")
    if data.new_pairs:
        divided = limited(divided, source.infos, ecoregions=new_ecoregions, pairs=data.new_pairs, seed=config.seed)
    plan = stages(
        config.method,
        old_ecoregions,
        new_ecoregions,
        statistics=dataclasses.asdict(config.statistics),
        train_old=config.distillation.train_old,
        start=start.saved.route if start else None,
    )
    network = make_network(**network_of(config), axis_name=AXIS, rematerialise=config.model.rematerialise)
    examples = Examples(source, size=data.size, channels=data.channels, cache_gib=data.cache_gib)
    divided, unscored = evidence.scored(examples, divided, where=data.dir or "synthetic ecoregions")
    answer = Answerer(network, batch_size=config.batch_size)
    kind = resolved_kind(source.infos, data.split)
    resolved = dataclasses.replace(
        config, old=",".join(old_ecoregions), new=",".join(new_ecoregions), data=dataclasses.replace(data, split=kind)
    )
    dataset = Dataset(resolved, trained_on, source, divided, examples, start.exam if start else {}, unscored)
    kept = {name: outlines[name] for name in trained_on}
    return Experiment(resolved, old_ecoregions, new_ecoregions, plan, dataset, network, answer, kept, start)


def network_of(config: Config) -> dict[str, Any]:
    """Arguments of `make_network`, plain values: what a saved model keeps of the network."""
    model = config.model
    return {
        "variant": model.variant,
        "channels": config.data.channels,
        "width": model.width,
        "depth": model.depth,
        "dropout": model.dropout,
        "prior": model.prior,
        "momentum": model.bn_momentum,
        "dtype": model.dtype,
    }


def ecoregions_of(chosen: Mapping[str, Any]) -> tuple[str, ...]:
    """The ecoregions of a configuration's data, in the order in which they arrive by default.

    Raises:
      UserError: as `prepare`, where the data cannot be opened.
    """
    config = configuration.read(chosen)
    source = _open(config, _wanted(config), {})
    return tuple(_by_arrival({info.ecoregion for info in source.infos}))


def _wanted(config: Config) -> tuple[str, ...] | None:
    """The ecoregions to open; None for all: where only `old` or only `new` is named, all others are the rest."""
    old_ecoregions, new_ecoregions = configuration.names(config.old), configuration.names(config.new)
    return (*old_ecoregions, *new_ecoregions) if old_ecoregions and new_ecoregions else None


def _open(config: Config, ecoregions: Sequence[str] | None, opened: dict[str, PairSource]) -> PairSource:
    data = config.data
    options: dict[str, Any] = {
        "directory": data.dir or None,
        "ecoregions": None if ecoregions is None else sorted(ecoregions),
        "labels": configuration.names(data.labels),
        "tile": configuration.tiles(data.tile),
        "on_bad_file": data.on_bad_file,
        "require_pre": data.channels == 6,
    }
    options |= _synthetic(config)
    name = json.dumps(options)
    if name not in opened:
        opened[name] = opening.open_source(**options)
    return opened[name]


def _synthetic(config: Config) -> dict[str, Any]:
    """The options that synthetic ecoregions take; none where there are images."""
    synthetic = config.data.synthetic
    if config.data.dir:
        return {}
    return {
        "synthetic_pairs": configuration.counts(synthetic.pairs, key="data.synthetic.pairs"),
        "synthetic_size": (synthetic.height, synthetic.width),
        "synthetic_seed": config.seed,
    }


def _by_arrival(names: set[str]) -> list[str]:
    """The paper's ecoregions in the paper's order of experiments, any others by name after them."""
    paper = [key for key in ECOREGIONS if key in names]
    return [*paper, *sorted(names - set(paper))]
