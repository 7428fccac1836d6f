"""Feeds a stage's training steps: drawn pairs, stored responses, features of a frozen encoder."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from tsmu_jax.batch import FEATURES, IMAGE
from tsmu_jax.data.pipeline import Prefetch, StoredFeatures, train_batches
from tsmu_jax.evaluation.evaluate import TestSet
from tsmu_jax.learning import costs, features, processes, responses
from tsmu_jax.learning.parallel import padded, shard, share
from tsmu_jax.learning.state import Model
from tsmu_jax.runs.directory import PhaseDirectory
from tsmu_jax.runs.experiment import Experiment
from tsmu_jax.runs.plan import Stage
from tsmu_jax.runs.progress import PhaseProgress


@dataclasses.dataclass(frozen=True)
class Feed:
    """What is stored before a stage's first step, and the batches that are made with it.

    Attributes:
      validation: the images to validate on, by ecoregion.
      masks: of the training pairs whose features are stored: u8[s, s] each.
    """

    experiment: Experiment
    stage: Stage
    validation: Mapping[str, TestSet]
    responses: responses.Responses | None
    features: features.Features | None
    masks: Mapping[int, np.ndarray]

    @property
    def recording_seconds(self) -> float:
        """Seconds that storing took: part of the cost of an update, and `recording_seconds` in `phase.json`."""
        return sum(one.seconds for one in (self.responses, self.features) if one)

    def batches(self, first: int, end: int) -> Prefetch:
        """The batches of the steps `first` to `end`, on their way to the devices."""
        experiment, stage = self.experiment, self.stage
        draws = experiment.data.draws(stage)
        slots = padded(draws.batch_size)
        decoder = {
            pair: stage.supervised.index(stage.route[name])
            for name in stage.ecoregions
            for pair in experiment.data.split.train[name]
        }
        read = train_batches(
            experiment.data.examples,
            draws,
            slots=slots,
            share=share(slots),
            decoder=decoder,
            responses=self.responses,
            features=StoredFeatures(self.features.pairs, self.masks) if self.features else None,
            start=first,
            stop=end,
            workers=experiment.config.data.workers,
        )
        return Prefetch(read, self._send)

    def _send(self, batch: Mapping[str, np.ndarray]) -> dict[str, jax.Array]:
        sent = shard(batch)
        return self.features.attach(sent) if self.features else sent


def make_feed(experiment: Experiment, stage: Stage, model: Model, directory: PhaseDirectory) -> Feed:
    """Stores what the stage needs. Args: model: that the stage starts from."""
    pairs = [pair for name in stage.ecoregions for pair in experiment.data.split.train[name]]

    masks: dict[int, np.ndarray] = {}

    def image(pair: int) -> np.ndarray:
        return experiment.data.examples[pair].image

    def image_of_pair(pair: int) -> np.ndarray:
        """Keeps the mask as well: a training step on features decodes no pair again."""
        shown, masks[pair] = experiment.data.examples[pair]
        return shown

    validation = {name: experiment.data.validation(name) for name in stage.ecoregions}
    stored, kept, console = None, None, processes.console()
    if stage.distilled and responses.is_stored(directory.path, key=experiment.stage_key(stage)):
        stored = responses.Responses(directory.path)
    elif stage.distilled:
        with PhaseProgress("responses", len(pairs), images_per_step=len(stage.distilled), console=console) as progress:
            stored = responses.store(
                directory.path,
                experiment.answer,
                model,
                image,
                pairs=pairs,
                decoders=stage.distilled,
                key=experiment.stage_key(stage),
                progress=progress.update,
            )
    images = experiment.kept_features(stage)
    if images:
        fitting = validation if images > experiment.data.stored_images(stage) else {}
        with PhaseProgress("features", images, images_per_step=1, console=console) as progress:
            kept = features.store(
                experiment.network,
                model,
                image_of_pair,
                pairs=pairs,
                validation={name: held.images for name, held in fitting.items()},
                batch_size=experiment.config.batch_size,
                progress=progress.update,
            )
    return Feed(experiment, stage, validation, stored, kept, masks)


def blank_batch(experiment: Experiment, stage: Stage) -> dict[str, Any]:
    """A batch of the shapes and types of the stage's that shows nothing."""
    slots, examples = padded(experiment.config.batch_size), experiment.data.examples
    batch = costs.blank_batch(slots, examples.size, examples.channels, distilled=len(stage.distilled))
    if experiment.kept_features(stage):
        shape = (slots, examples.size, examples.size, experiment.network.encoder.feature_channels)
        batch[FEATURES] = np.zeros(shape, np.float16)
        del batch[IMAGE]
    return batch
