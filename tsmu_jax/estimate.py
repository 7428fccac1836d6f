"""How long a run will take on this machine, from a few timed steps of its first phase."""

import functools
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from tsmu_jax.experiment import Experiment
from tsmu_jax.feed import blank_batch
from tsmu_jax.learning.parallel import padded, replicate, shard_whole
from tsmu_jax.learning.state import Model, init_model
from tsmu_jax.methods import Stage
from tsmu_jax.reporting.progress import duration
from tsmu_jax.stage import begin, enter, step_flops, train_step

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
    """Seconds of each waiting stage, without compilation: the first one's steps are timed.

    The others' steps are scaled by their share of arithmetic, which the compiler counts without compiling.
    """
    model = jax.eval_shape(lambda: init_model(experiment.network, jax.random.key(0)))
    per_flop, per_answer, seconds = 0.0, 0.0, {}
    for stage in experiment.stages[: waiting[-1].index]:
        model = jax.eval_shape(functools.partial(enter, experiment, stage), model)
        if stage not in waiting:
            continue
        flops = step_flops(experiment, stage, model)
        if not per_flop:
            per_flop = _step_seconds(experiment, stage, model) / flops
            # A third: an answer needs no gradients, which are two thirds of a step's arithmetic.
            per_answer = per_flop * flops / (3 * padded(experiment.config["batch_size"]))
        steps = experiment.epochs(stage) * experiment.draws(stage).steps_per_epoch
        seconds[stage.directory] = per_flop * flops * steps + per_answer * _answers(experiment, stage)
    return seconds


def _answers(experiment: Experiment, stage: Stage) -> int:
    """Images that decoders answer beside training: validation after each epoch, and recordings."""
    validated = sum(experiment.validation_pairs(name) for name in stage.ecoregions)
    copies = experiment.config["data"]["validation_copies"]
    recordings = len(stage.distilled) + experiment.keeps_features(stage)
    return validated * copies * experiment.epochs(stage) + recordings * experiment.recorded_images(stage)


def _step_seconds(experiment: Experiment, stage: Stage, model: Model) -> float:
    step = train_step(experiment, stage)
    batch = blank_batch(experiment, stage)
    filled = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.01, leaf.dtype), model)
    state = replicate(begin(experiment, stage, filled))
    times = []
    for _ in range(1 + STEPS):
        before = time.perf_counter()
        state, _ = step(state, shard_whole(batch), jax.random.key(0))
        jax.block_until_ready(state)
        times.append(time.perf_counter() - before)
    return min(times[1:])
