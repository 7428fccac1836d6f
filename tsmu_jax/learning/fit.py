"""The training loop of one phase: epochs of steps, validation after each, periodic checkpoints."""

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from tsmu_jax.errors import UserError
from tsmu_jax.learning import checkpoints, processes
from tsmu_jax.learning.parallel import place, replicate
from tsmu_jax.learning.saturation import Saturation
from tsmu_jax.learning.state import Model, TrainState

ASK_STEPS = 20  # between two agreements of several processes on whether to save
DIVERGED = (
    "the loss of epoch {epoch} is no number: training has diverged; lower the phase's --config.rates, or limit the "
    "gradients with --config.optimizer.clip_norm=1"
)

Scalars = dict[str, Any]


class Batches(Protocol):
    """Batches on the device, and how long they were waited for."""

    wait_seconds: float

    def __iter__(self) -> Iterator[Any]: ...


@dataclasses.dataclass
class Loop:
    """All that a phase's training needs, as functions and plain values.

    Attributes:
      step: the mapped training step.
      batches: (first step, end) -> the batches in between.
      validate: Model -> scalars, "validation/micro_iou" among them; run after every epoch.
      on_epoch: receives the scalars of each epoch.
      on_step: receives (finished steps, latest scalars), a few times a second at most.
      directory: of the periodic checkpoint.
      key: random key of the steps.
      identity: digest of all that influences the outcome; a periodic checkpoint keeps it.
    """

    step: Callable[..., tuple[TrainState, dict[str, jax.Array]]]
    batches: Callable[[int, int], Batches]
    validate: Callable[[Model], dict[str, float]]
    on_epoch: Callable[[Scalars], None]
    on_step: Callable[[int, dict[str, float]], None]
    directory: Path
    key: jax.Array
    identity: str
    epochs: int
    steps_per_epoch: int
    images_per_epoch: int
    saturation: Saturation
    checkpoint_seconds: float


@dataclasses.dataclass
class Fitted:
    """The outcome: the model to keep, on the devices, and what it cost."""

    model: Model
    epochs: int
    chosen_epoch: int
    steps: int
    seconds: float


