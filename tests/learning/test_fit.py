import hashlib
import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsmu_jax import stopping
from tsmu_jax.batch import RESPONSES
from tsmu_jax.errors import UserError
from tsmu_jax.learning import processes
from tsmu_jax.learning.fit import Fitted, Loop, fit
from tsmu_jax.learning.parallel import shard
from tsmu_jax.learning.periodic import interrupted_at
from tsmu_jax.learning.saturation import Saturation
from tsmu_jax.learning.state import Model, start

EPOCHS, STEPS = 4, 3  # steps in an epoch
COSTS = ("images_per_second", "input_wait", "seconds")


class Interrupted(Exception):
    pass


class Batches:
    """A pure function of the step, as the pipeline's; fails where it is told to."""

    def __init__(self, make_batch, first: int, end: int, fails_at: int | None):
        self.wait_seconds = 0.0
        self._steps = range(first, end)
        self._make, self._fails_at = make_batch, fails_at

    def __iter__(self) -> Iterator[Any]:
        for step in self._steps:
            if step == self._fails_at:
                raise Interrupted
            yield shard(self._make(step))


def digest(model: Model) -> str:
    leaves = jax.tree.leaves(jax.device_get((model.params, model.batch_stats)))
    return hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in leaves)).hexdigest()


def drift_of(step: int) -> float:
    return step / 100


class Runner:
    """Fits a phase for real."""

    def __init__(self, training, model: Model, make_batch):
        self.training, self.model, self.make_batch = training, model, make_batch

    def step(self, state, batch, key):
        drift = jnp.asarray(drift_of(int(state.step)))
        state, metrics = self.training.mapped(state, batch, key)
        return state, {**metrics, "drift": drift}

    def __call__(
        self,
        directory: Path,
        history: list[dict[str, Any]],
        *,
        fails_at: int | None = None,
        fails_after: int | None = None,
        validate=lambda model: {"validation/micro_iou": 0.5},
        checkpoint_seconds: float = math.inf,
        **saturation: Any,
    ) -> Fitted:
        def on_step(done: int, latest: dict[str, float]) -> None:
            assert {"loss", "dice_loss", "drift"} <= set(latest)
            if fails_after is not None and done >= fails_after:
                raise Interrupted

        loop = Loop(
            step=self.step,
            batches=lambda first, end: Batches(self.make_batch, first, end, fails_at),
            validate=validate,
            on_epoch=history.append,
            on_step=on_step,
            directory=directory,
            key=jax.random.key(3),
            identity="this run",
            epochs=EPOCHS,
            steps_per_epoch=STEPS,
            images_per_epoch=4 * STEPS,
            saturation=Saturation(**saturation),
            checkpoint_seconds=checkpoint_seconds,
            describe="step {} of the freeze phase".format,
        )
        return fit(loop, start(self.model, self.training.tx))


@pytest.fixture(scope="module")
def run(freeze, model, make_batch) -> Runner:
    return Runner(freeze, model, make_batch)


@pytest.fixture(scope="module")
def run_distilled(joint, model, make_batch) -> Runner:
    """Joint fine-tuning, towards stored responses."""

    def batch(step: int):
        made = make_batch(step)
        return {**made, RESPONSES: np.random.default_rng(step).normal(size=(4, 2, 8, 8)).astype(np.float32)}

    return Runner(joint, model, batch)


@pytest.fixture(scope="module")
def uninterrupted(run, tmp_path_factory) -> tuple[Fitted, list[dict[str, Any]], dict[str, int]]:
    """A whole run; the scalars of its epochs; and the epoch in which each model was validated."""
    epochs: dict[str, int] = {}

    def validate(model: Model) -> dict[str, float]:
        epochs[digest(model)] = len(epochs) + 1
        return {"validation/micro_iou": float(np.abs(model.params["new"]["new"]["Conv_0"]["kernel"]).mean())}

    history: list[dict[str, Any]] = []
    directory = tmp_path_factory.mktemp("uninterrupted") / "periodic"
    fitted = run(directory, history, validate=validate)
    assert not directory.exists()  # nothing was due
    assert len(epochs) == EPOCHS
    return fitted, history, epochs


def real_validation(model: Model) -> dict[str, float]:
    return {"validation/micro_iou": float(np.abs(model.params["new"]["new"]["Conv_0"]["kernel"]).mean())}


