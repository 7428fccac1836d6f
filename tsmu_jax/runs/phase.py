"""Runs one stage of a method: makes its decoder, stores responses, trains, evaluates, saves."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from tsmu_jax import digests
from tsmu_jax.evaluation import metrics, probabilities
from tsmu_jax.evaluation.evaluate import Outcome, TestSet, balanced, evaluate, phase_scores, to_original_size
from tsmu_jax.learning import processes
from tsmu_jax.learning.fit import Fitted, Loop, fit
from tsmu_jax.learning.parallel import place
from tsmu_jax.learning.periodic import interrupted_at
from tsmu_jax.learning.saturation import Saturation
from tsmu_jax.learning.state import Model
from tsmu_jax.learning.trace import traced
from tsmu_jax.models.tsmu import count
from tsmu_jax.runs.directory import PhaseDirectory
from tsmu_jax.runs.experiment import Experiment
from tsmu_jax.runs.feed import Feed, make_feed
from tsmu_jax.runs.files import replacing
from tsmu_jax.runs.metrics_log import MetricsLog
from tsmu_jax.runs.plan import Stage
from tsmu_jax.runs.progress import PhaseProgress
from tsmu_jax.runs.stage_step import begin, enter, origin, step_costs, train_step


def run_start(experiment: Experiment, stage: Stage, directory: PhaseDirectory) -> tuple[Model, dict[str, Any]]:
    """Scores the saved model that is updated, and keeps it in the run beside the phases' models.

    Args:
      stage: as `start_stage` returns it.
    """
    model, record = place(origin(experiment)), directory.record()
    assert experiment.start is not None
    if record is not None and record.get("tests_key") == experiment.tests_key(stage):
        return model, record
    result = {
        "name": stage.phase.name,
        **dict.fromkeys(("epochs", "chosen_epoch", "images", "trainable_parameters", "flops"), 0),
        **dict.fromkeys(("seconds", "recording_seconds"), 0.0),
        "total_parameters": count(model.params, model.batch_stats),
        "peak_memory_bytes": None,
    }
    decoders = {"old": list(stage.old_decoders), "new": []}
    trained = {"key": experiment.start.key, "decoders": decoders, "route": experiment.start.saved.route, "steps": 0}
    record = assess(experiment, stage, model, directory, {**trained, "result": result})
    directory.finish(model, record)
    return model, record


def run_stage(
    experiment: Experiment, stage: Stage, model: Model, directory: PhaseDirectory, log: MetricsLog, steps_before: int
) -> tuple[Model, dict[str, Any]]:
    """Trains, evaluates and saves one stage. Returns the model after it and its record.

    Args:
      steps_before: of the earlier phases, for the time axis of TensorBoard.
    """
    model = place(enter(experiment, stage, model))  # once for all that it answers
    draws, epochs = experiment.data.draws(stage), experiment.epochs(stage)
    done, _ = processes.agreed(interrupted_at(directory.periodic)) or (0, "")
    feed = make_feed(experiment, stage, model, directory)
    log.truncate(stage.directory, done)
    steps = epochs * draws.steps_per_epoch
    with PhaseProgress(
        stage.phase.name,
        steps,
        epochs=epochs,
        images_per_step=draws.batch_size,
        start=done,
        console=processes.console(),
    ) as progress:
        loop = training_loop(experiment, feed, directory, log, progress, steps_before)
        with traced(loop.step, directory.profile if experiment.config.profile else None) as step:
            fitted = fit(dataclasses.replace(loop, step=step), begin(experiment, stage, model))
        if fitted.chosen_epoch != fitted.epochs:
            progress.close(f"kept epoch {fitted.chosen_epoch}")
    record = _trained(experiment, stage, fitted, feed.recording_seconds) | {"log": log.digest(stage.directory)}
    record = assess(experiment, stage, fitted.model, directory, record, validation=feed.validation)
    directory.finish(fitted.model, record)
    return fitted.model, record


def assess(
    experiment: Experiment,
    stage: Stage,
    model: Model,
    directory: PhaseDirectory,
    record: Mapping[str, Any],
    *,
    validation: Mapping[str, TestSet] | None = None,
) -> dict[str, Any]:
    """Scores a model on the test and validation images of all ecoregions, and saves its predictions.

    Args:
      model: after the stage.
      record: of its training, or an earlier one.
      validation: validation sets that are at hand.

    Returns:
      The record with these scores.
    """
    data, at_hand = experiment.data, validation or {}
    answer = functools.partial(experiment.answer, model)
    outcomes = evaluate(answer, data.tests, stage.route)
    held = {name: at_hand[name] if name in at_hand else data.validation(name) for name in data.ecoregions}
    validated = evaluate(answer, held, stage.route)
    if processes.first():
        save_predictions(experiment, outcomes, directory)
    tests = {
        name: {
            "id": list(data.tests[name].ids),
            **{field: values.tolist() for field, values in outcome.counts._asdict().items()},
            "probabilities": _histogram(outcome, data.tests[name]),
        }
        for name, outcome in outcomes.items()
    }
    scores = {
        **phase_scores(outcomes, experiment.old_ecoregions, experiment.new_ecoregions),
        "validation_micro_iou": balanced(validated, experiment.old_ecoregions, experiment.new_ecoregions),
    }
    return {
        **record,
        "tests_key": experiment.tests_key(stage),
        "tests": tests,
        "predictions": digests.taken(directory.predictions, ".") if processes.first() else {},
        "result": {**record["result"], **scores},
    }


def training_loop(
    experiment: Experiment,
    feed: Feed,
    directory: PhaseDirectory,
    log: MetricsLog,
    progress: PhaseProgress,
    steps_before: int,
) -> Loop:
    """Returns all that the stage's training needs."""
    config, stage = experiment.config, feed.stage
    draws = experiment.data.draws(stage)

    def on_epoch(scalars: dict[str, Any]) -> None:
        values = dict(scalars)
        done, epoch = values.pop("step"), values.pop("epoch")
        log.write(stage.directory, done, values, global_step=steps_before + done, epoch=epoch)
        progress.update(done, epoch=epoch, iou=values["validation/micro_iou"])

    return Loop(
        step=train_step(experiment, stage),
        batches=feed.batches,
        validate=_validator(experiment, feed),
        on_epoch=on_epoch,
        on_step=lambda done, latest: progress.update(done, loss=latest["loss"]),
        directory=directory.periodic,
        key=experiment.random_key(f"steps/{stage.purpose}"),
        identity=experiment.stage_key(stage),
        epochs=experiment.epochs(stage),
        steps_per_epoch=draws.steps_per_epoch,
        images_per_epoch=draws.images_per_epoch,
        saturation=Saturation(**dataclasses.asdict(config.early_stopping)),
        checkpoint_seconds=60 * config.checkpoint_minutes,
        keeps_state=experiment.keeps_state(stage),
        describe=lambda step: _described(experiment, stage, step),
    )


