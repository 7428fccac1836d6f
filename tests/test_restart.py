"""What a command makes of what earlier ones, or its other processes, have left."""

from pathlib import Path

from tsmu_jax import train
from tsmu_jax.learning import processes
from tsmu_jax.methods import stages
from tsmu_jax.reporting.metrics_log import MetricsLog
from tsmu_jax.rundir import RunDirectory, write_json

INITIAL = stages("tsmu", ["etf"], ["nad"])[0]


def test_a_finished_phase_loses_the_periodic_checkpoints_that_an_interruption_left(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    phase = run.phase(INITIAL.directory)
    write_json(phase.path / "phase.json", {"key": "k"})
    write_json(phase.periodic / "latest.json", {"checkpoint": "step_3", "identity": "k"})
    with MetricsLog(tmp_path) as log:
        assert train._take_over(run, INITIAL, run, log, 0, processes.console()) == {"key": "k"}
    assert [path.name for path in phase.path.iterdir()] == ["phase.json"]
