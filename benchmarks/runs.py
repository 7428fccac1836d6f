"""Timed parts of whole runs and of the loop in them, each built by a function that a candidate names."""

import contextlib
import runpy
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from PIL import Image

from benchmarks.measure import ROOT
from benchmarks.worker import Job
from tsmu_jax.data import prepared
from tsmu_jax.data.examples import Examples
from tsmu_jax.data.open import open_source
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.learning.parallel import AXIS, replicate
from tsmu_jax.learning.state import add_decoder, init_model
from tsmu_jax.models.tsmu import make_network
from tsmu_jax.runs import experiment, metrics_log
from tsmu_jax.runs import phase as phase_module
from tsmu_jax.runs.directory import PhaseDirectory
from tsmu_jax.runs.feed import make_feed
from tsmu_jax.runs.progress import PhaseProgress
from tsmu_jax.runs.stage_step import begin, enter
from tsmu_jax.train import train_and_evaluate


def configuration(changes: Mapping[str, Any], variant: str = "default") -> dict[str, Any]:
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


def phase_step(phase: str, size: int, batch: int, pairs: int, depth: int = 7) -> Job:
    """A step of a phase of TSMU as the training loop takes it, its input included, on synthetic pairs.

    Args:
      phase: its name.
      pairs: that it trains on. A whole epoch, every pair in every flip, is the warm-up.
      depth: levels of the decoder.
    """
    steps = _Steps(configuration({**synthetic(size, batch, pairs), "model.depth": depth}), phase)
    return Job(steps.advance, warmup=steps.loop.steps_per_epoch + 1, close=steps.close)


def wait(size: int, batch: int, pairs: int) -> Job:
    """How long a step of initial training waits for its input, which is decoded from ArrayRecord each time."""
    steps = _from_files(size, batch, pairs)
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
    steps, together = _from_files(size, batch, pairs), 16

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
        draws = made.data.draws(made.stages[0])
        for step in range(draws.steps_per_epoch):
            draws.batch(step)

    return Job(run)


def scene(side: int, tile: int, batch: int) -> Job:
    """A scene from its files to an answer for every pixel: checked, cut into tiles, answered tile by tile."""
    network, key = make_network(axis_name=AXIS), jax.random.key(0)
    model = add_decoder(init_model(network, key), network, key, part="old", name="old")
    answerer = Answerer(network, batch_size=batch)
    scratch = tempfile.TemporaryDirectory()
    region = Path(scratch.name) / "region"
    region.mkdir()
    random = np.random.default_rng(0)
    for role in ("pre", "post"):
        Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).save(region / f"scene_{role}.png")
    Image.fromarray(255 * random.integers(0, 2, (side, side), np.uint8)).save(region / "scene_mask.png")

    def run() -> None:
        source = open_source(scratch.name, tile=tile, require_pre=True)
        tiles = Examples(source, size=tile, channels=network.channels, cache_gib=0.0)
        for start in range(0, len(source), batch):
            answerer(model, "old", tiles.stack(range(start, min(start + batch, len(source)))).image)

    return Job(run, warmup=2, close=scratch.cleanup)


def update(method: str, size: int, epochs: int) -> Job:
    """Seconds that a method's phases after the initial one take with the paper's epochs.

    The network of Table IX, a tenth of the paper's training pairs (3 of nwfm, new; 2 of etf, 2 of mwcf, 3 of nad, old),
    20 draws of each pair an epoch as in the paper. Of each phase, `epochs` are trained; those after the first one,
    which compiles, say how long an epoch takes, validation included. What is stored before a phase counts once.
    """
    paper = configuration({})["epochs"]
    config = configuration(
        {
            "method": method,
            "old": "etf,mwcf,nad",
            "new": "nwfm",
            "reuse": False,
            "data.size": size,
            "data.synthetic.height": size,
            "data.synthetic.width": size,
            "data.synthetic.pairs": "etf=3,mwcf=3,nad=4,nwfm=4",
            "data.test_pairs": 1,
            "data.validation": "paper",  # leaves all other pairs to training
            "selection.epochs": 0,
            **{f"epochs.{name}": epochs for name in paper},
            "epochs.initial": 1,
        }
    )

    def run() -> float:
        with tempfile.TemporaryDirectory() as scratch:
            workdir = Path(scratch) / "run"
            _, *phases = train_and_evaluate(config, workdir)["phases"]
            log = metrics_log.read(workdir)
        ends: dict[str, list[float]] = {}
        for line in log:
            ends.setdefault(line["phase"].partition("_")[2], []).append(line["seconds"])
        return sum(
            phase["recording_seconds"] + paper[phase["name"]] * statistics.median(np.diff(ends[phase["name"]]))
            for phase in phases
        )

    return Job(run, warmup=0)


def _from_files(size: int, batch: int, pairs: int) -> "_Steps":
    """Steps of initial training whose input is read and decoded each time."""
    changes, scratch = synthetic(size, batch, pairs), tempfile.TemporaryDirectory()
    prepared.write(experiment.prepare(configuration(changes)).data.source, scratch.name)
    steps = _Steps(configuration({**changes, "data.dir": scratch.name, "data.cache_gib": 0.0}), "initial")
    steps.opened.callback(scratch.cleanup)
    return steps


class _Steps:
    """The steps of a phase on synthetic pairs, as the training loop takes them."""

    def __init__(self, config: Mapping[str, Any], phase: str):
        made = experiment.prepare(config)
        model = init_model(made.network, made.random_key("encoder"))
        for bound in made.stages:
            model = enter(made, bound, model)
            if bound.phase.name == phase:
                break
        self.opened = contextlib.ExitStack()
        run = Path(self.opened.enter_context(tempfile.TemporaryDirectory()))
        log, progress = self.opened.enter_context(metrics_log.MetricsLog(run)), PhaseProgress(phase, 0)
        directory = PhaseDirectory(run, bound.directory)
        feed = make_feed(made, bound, model, directory)
        self.loop = phase_module.training_loop(made, feed, directory, log, progress, 0)
        self.batches = self.loop.batches(0, self.loop.epochs * self.loop.steps_per_epoch)
        self.stream = iter(self.batches)
        self._state = replicate(begin(made, bound, model))

    def advance(self) -> None:
        """Takes one step and waits for it."""
        self._state, metrics = self.loop.step(self._state, next(self.stream), self.loop.key)
        jax.block_until_ready((self._state, metrics))

    def close(self) -> None:
        """Clears away what the loop wrote."""
        self.opened.close()
