"""A point's job that must make room: it saves first, then asks to be queued again."""

import signal
from pathlib import Path
from typing import Any

import pytest

import tsmu_jax.train
from launch.run import Run
from tsmu_jax import compilation, machine, stopping
from tsmu_jax.errors import UserError


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a point whose training ends with an error; returns what it asked of the queue, and the exit code."""
    for module, name in ((compilation, "keep_compiled"), (compilation, "return_memory"), (machine, "find_devices")):
        monkeypatch.setattr(module, name, lambda: None)
    installed: list[int] = []
    monkeypatch.setattr(stopping, "install", lambda *numbers: installed.extend(numbers))
    monkeypatch.setattr(stopping, "say", lambda words: None)

    def run(error: BaseException) -> tuple[list[Any], Any]:
        def train(*_: Any, **__: Any) -> None:
            raise error

        asked: list[Any] = []
        monkeypatch.setattr(tsmu_jax.train, "train_and_evaluate", train)
        before = signal.signal(signal.SIGUSR2, lambda number, frame: asked.append(number))  # as submitit does
        try:
            with pytest.raises(SystemExit) as caught:
                Run("sweep")({}, Path("run"))
        finally:
            signal.signal(signal.SIGUSR2, before)
        assert set(installed) == {signal.SIGTERM, signal.SIGUSR2}
        return asked, caught.value.code

    return run


def test_preemption_asks_to_be_queued_again_after_saving(ended: Any) -> None:
    assert ended(stopping.Stopped(signal.SIGUSR2)) == ([signal.SIGUSR2], 128 + signal.SIGUSR2)


def test_a_cancelled_job_ends_and_does_not_come_back(ended: Any) -> None:
    assert ended(stopping.Stopped(signal.SIGTERM)) == ([], 143)


def test_what_the_machine_lacks_is_said_in_one_line(ended: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(28, "No space left on device", "/runs/a")
    with pytest.raises(UserError, match="^/runs/a: there is no room left"):
        monkeypatch.setattr(tsmu_jax.train, "train_and_evaluate", lambda *_, **__: (_ for _ in ()).throw(full))
        Run("sweep")({}, Path("run"))
