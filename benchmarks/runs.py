"""What is timed of whole runs and of the loop in them, each built by a function that a candidate names."""

import contextlib
import runpy
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from benchmarks.measure import ROOT
from benchmarks.worker import Job
from tsmu_jax import experiment, stage
from tsmu_jax.data import prepared
from tsmu_jax.feed import record
from tsmu_jax.learning.parallel import replicate
from tsmu_jax.learning.state import init_model
from tsmu_jax.reporting.metrics_log import MetricsLog
from tsmu_jax.reporting.progress import PhaseProgress
from tsmu_jax.rundir import PhaseDirectory
from tsmu_jax.train import train_and_evaluate


def configuration(changes: Mapping[str, Any], variant: str = "paper") -> dict[str, Any]:
    """A variant of configs/tsmu.py with changes, {"data.size": 64}."""
    config = runpy.run_path(str(ROOT / "configs" / "tsmu.py"))["get_config"](variant)
    config.update_from_flattened_dict(changes)
    return config.to_dict()


def synthetic(size: int, batch: int, pairs: int) -> dict[str, Any]:
    """Changes of the configuration: two synthetic ecoregions of `pairs` training pairs each, drawn once per flip."""
    return {
        "batch_size": batch,
        "data.size": size,
        "data.synthetic.height": size,
        "data.synthetic.width": size,
        "data.synthetic.pairs": ",".join(f"{name}={pairs + 2}" for name in ("etf", "nad")),
        "data.test_pairs": 1,
        "data.validation_fraction": 1 / (pairs + 2),  # one pair
        "data.validation_copies": 1,
        "data.draws": 4,
        "selection.epochs": 0,
        "old": "etf",
        "new": "nad",
    }


def phase_step(phase: str, size: int, batch: int, pairs: int) -> Job:
    """A step of a phase of TSMU as the training loop takes it, its input included, on synthetic pairs.

    Args:
      phase: its name.
      pairs: that it trains on. A whole epoch, every pair in every flip, is the warm-up.
    """
    steps = _Steps(configuration(synthetic(size, batch, pairs)), phase)
    return Job(steps.advance, warmup=steps.loop.steps_per_epoch + 1, close=steps.close)


def wait(size: int, batch: int, pairs: int) -> Job:
    """How long a step of initial training waits for its input, which is decoded from ArrayRecord each time."""
    steps = _from_records(size, batch, pairs)
    taken: list[float] = []

    def run() -> float:
        started, waited = time.perf_counter(), steps.batches.wait_seconds
        steps.advance()
        taken.append(time.perf_counter() - started)
        return steps.batches.wait_seconds - waited

    warmup = 3  # the first two batches are read before the first step
    return Job(run, warmup, lambda: {"step_seconds": statistics.median(taken[warmup:])}, steps.close)


def reading(size: int, batch: int, pairs: int) -> Job:
    """A batch from ArrayRecord to the device, as fast as they come; long enough to empty what was read ahead."""
    steps, together = _from_records(size, batch, pairs), 16

    def run() -> float:
        started = time.perf_counter()
        jax.block_until_ready([next(steps.stream) for _ in range(together)])
        return (time.perf_counter() - started) / together

    return Job(run, warmup=2, close=steps.close)


def opening(pairs: int) -> Job:
    """From a configuration to the order of an epoch's images, for that many pairs, none of which is drawn."""
    changes = {**synthetic(64, 2, pairs), "data.subsample": 0, "data.validation_fraction": 0.15}

    def run() -> None:
        made = experiment.prepare(configuration(changes))
        draws = made.draws(made.stages[0])
        for step in range(draws.steps_per_epoch):
            draws.batch(step)

    return Job(run)


def update(method: str, scale: int, size: int) -> Job:
    """Seconds of a method's phases after the initial one, evaluation and recorded responses included.

    The network of Table IX, a fifth of the paper's training pairs (7 of nwfm, new; 4 of etf, 5 of mwcf, 7 of nad, old),
    20 draws of each pair an epoch as in the paper, and 1 / scale of its epochs.
    """
    paper = configuration({})["epochs"]
    changes = {
        "method": method,
        "old": "etf,mwcf,nad",
        "new": "nwfm",
        "reuse": False,
        "data.size": size,
        "data.synthetic.height": size,
        "data.synthetic.width": size,
        "data.synthetic.pairs": "etf=5,mwcf=6,nad=8,nwfm=8",
        "data.test_pairs": 1,
        "data.validation": "paper",  # leaves all other pairs to training
        "selection.epochs": 0,
    }
    full = {f"epochs.{name}": max(1, number // scale) for name, number in paper.items()} | {"epochs.initial": 1}
    first = {name: 1 for name in full} | {"data.draws": 1}

    def seconds(epochs: Mapping[str, int]) -> float:
        with tempfile.TemporaryDirectory() as workdir:
            _, *phases = train_and_evaluate(configuration({**changes, **epochs}), Path(workdir) / "run")["phases"]
        return sum(phase["seconds"] for phase in phases)

    seconds(first)  # what it compiles is in the compilation cache then, and not in the time
    return Job(lambda: seconds(full), warmup=0)


def _from_records(size: int, batch: int, pairs: int) -> "_Steps":
    """Steps of initial training whose input is read and decoded each time."""
    changes, scratch = synthetic(size, batch, pairs), tempfile.TemporaryDirectory()
    prepared.write(experiment.prepare(configuration(changes)).source, scratch.name)
    steps = _Steps(configuration({**changes, "data.dir": scratch.name, "data.cache_gib": 0.0}), "initial")
    steps.opened.callback(scratch.cleanup)
    return steps


class _Steps:
    """The steps of a phase on synthetic pairs, as the training loop takes them."""

    def __init__(self, config: Mapping[str, Any], phase: str):
        made = experiment.prepare(config)
        model = init_model(made.network, made.key("encoder"))
        for bound in made.stages:
            model = stage.enter(made, bound, model)
            if bound.phase.name == phase:
                break
        self.opened = contextlib.ExitStack()
        run = Path(self.opened.enter_context(tempfile.TemporaryDirectory()))
        log, progress = self.opened.enter_context(MetricsLog(run)), PhaseProgress(phase, 0)
        directory = PhaseDirectory(run, bound.directory)
        feed = record(made, bound, model, directory)
        self.loop = stage.training_loop(made, feed, directory, log, progress, 0)
        self.batches = self.loop.batches(0, self.loop.epochs * self.loop.steps_per_epoch)
        self.stream = iter(self.batches)
        self._state = replicate(stage.begin(made, bound, model))

    def advance(self) -> None:
        """Takes one step and waits for it."""
        self._state, metrics = self.loop.step(self._state, next(self.stream), self.loop.key)
        jax.block_until_ready((self._state, metrics))

    def close(self) -> None:
        """Clears away what the loop wrote."""
        self.opened.close()
