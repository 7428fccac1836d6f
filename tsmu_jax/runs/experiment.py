"""A configuration bound to its plan, its data and its network: what the phases of a run share."""

import dataclasses
import functools
import json
import zlib
from collections.abc import Mapping
from typing import Any

import jax

from tsmu_jax import configuration
from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.examples import Examples
from tsmu_jax.data.open import open_source
from tsmu_jax.data.source import PairSource
from tsmu_jax.data.splits import limited, resolved_kind, split
from tsmu_jax.learning import features
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.learning.parallel import AXIS
from tsmu_jax.models.tsmu import Network, make_network
from tsmu_jax.runs import keys
from tsmu_jax.runs.dataset import Dataset
from tsmu_jax.runs.plan import Stage, stages
from tsmu_jax.settings import Config


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """What the phases of a run share.

    Attributes:
      config: with its defaults filled in: which ecoregions, which kind of split.
      compiled: training steps by stage.
    """

    config: Config
    old: tuple[str, ...]
    new: tuple[str, ...]
    stages: tuple[Stage, ...]
    data: Dataset
    network: Network
    answer: Answerer
    compiled: dict[int, Any] = dataclasses.field(default_factory=dict)

    def random_key(self, purpose: str) -> jax.Array:
        """A random key for a purpose, independent of all others."""
        return jax.random.fold_in(jax.random.key(self.config.seed), zlib.crc32(purpose.encode()))

    def stage_key(self, stage: Stage) -> str:
        """What decides the model after a stage, see `keys`."""
        return self._stage_keys[stage.index - 1]

    @functools.cached_property
    def _stage_keys(self) -> tuple[str, ...]:
        images = {name: self.data.fingerprint(name) for name in self.data.ecoregions}
        return keys.phase_keys(self.config, self.stages, images)

    def autoencoder_key(self, ecoregion: str) -> str:
        """What decides an ecoregion's autoencoder."""
        return keys.autoencoder_key(self.config, ecoregion, self.data.fingerprint(ecoregion))

    def tests_key(self, stage: Stage) -> str:
        """What decides the scores of a model after a stage: the test images, and which decoder answers for them."""
        return keys.digest([self.data.test_fingerprint(), stage.route])

    def rate(self, stage: Stage) -> float:
        """Learning rate that a stage starts from."""
        return float(getattr(self.config.rates, stage.phase.settings))

    def epochs(self, stage: Stage) -> int:
        """Epochs of a stage's phase."""
        return int(getattr(self.config.epochs, stage.phase.settings))

    def kept_features(self, stage: Stage) -> int:
        """Images of a stage whose features are recorded: those to train on, and to validate on, as far as they fit.

        None unless the encoder is frozen and computing them once is less work.
        """
        training, side = self.data.recorded_images(stage), self.data.examples.size
        drawn = self.epochs(stage) * self.data.draws(stage).images_per_epoch
        if "shared" in (*stage.phase.trains, *stage.phase.statistics) or training >= drawn:
            return 0
        room = self.config.data.features_gib / features.gibibytes(1, side, self.network.encoder.features)
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
    dataset = Dataset(resolved, (*old, *new), source, divided, examples)
    return Experiment(resolved, old, new, plan, dataset, network, answer)


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
