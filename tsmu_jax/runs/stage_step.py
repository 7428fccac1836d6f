"""A stage of a method as a model to begin with, a state and a compiled training step."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax

from tsmu_jax.learning import costs
from tsmu_jax.learning.optimizer import make_optimizer
from tsmu_jax.learning.parallel import AXIS, pmap_train
from tsmu_jax.learning.state import Model, TrainState, add_decoder, copy_decoder, init_model, promote, start
from tsmu_jax.learning.steps import Objective, make_train_step
from tsmu_jax.models.tsmu import Network
from tsmu_jax.runs.experiment import Experiment
from tsmu_jax.runs.feed import blank_batch
from tsmu_jax.runs.plan import Stage


def objective(experiment: Experiment, stage: Stage) -> Objective:
    """Returns the objective that the stage's training steps minimise."""
    loss, distillation = experiment.config.loss, experiment.config.distillation
    plain = Objective(
        trains=stage.phase.trains,
        training=stage.phase.statistics,
        supervised=stage.supervised,
        dice=loss.dice,
        smoothing=loss.smoothing,
        cross_entropy=loss.cross_entropy,
    )
    if not stage.phase.distils:
        return plain
    return dataclasses.replace(
        plain,
        distilled=stage.distilled,
        kd=distillation.form,
        temperature=distillation.temperature,
        kd_weight=distillation.weight,
    )


def optimizer(experiment: Experiment, stage: Stage) -> Any:
    """The stage's optimiser."""
    return _optimizer(_optimizer_settings(experiment, stage))


@functools.lru_cache(maxsize=32)
def _optimizer(settings: tuple[tuple[str, Any], ...]) -> Any:
    """Shares the program of its initialisation between the runs of a process."""
    return make_optimizer(**dict(settings))


def _optimizer_settings(experiment: Experiment, stage: Stage) -> tuple[tuple[str, Any], ...]:
    settings = experiment.config.optimizer
    found = {
        "trains": stage.phase.trains,
        "rate": experiment.rate(stage),
        "weight_decay": settings.weight_decay,
        "clip_norm": settings.clip_norm,
        "decay": settings.decay,
        "schedule": settings.schedule,
        "steps_per_epoch": experiment.data.draws(stage).steps_per_epoch,
        "epochs": experiment.epochs(stage),
    }
    return tuple(found.items())


def begin(experiment: Experiment, stage: Stage, model: Model) -> TrainState:
    """The state of the stage's first step. Args: model: as `enter` returns it."""
    return start(model, optimizer(experiment, stage))


def train_step(experiment: Experiment, stage: Stage) -> Callable[..., Any]:
    """The stage's training step on all devices."""
    return _compiled(experiment.network, _optimizer_settings(experiment, stage), objective(experiment, stage))


@functools.lru_cache(maxsize=32)
def _compiled(network: Network, settings: tuple[tuple[str, Any], ...], minimised: Objective) -> Callable[..., Any]:
    """Shares what is traced and compiled between the runs of a process."""
    return pmap_train(make_train_step(network, _optimizer(settings), minimised, axis_name=AXIS))


def step_costs(experiment: Experiment, stage: Stage, model: Model) -> tuple[int, int | None]:
    """FLOPs of one of the stage's training steps over all devices, and the bytes that it needs on each.

    Asked after training, when nothing is compiled for it.
    """
    state = jax.eval_shape(functools.partial(begin, experiment, stage), model)  # its shapes: there is no second one
    arguments = (train_step(experiment, stage), state, blank_batch(experiment, stage), experiment.random_key("costs"))
    return costs.step_flops(*arguments), costs.step_memory(*arguments)


def enter(experiment: Experiment, stage: Stage, model: Model) -> Model:
    """The model at the beginning of a stage: the last update finished, and the decoder that the stage creates."""
    if stage.promotes:
        model = promote(model)
    if stage.phase.creates is None or stage.created is None:
        return model
    if stage.phase.starts_from == "old":
        return copy_decoder(model, stage.old_decoders[0], part=stage.phase.creates, name=stage.created)
    key = experiment.random_key(f"decoder/{stage.purpose}")
    return add_decoder(model, experiment.network, key, part=stage.phase.creates, name=stage.created)


def origin(experiment: Experiment) -> Model:
    """The model before the first stage: the saved one that is updated, or a random encoder."""
    if experiment.start:
        return experiment.start.model
    return init_model(experiment.network, experiment.random_key("encoder"))
