"""The training loop of one phase: epochs of steps, validation after each, periodic checkpoints."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from tsmu_jax import stopping
from tsmu_jax.errors import UserError
from tsmu_jax.learning import checkpoints, periodic, processes
from tsmu_jax.learning.parallel import AHEAD, place, replicate
from tsmu_jax.learning.saturation import Saturation
from tsmu_jax.learning.state import Model, TrainState

ASK_STEPS = 20  # between two agreements of several processes on whether to save
DIVERGED = (
    "{what} of {where} is no number: training has diverged; {kept}lower the phase's --config.rates, or limit the "
    "gradients with --config.optimizer.clip_norm=1, in a new --workdir"
)
LONG_SECONDS = 60.0  # of training that are saved before a phase is evaluated, which takes a while

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
      keeps_state: leave the state at the end in `directory`.
      describe: step, counted from 0 -> its name and its images, for messages.
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
    keeps_state: bool = False
    describe: Callable[[int], str] = "step {}".format


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
        self.saved_step, self.saved_name = -1, ""
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

    @property
    def to_validate(self) -> bool:
        """Whether the steps of an epoch are done, and its validation is not: a signal came in between."""
        return bool(self.sums) and self.done % self.loop.steps_per_epoch == 0

    @property
    def unfinished(self) -> bool:
        """Whether steps or a validation are left."""
        return self.to_validate or (self.done < self.loop.epochs * self.loop.steps_per_epoch and not self.ended)

    def train_epoch(self, batches: Iterator[Any]) -> None:
        """Runs the steps that are left of the current epoch."""
        loop, shown = self.loop, 0.0
        end = (self.done // loop.steps_per_epoch + 1) * loop.steps_per_epoch
        while self.done < end:
            self._look_up()
            self.state, metrics = loop.step(self.state, next(batches), loop.key)
            self._pending.append(metrics)
            if len(self._pending) > AHEAD:
                jax.block_until_ready(self._pending[-AHEAD - 1])
            self.done += 1
            stopping.hold()  # before the first step is done there is nothing to save, and it may compile for minutes
            # Reading a scalar waits for the device, so it is done a few times a second only.
            if time.perf_counter() - shown > 0.5 or self.done == end:
                loop.on_step(self.done, self._drain())
                shown = time.perf_counter()

    def finish_epoch(self) -> Scalars:
        """Means of the epoch's scalars and the validation scores; decides whether to keep its weights."""
        loop = self.loop
        scalars: Scalars = {"step": self.done, "epoch": self.done // loop.steps_per_epoch}
        scalars |= {f"train/{name}": total / loop.steps_per_epoch for name, total in self.sums.items()}
        scalars |= loop.validate(self.model)
        keep, self.ended = loop.saturation.update(scalars["epoch"], validation_iou=scalars["validation/micro_iou"])
        if keep and loop.saturation.patience:
            # The step reuses the memory of its arguments.
            self.kept = jax.tree.map(jnp.copy, self.model)
        self.sums = {}
        return scalars

    def _drain(self) -> dict[str, float]:
        latest: dict[str, float] = {}
        first = self.done - len(self._pending)
        for step, metrics in enumerate(self._pending, start=first):
            latest = {name: float(value) for name, value in metrics.items()}
            if not math.isfinite(latest["loss"]):
                raise self._diverged("the loss", step)
            for name, value in latest.items():
                self.sums[name] = self.sums.get(name, 0.0) + value
        self._pending.clear()
        return latest

    def _diverged(self, what: str, step: int) -> UserError:
        kept = f"{self.loop.directory} keeps step {self.saved_step}; " if self.saved_step >= 0 else ""
        return UserError(DIVERGED.format(what=what, where=self.loop.describe(step), kept=kept))

    def _look_up(self) -> None:
        """Saves if it is time to, and raises `Stopped` if a signal came to any process: all do so together."""
        if not processes.alone() and self.done % ASK_STEPS:  # agreeing makes them wait for each other
            return
        due = time.perf_counter() - self.saved > self.loop.checkpoint_seconds
        signal = stopping.requested() if stopping.holding() else None
        stop, save = processes.highest([signal or 0, due])
        if stop:
            raise stopping.Stopped(stop)
        if save:
            self.save()

    def finite(self, tree: Any) -> None:
        """Raises UserError where parameters or statistics, NumPy arrays, are not finite."""
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)):
            raise self._diverged("a parameter", self.done - 1)

    def save(self) -> None:
        """Writes the periodic checkpoint; the previous one stays until the new one is complete."""
        self._drain()
        name = f"step_{self.done}{'_not_validated' if self.to_validate else ''}"
        if name == self.saved_name:  # writing it again would first remove what is there
            self.saved = time.perf_counter()
            return
        progress = {
            "step": self.done,
            "kept": self.kept is not None,
            "identity": self.loop.identity,
            "sums": self.sums,
            "seconds": self.seconds,
            "saturation": self.loop.saturation.progress(),
            "ended": self.ended,
        }
        tree = jax.device_get(_tree(self.state, self.kept))
        self.finite([tree["state"]["params"], tree["state"]["batch_stats"]])
        periodic.save(self.loop.directory, name, tree, progress)
        self.saved, self.saved_step, self.saved_name = time.perf_counter(), self.done, name

    def _restore(self) -> None:
        progress = processes.agreed(periodic.latest(self.loop.directory))
        if progress is None:
            return
        like = _tree(self.state, self.model if progress["kept"] else None)
        tree = checkpoints.load(self.loop.directory / progress["checkpoint"], like)
        self.state = TrainState(**tree["state"])
        self.saved_step, self.saved_name = int(self.state.step), progress["checkpoint"]
        self.kept = place(Model(**tree["kept"])) if progress["kept"] else None
        self.sums, self.seconds_before = progress["sums"], progress["seconds"]
        self.loop.saturation.restore(progress["saturation"])
        self.ended = progress["ended"]


