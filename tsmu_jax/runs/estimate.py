"""How long a run will take on this machine, from a few timed steps of its first phase."""

import time
from collections.abc import Sequence

import jax
import numpy as np

from tsmu_jax.learning.costs import forward_flops
from tsmu_jax.learning.parallel import padded, replicate, shard_whole
from tsmu_jax.learning.state import Model
from tsmu_jax.runs.experiment import Experiment
from tsmu_jax.runs.feed import blank_batch
from tsmu_jax.runs.plan import Stage
from tsmu_jax.runs.progress import duration
from tsmu_jax.runs.stage_step import begin, enter, origin, train_step

STEPS = 2  # timed, after the one that compiles
DEMO = "python -m tsmu_jax.main --config=configs/tsmu.py:demo --workdir=runs/demo"


def describe(experiment: Experiment, waiting: Sequence[Stage]) -> str:
    """One or two sentences: the time that the waiting stages take, and on a CPU the way to a quick look."""
    seconds = sum(stage_seconds(experiment, waiting).values())
    text = f"about {duration(seconds)} on this machine ({jax.devices()[0].platform})"
    if jax.devices()[0].platform == "cpu" and seconds > 1800:
        text += f"; for a quick look: {DEMO}"
    return text


def stage_seconds(experiment: Experiment, waiting: Sequence[Stage]) -> dict[str, float]:
    """Seconds of each waiting stage, without compilation: the first one's steps are timed, the others' scaled."""
    batch, first = padded(experiment.config.batch_size), waiting[0]
    per_flop = _step_seconds(experiment, first) / (batch * training_flops(experiment, first))
    return {stage.directory: per_flop * stage_flops(experiment, stage) for stage in waiting}


def stage_flops(experiment: Experiment, stage: Stage) -> float:
    """About how many floating-point operations a stage takes: training, validation, and what is stored before."""
    batch = padded(experiment.config.batch_size)
    images = batch * experiment.epochs(stage) * experiment.data.draws(stage).steps_per_epoch
    return training_flops(experiment, stage) * images + _answering_flops(experiment, stage)


def training_flops(experiment: Experiment, stage: Stage) -> float:
    """About how many floating-point operations a training step of the stage takes for each image.

    A backward pass is as much work as the forward one for what gradients pass through, and once more for what is
    trained. (Counting the step itself means to trace it, which takes longer than all that a small run waits for.)
    """
    encoder, decoder = forward_flops(experiment.network, experiment.data.examples.size)
    trains, through = stage.phase.trains, "shared" in stage.phase.trains
    flops = 0.0 if experiment.kept_features(stage) else encoder * (3 if through else 1)
    for name in {*stage.supervised, *stage.distilled}:
        trained = ("old" if name in stage.old_decoders else "new") in trains
        flops += decoder * (1 + (trained or through) + trained)
    return flops


def _answering_flops(experiment: Experiment, stage: Stage) -> float:
    """Likewise of all answers beside training: stored responses and features, and validation after each epoch."""
    encoder, decoder = forward_flops(experiment.network, experiment.data.examples.size)
    stored, kept = experiment.data.stored_images(stage), experiment.kept_features(stage)
    validated = experiment.epochs(stage) * experiment.data.validated_images(stage)
    encoded = kept + len(stage.distilled) * stored + (0 if kept > stored else validated)
    return encoder * encoded + decoder * (len(stage.distilled) * stored + validated)


def _step_seconds(experiment: Experiment, stage: Stage) -> float:
    def entered() -> Model:
        model = origin(experiment)
        for earlier in experiment.stages[: stage.index]:
            model = enter(experiment, earlier, model)
        return model

    step, model = train_step(experiment, stage), jax.eval_shape(entered)
    batch = blank_batch(experiment, stage)
    # Arrays of the host: those of the device would compile a program for each shape.
    filled = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.01, leaf.dtype), model)
    state = replicate(begin(experiment, stage, filled))
    times = []
    for _ in range(1 + STEPS):
        before = time.perf_counter()
        state, _ = step(state, shard_whole(batch), jax.random.key(0))
        jax.block_until_ready(state)
        times.append(time.perf_counter() - before)
    return min(times[1:])
