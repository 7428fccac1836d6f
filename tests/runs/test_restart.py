"""A run that starts again: leftovers of an interruption, and processes that see different files."""

import types
from pathlib import Path
from typing import Any

import pytest

from tsmu_jax.errors import UserError
from tsmu_jax.learning import processes
from tsmu_jax.learning.state import Model
from tsmu_jax.runs import estimate, train
from tsmu_jax.runs.directory import PhaseDirectory, RunDirectory
from tsmu_jax.runs.files import write_json
from tsmu_jax.runs.metrics_log import MetricsLog
from tsmu_jax.runs.plan import stages
from tsmu_jax.settings import Config, Selection

INITIAL = stages("tsmu", ["etf"], ["nad"])[0]


def test_a_finished_phase_loses_the_periodic_checkpoints_that_an_interruption_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PhaseDirectory, "model", lambda directory: Model({}, {}))
    experiment: Any = types.SimpleNamespace(tests_key=lambda stage: "t")
    run = RunDirectory(tmp_path)
    phase = run.phase(INITIAL.directory)
    record = {"key": "k", "tests_key": "t", "steps": 3, "tests": {}, "result": {}}
    write_json(phase.path / "phase.json", record)
    write_json(phase.periodic / "latest.json", {"checkpoint": "step_3", "identity": "k"})
    with MetricsLog(tmp_path) as log:
        assert train._take_over(run, experiment, INITIAL, run, log, 0, processes.console())[1] == record
    assert [path.name for path in phase.path.iterdir()] == ["phase.json"]


@pytest.mark.parametrize("first_sees", [False, True])
def test_the_first_process_says_whether_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_sees: bool
) -> None:
    """All processes time the steps of a new run together, or none does, whatever each sees of the run directory."""
    timed = []
    parts = dict.fromkeys(("train", "validation", "test"), {"etf": (), "nad": ()})
    experiment: Any = types.SimpleNamespace(
        config=Config(),
        data=types.SimpleNamespace(
            split=types.SimpleNamespace(**parts),
            source=types.SimpleNamespace(skipped=(), infos=()),
            ecoregions=("etf", "nad"),
        ),
        start=None,
        old_ecoregions=("etf",),
        new_ecoregions=("nad",),
    )
    run = RunDirectory(tmp_path)
    if not first_sees:  # this process sees the opposite
        run.phase(INITIAL.directory).periodic.mkdir(parents=True)
    monkeypatch.setattr(estimate, "describe", lambda experiment, waiting: timed.append(waiting) or "about 1 min")
    monkeypatch.setattr(processes, "agreed", lambda value: first_sees)
    train._announce(experiment, run, [INITIAL], processes.console())
    assert bool(timed) is not first_sees


def test_processes_compare_all_that_decides_their_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []
    monkeypatch.setattr(processes, "unanimous", compared.append)  # and disagree
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.0)
    for seed, epochs in ((0, 0), (1, 0), (0, 1)):
        experiment: Any = types.SimpleNamespace(
            config=Config(selection=Selection(epochs=epochs)),
            stages=(INITIAL,),
            stage_key=lambda stage, seed=seed: f"{seed}",
        )
        with pytest.raises(UserError, match="were given different configurations"):
            train._found(experiment, RunDirectory(tmp_path))
    assert all(compared.count(value) == 1 for value in compared) and len(compared) == 3