def _described(experiment: Experiment, stage: Stage, step: int) -> str:
    """Names a training step, counted from 0, and its images."""
    draws, infos = experiment.data.draws(stage), experiment.data.source.infos
    shown = dict.fromkeys(f"{infos[pair].ecoregion}/{infos[pair].id}" for pair, _ in draws.batch(step))
    epoch = step // draws.steps_per_epoch + 1
    return f"step {step + 1} of {stage.phase.name} (epoch {epoch}; images {', '.join(shown)})"


def _validator(experiment: Experiment, feed: Feed) -> Any:
    """Model -> micro IoU of each of the stage's ecoregions, answered by its own decoder, and their mean."""
    rows = feed.features.validation if feed.features else {}

    def validate(model: Model) -> dict[str, float]:
        each = {}
        for name, held in feed.validation.items():
            decoder = feed.stage.route[name]
            if feed.features and name in rows:
                logits = experiment.answer.from_features(model, decoder, feed.features, rows[name])
            else:
                logits = experiment.answer(model, decoder, held.images)
            each[name] = metrics.micro_iou(metrics.count(logits > 0, held.masks))
        # Not the mean over images: where most masks are empty, that rewards calling nothing a landslide.
        return {
            "validation/micro_iou": float(np.mean(list(each.values()))),
            **{f"validation/{name}/micro_iou": iou for name, iou in each.items()},
        }

    return validate


def _trained(experiment: Experiment, stage: Stage, fitted: Fitted, recording_seconds: float) -> dict[str, Any]:
    """The record of a stage's training."""
    params, stats = fitted.model.params, fitted.model.batch_stats
    flops, memory = step_costs(experiment, stage, fitted.model)
    continued = {"continued": experiment.continued_key(stage)} if experiment.keeps_state(stage) else {}
    return {
        "key": experiment.stage_key(stage),
        **continued,
        "decoders": {"old": list(stage.old_decoders), "new": list(stage.new_decoders)},
        "steps": fitted.steps,
        "result": {
            "name": stage.phase.name,
            "epochs": fitted.epochs,
            "chosen_epoch": fitted.chosen_epoch,
            "images": experiment.data.draws(stage).images_per_epoch,
            "seconds": round(fitted.seconds + recording_seconds, 3),  # storing is part of an update's cost
            "recording_seconds": round(recording_seconds, 3),
            "trainable_parameters": sum(count(params[part]) for part in stage.phase.trains),
            "total_parameters": count(params, stats),
            "flops": fitted.steps * flops,  # of training steps alone
            "peak_memory_bytes": memory,
        },
    }


def _histogram(outcome: Outcome, test: TestSet) -> dict[str, Any]:
    counts = probabilities.histogram(outcome.logits, test.masks)
    return {field: np.round(values, 3).tolist() for field, values in counts._asdict().items()}


def save_predictions(experiment: Experiment, outcomes: Mapping[str, Outcome], directory: PhaseDirectory) -> None:
    """Writes the predicted masks of the test pairs as PNG (0 and 255) at their original sizes."""
    with replacing(directory.predictions) as predictions:
        for name, outcome in outcomes.items():
            folder = predictions / name
            folder.mkdir(parents=True)
            pairs = experiment.data.test_pairs[name]
            for position, logits in enumerate(outcome.logits):
                height, width = pairs[position].mask.shape
                mask = to_original_size(logits, (height, width))
                Image.fromarray(255 * mask).save(folder / f"{pairs.ids[position]}.png")