class _Run:
    """A phase under way. Everything in it that matters is in the periodic checkpoint too."""

    def __init__(self, loop: Loop, state: TrainState):
        self.loop = loop
        self.state = state
        self.kept: Model | None = None  # the weights that saturation chose, where they may not be the last
        self.sums: dict[str, float] = {}  # of the current epoch's scalars
        self.ended = False
        self.seconds_before = 0.0  # of training before an interruption
        self.saved_step = -1
        self._restore()
        self.state = replicate(self.state)
        self.done = int(self.state.step)
        self.started = self.saved = time.perf_counter()
        self._pending: list[dict[str, jax.Array]] = []

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    @property
    def model(self) -> Model:
        return self.state.model

    def train_epoch(self, batches: Iterator[Any]) -> None:
        """Runs the steps that are left of the current epoch."""
        loop, shown = self.loop, 0.0
        end = (self.done // loop.steps_per_epoch + 1) * loop.steps_per_epoch
        while self.done < end:
            if self._due():
                self.save()
            self.state, metrics = loop.step(self.state, next(batches), loop.key)
            self._pending.append(metrics)
            self.done += 1
            # Reading a scalar waits for the device, so it is done a few times a second only.
            if time.perf_counter() - shown > 0.5 or self.done == end:
                loop.on_step(self.done, self._drain())
                shown = time.perf_counter()

    def finish_epoch(self) -> Scalars:
        """Means of the epoch's scalars and the validation scores; decides whether to keep its weights."""
        loop = self.loop
        scalars: Scalars = {"step": self.done, "epoch": self.done // loop.steps_per_epoch}
        scalars |= {f"train/{name}": total / loop.steps_per_epoch for name, total in self.sums.items()}
        if not math.isfinite(scalars["train/loss"]):
            raise UserError(DIVERGED.format(epoch=scalars["epoch"]))
        scalars |= loop.validate(self.model)
        keep, self.ended = loop.saturation.update(scalars["epoch"], validation_iou=scalars["validation/micro_iou"])
        if keep and loop.saturation.patience:
            # The step reuses the memory of its arguments.
            self.kept = jax.tree.map(jnp.copy, self.model)
        self.sums = {}
        return scalars

    def _drain(self) -> dict[str, float]:
        latest: dict[str, float] = {}
        for metrics in self._pending:
            latest = {name: float(value) for name, value in metrics.items()}
            for name, value in latest.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
        self._pending.clear()
        return latest

    def _due(self) -> bool:
        """Whether it is time for a periodic checkpoint, which all processes save together."""
        if not processes.alone() and self.done % ASK_STEPS:  # agreeing makes them wait for each other
            return False
        return bool(processes.agreed(time.perf_counter() - self.saved > self.loop.checkpoint_seconds))

    def save(self) -> None:
        """Writes the periodic checkpoint; the previous one stays until the new one is complete."""
        if self.done == self.saved_step:  # writing it again would first remove what is there
            self.saved = time.perf_counter()
            return
        self._drain()
        progress = {
            "identity": self.loop.identity,
            "sums": self.sums,
            "seconds": self.seconds,
            "saturation": self.loop.saturation.progress(),
        }
        name = f"step_{self.done}"
        checkpoints.save(self.loop.directory / name, _tree(self.state, self.kept))
        self.saved, self.saved_step = time.perf_counter(), self.done
        if not processes.first():
            return
        marker = self.loop.directory / "latest.json"
        partial = marker.with_suffix(".partial")
        partial.write_text(json.dumps({"checkpoint": name, "kept": self.kept is not None, **progress}))
        partial.replace(marker)
        for earlier in self.loop.directory.glob("step_*"):
            if earlier.name != name:
                shutil.rmtree(earlier)

    def _restore(self) -> None:
        progress = processes.agreed(_latest(self.loop.directory))
        if progress is None:
            return
        like = _tree(self.state, self.model if progress["kept"] else None)
        tree = checkpoints.load(self.loop.directory / progress["checkpoint"], like)
        self.state = TrainState(**tree["state"])
        self.saved_step = int(self.state.step)
        self.kept = place(Model(**tree["kept"])) if progress["kept"] else None
        self.sums, self.seconds_before = progress["sums"], progress["seconds"]
        self.loop.saturation.restore(progress["saturation"])


def _tree(state: TrainState, kept: Model | None) -> dict[str, Any]:
    tree = {"state": _fields(state)}
    return tree if kept is None else tree | {"kept": _fields(kept)}


def _fields(node: Any) -> dict[str, Any]:
    return {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}


def _latest(directory: Path) -> dict[str, Any] | None:
    marker = directory / "latest.json"
    return json.loads(marker.read_text()) if marker.exists() else None


def interrupted_at(directory: Path) -> tuple[int, str] | None:
    """The step and the identity of a phase's periodic checkpoint, if this process sees one."""
    latest = _latest(directory)
    return None if latest is None else (int(latest["checkpoint"].removeprefix("step_")), latest["identity"])


def fit(loop: Loop, state: TrainState) -> Fitted:
    """Trains until the epochs are over or saturation says so, from a periodic checkpoint if there is one.

    The outcome is a pure function of the arguments: an interruption leaves no trace in it.

    Raises:
      UserError: an epoch's loss is not finite. Nothing that is saved later could be of use.
    """
    run = _Run(loop, state)
    batches = loop.batches(run.done, loop.epochs * loop.steps_per_epoch)
    stream = iter(batches)
    while run.done < loop.epochs * loop.steps_per_epoch and not run.ended:
        before, waited, first = time.perf_counter(), batches.wait_seconds, run.done
        run.train_epoch(stream)
        seconds = time.perf_counter() - before
        images = (run.done - first) / loop.steps_per_epoch * loop.images_per_epoch
        costs = {
            "images_per_second": images / seconds,
            "input_wait": (batches.wait_seconds - waited) / seconds,
            "seconds": run.seconds,
        }
        loop.on_epoch(run.finish_epoch() | costs)
    jax.block_until_ready(run.state)
    model = run.model if run.kept is None else run.kept
    return Fitted(model, run.done // loop.steps_per_epoch, loop.saturation.chosen_epoch, run.done, run.seconds)