def _tree(state: TrainState, kept: Model | None) -> dict[str, Any]:
    tree = {"state": _fields(state)}
    return tree if kept is None else tree | {"kept": _fields(kept)}


def _fields(node: Any) -> dict[str, Any]:
    return {field.name: getattr(node, field.name) for field in dataclasses.fields(node)}


def fit(loop: Loop, state: TrainState) -> Fitted:
    """Trains until the epochs are over or saturation says so, from a periodic checkpoint if there is one.

    The outcome is a pure function of the arguments: an interruption leaves no trace in it.

    Raises:
      UserError: a loss or a parameter is not finite. What the last periodic checkpoint holds is.
      Stopped: a signal came. The periodic checkpoint holds all finished steps.
    """
    run = _Run(loop, state)
    try:
        return _trained(run)
    except stopping.Stopped as stop:
        if not stopping.holding():  # no step was done since the checkpoint
            raise
        run.save()
        kept = f"{loop.directory} keeps {run.done} steps of the phase, and the same command goes on from there"
        processes.meet()  # nobody leaves before the first one has written all
        if not processes.alone():
            processes.let_others_end()
        raise stopping.Stopped(stop.number, kept) from None
    finally:
        stopping.release()


def _trained(run: _Run) -> Fitted:
    loop = run.loop
    batches = loop.batches(run.done, loop.epochs * loop.steps_per_epoch)
    stream = iter(batches)
    while run.unfinished:
        before, waited, first = time.perf_counter(), batches.wait_seconds, run.done
        if not run.to_validate:
            run.train_epoch(stream)
        seconds = time.perf_counter() - before
        images = (run.done - first) / loop.steps_per_epoch * loop.images_per_epoch
        costs = {"seconds": run.seconds}
        if images:
            costs |= {"images_per_second": images / seconds, "input_wait": (batches.wait_seconds - waited) / seconds}
        loop.on_epoch(run.finish_epoch() | costs)
    jax.block_until_ready(run.state)
    long = time.perf_counter() - run.saved > min(LONG_SECONDS, loop.checkpoint_seconds)
    if any(processes.highest([loop.keeps_state, long, stopping.requested() or 0])):
        run.save()
    model = run.model if run.kept is None else run.kept
    run.finite(jax.device_get([model.params, model.batch_stats]))
    return Fitted(model, run.done // loop.steps_per_epoch, loop.saturation.chosen_epoch, run.done, run.seconds)