def plain(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what the clock decides."""
    return [{name: value for name, value in one.items() if name not in COSTS} for one in history]


def test_outcome_of_a_whole_run(run, uninterrupted, model, identical) -> None:
    fitted, history, epochs = uninterrupted
    assert (fitted.epochs, fitted.chosen_epoch, fitted.steps) == (EPOCHS, EPOCHS, EPOCHS * STEPS)
    assert [(r["epoch"], r["step"]) for r in history] == [(e, e * STEPS) for e in range(1, EPOCHS + 1)]
    assert list(epochs)[-1] == digest(fitted.model)
    assert identical(jax.device_get(fitted.model.params["old"]), model.params["old"])
    assert not identical(jax.device_get(fitted.model.params["new"]), model.params["new"])
    for one in history:
        assert one["images_per_second"] > 0 and one["input_wait"] == 0
    drifts = [np.mean([drift_of((e - 1) * STEPS + i) for i in range(STEPS)]) for e in range(1, EPOCHS + 1)]
    np.testing.assert_allclose([r["train/drift"] for r in history], drifts, rtol=1e-5)  # means of the epoch
    assert 0 < history[0]["seconds"] < history[-1]["seconds"] <= fitted.seconds


@pytest.mark.parametrize(
    "interruptions",
    [
        [{"fails_at": 4}],  # within an epoch
        [{"fails_at": 6}],  # between two
        [{"fails_after": 6}],  # after the last step of an epoch, before its validation
        [{"fails_after": 1}, {"fails_at": 5}, {"fails_at": 11}],
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(run, uninterrupted, tmp_path, interruptions) -> None:
    expected, expected_scalars, epochs = uninterrupted
    history: list[dict[str, Any]] = []
    for interruption in interruptions:
        with pytest.raises(Interrupted):
            run(tmp_path, history, validate=real_validation, checkpoint_seconds=0.0, **interruption)
        saved, identity = interrupted_at(tmp_path)
        assert identity == "this run"
        assert saved == interruption.get("fails_at", interruption.get("fails_after", 0) - 1)
        assert [path.name for path in tmp_path.glob("step_*")] == [f"step_{saved}"]
        assert len(history) == saved // STEPS
    fitted = run(tmp_path, history, validate=real_validation)
    assert digest(fitted.model) == digest(expected.model)
    assert plain(history) == plain(expected_scalars)
    assert (fitted.epochs, fitted.steps) == (expected.epochs, expected.steps)
    seconds = [one["seconds"] for one in history]
    assert seconds == sorted(seconds)  # time before the interruption counts


def test_resumed_joint_fine_tuning_equals_an_uninterrupted_one(run_distilled, model, tmp_path, identical) -> None:
    expected_scalars: list[dict[str, Any]] = []
    expected = run_distilled(tmp_path / "whole", expected_scalars, validate=real_validation, patience=9)
    assert all(one["train/kd_loss"] > 1e-6 for one in expected_scalars)
    for part in ("shared", "old", "new"):
        assert not identical(jax.device_get(expected.model.params[part]), model.params[part])
    history: list[dict[str, Any]] = []
    for step in (2, 4, 8):  # 2: before an epoch is kept
        with pytest.raises(Interrupted):
            run_distilled(
                tmp_path, history, validate=real_validation, checkpoint_seconds=0.0, fails_at=step, patience=9
            )
    fitted = run_distilled(tmp_path, history, validate=real_validation, patience=9)
    assert digest(fitted.model) == digest(expected.model)
    assert plain(history) == plain(expected_scalars)


def test_interrupted_before_the_first_checkpoint(run, uninterrupted, tmp_path) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path / "periodic", [], fails_at=2)
    assert interrupted_at(tmp_path / "periodic") is None
    history: list[dict[str, Any]] = []
    fitted = run(tmp_path / "periodic", history, validate=real_validation)
    assert digest(fitted.model) == digest(uninterrupted[0].model)
    assert plain(history) == plain(uninterrupted[1])


def test_the_first_process_says_whether_there_is_a_checkpoint(run, uninterrupted, tmp_path, monkeypatch) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path, [], checkpoint_seconds=0.0, fails_at=4)
    monkeypatch.setattr(processes, "agreed", lambda value: None)  # it sees none
    history: list[dict[str, Any]] = []
    fitted = run(tmp_path, history, validate=real_validation)
    assert digest(fitted.model) == digest(uninterrupted[0].model)
    assert plain(history) == plain(uninterrupted[1])  # from the first epoch on


def table(uninterrupted, ious: dict[int, float]):
    """Validation scores by epoch; a model of no epoch of the uninterrupted run is an error."""
    epochs = uninterrupted[2]
    return lambda model: {"validation/micro_iou": ious[epochs[digest(model)]]}


@pytest.mark.parametrize("interruptions", [[], [7], [6, 8]])
def test_early_stopping_keeps_the_best_weights_across_interruptions(
    run, uninterrupted, tmp_path, interruptions
) -> None:
    validate = table(uninterrupted, {1: 0.5, 2: 0.4, 3: 0.3, 4: 0.9})
    history: list[dict[str, Any]] = []
    for step in interruptions:
        with pytest.raises(Interrupted):
            run(tmp_path, history, validate=validate, checkpoint_seconds=0.0, fails_at=step, patience=2)
    fitted = run(tmp_path, history, validate=validate, patience=2)
    assert (fitted.epochs, fitted.chosen_epoch, fitted.steps) == (3, 1, 3 * STEPS)
    assert uninterrupted[2][digest(fitted.model)] == 1
    assert [one["validation/micro_iou"] for one in history] == [0.5, 0.4, 0.3]


def test_last_improvement_is_kept_when_the_epochs_are_over(run, uninterrupted, tmp_path) -> None:
    validate = table(uninterrupted, {1: 0.1, 2: 0.2, 3: 0.6, 4: 0.5})
    fitted = run(tmp_path, [], validate=validate, patience=2)
    assert (fitted.epochs, fitted.chosen_epoch) == (EPOCHS, 3)
    assert uninterrupted[2][digest(fitted.model)] == 3


@pytest.mark.parametrize("epoch", [1, 2, EPOCHS])
@pytest.mark.parametrize("where", ["validation", "next step"])
def test_a_signal_saves_every_finished_step(
    run, uninterrupted, tmp_path, monkeypatch: pytest.MonkeyPatch, epoch: int, where: str
) -> None:
    """Also where an epoch's steps are done and its validation is not; and after the last one, before the phase ends."""
    expected, expected_scalars, _ = uninterrupted
    history: list[dict[str, Any]] = []
    validated: list[int] = []
    monkeypatch.setattr(stopping._State, "requested", None)

    def validate(model: Model) -> dict[str, float]:
        validated.append(len(validated) + 1)
        if validated[-1] == epoch:
            stopping._State.requested = signal.SIGTERM
            if where == "validation":
                stopping.here()
        return real_validation(model)

    with pytest.raises(stopping.Stopped, match="^stopped by SIGTERM; ") as caught:
        run(tmp_path, history, validate=validate)
    assert caught.value.number == signal.SIGTERM and not stopping.holding()
    assert interrupted_at(tmp_path) == (epoch * STEPS, "this run")
    assert len(history) == epoch - (where == "validation")
    stopping._State.requested = None
    fitted = run(tmp_path, history, validate=validate)
    assert len(validated) == EPOCHS + (where == "validation")
    assert digest(fitted.model) == digest(expected.model)
    assert plain(history) == plain(expected_scalars)


def test_a_signal_before_the_first_step_is_done_leaves_all_as_it_was(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(stopping._State, "requested", None)

    class Compiling(Runner):
        def step(self, state, batch, key):
            raise stopping.Stopped(signal.SIGTERM)  # as the handler does where nothing is held

    with pytest.raises(stopping.Stopped, match="goes on from what is finished"):
        Compiling(run.training, run.model, run.make_batch)(tmp_path / "periodic", [])
    assert not (tmp_path / "periodic").exists()


def test_early_stopping_that_has_ended_a_phase_is_remembered(run, uninterrupted, tmp_path, monkeypatch) -> None:
    scores = table(uninterrupted, {1: 0.5, 2: 0.4, 3: 0.3, 4: 0.9})
    monkeypatch.setattr(stopping._State, "requested", None)
    count: list[int] = []

    def validate(model: Model) -> dict[str, float]:
        count.append(1)
        if len(count) == 3:
            stopping._State.requested = signal.SIGINT
        return scores(model)

    with pytest.raises(stopping.Stopped):
        run(tmp_path, [], validate=validate, patience=2)
    stopping._State.requested = None
    fitted = run(tmp_path, [], validate=validate, patience=2)
    assert (fitted.epochs, fitted.chosen_epoch, len(count)) == (3, 1, 3)
    assert uninterrupted[2][digest(fitted.model)] == 1


def test_parameters_that_are_no_numbers_are_neither_saved_nor_kept(run, tmp_path) -> None:
    """The loss before the last step is finite: only the parameters tell."""

    class Broken(Runner):
        def step(self, state, batch, key):
            last = int(state.step) == self.at
            state, metrics = super().step(state, batch, key)
            if last:
                new = jax.tree.map(lambda leaf: leaf * jnp.nan, state.params["new"])
                state = state.replace(params={**state.params, "new": new})
            return state, metrics

    broken = Broken(run.training, run.model, run.make_batch)
    broken.at = EPOCHS * STEPS - 1
    with pytest.raises(UserError, match=f"a parameter of step {EPOCHS * STEPS - 1} of the freeze phase is no number"):
        broken(tmp_path / "last", [])
    broken.at = 4
    with pytest.raises(UserError, match="a parameter of step 4 .* keeps step 4; "):
        broken(tmp_path / "saved", [], checkpoint_seconds=0.0)
    assert interrupted_at(tmp_path / "saved") == (4, "this run")


def test_a_diverged_phase_ends_with_what_to_do_about_it(freeze, model, make_batch, tmp_path) -> None:
    class Diverging(Runner):
        def step(self, state, batch, key):
            state, metrics = super().step(state, batch, key)
            return state, {**metrics, "loss": metrics["loss"] / (int(state.step) < STEPS + 2)}

    history: list[dict[str, Any]] = []
    with pytest.raises(
        UserError, match="the loss of step 4 of the freeze phase is no number.*--config.rates.*new --workdir"
    ):
        Diverging(freeze, model, make_batch)(tmp_path / "periodic", history)
    assert [one["epoch"] for one in history] == [1]
