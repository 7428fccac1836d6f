"""A sweep from end to end, each point in a process of its own as a user would run it."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.launch.conftest import ROOT, command, environment, run
from tsmu_jax import configuration, locks
from tsmu_jax.errors import UserError
from tsmu_jax.runs.directory import RunDirectory

POINTS = ("method=leave_one_out", "method=feature_extraction", "method=tsmu")


def states(directory: Path) -> dict[str, str]:
    return {point["name"]: point["state"] for point in json.loads((directory / "sweep.json").read_text())["points"]}


def trained(log: str) -> list[str]:
    """The phases that a run's log says were trained, not copied."""
    return [name for name in ("initial", "freeze", "joint_fine_tuning") if f"\n{name}  " in f"\n{log}"]


def test_shares_skips_continues_and_lists_what_failed(sweep_file: Path, tmp_path: Path) -> None:
    directory = tmp_path / "runs"
    words = ("launch.sweep", f"--config={sweep_file}", f"--workdir={directory}")
    # Somebody else's process, this one, holds one point's directory.
    (directory / POINTS[2]).mkdir(parents=True)
    held = locks.lock(directory / POINTS[2], "--workdir")
    first = run(*words)
    held.release()
    assert (first.returncode, first.stdout) == (1, ""), first.stderr
    assert "3 points, 0 of them finished; 3 phases to train (6 if none were shared or finished)" in first.stderr
    assert states(directory) == dict(zip(POINTS, ("finished", "finished", "failed"), strict=True))
    said = [line for line in first.stderr.splitlines() if line.startswith(f"failed: {POINTS[2]}: ")]
    assert len(said) == 1 and "another process runs in it" in said[0]

    # The two that ran have trained two phases in all.
    logs = [next((directory / ".jobs" / name).rglob("*_log.err")).read_text() for name in POINTS[:2]]
    assert sorted(trained(logs[0]) + trained(logs[1])) == ["freeze", "initial"]
    assert "the same phase is finished in" in logs[0] + logs[1]
    initial = [json.loads((directory / name / "results.json").read_text())["phases"][0] for name in POINTS[:2]]
    assert initial[0] == initial[1]
    stored = json.loads((directory / POINTS[0] / "config.json").read_text())
    assert stored["command"] == " ".join(["python", "-m", *words]) and "sweep" not in stored["config"]

    times = {path: path.stat().st_mtime_ns for path in directory.glob("method=[lf]*/**/*.json")}
    second = run(*words)
    assert second.returncode == 0, second.stderr
    assert "3 points, 2 of them finished; 1 phase to train" in second.stderr
    assert set(states(directory).values()) == {"finished"}
    assert times == {path: path.stat().st_mtime_ns for path in directory.glob("method=[lf]*/**/*.json")}
    log = max((directory / ".jobs" / POINTS[2]).rglob("*_log.err"), key=lambda path: path.stat().st_mtime)
    assert trained(log.read_text()) == ["joint_fine_tuning"]
    rows = [row for row in map(str.split, second.stderr.splitlines()) if row[1:2] == ["finished"]]
    assert [row[0] for row in rows] == list(POINTS)
    assert rows[0][2] == rows[1][2]  # a freeze phase leaves the old ecoregions' IoU as it was

    other = run(*words, "--config.epochs.freeze=3")
    assert other.returncode == 2
    assert other.stderr.startswith(f"error: point 1 ({POINTS[0]}): --workdir={directory / POINTS[0]}: holds a run with")
    assert "epochs.freeze (was 1, is 3)" in other.stderr and len(other.stderr.splitlines()) == 1


def test_a_killed_sweep_takes_its_points_along(sweep_file: Path, tmp_path: Path) -> None:
    directory = tmp_path / "runs"
    words = ("launch.sweep", f"--config={sweep_file}", f"--workdir={directory}", "--config.epochs.initial=5000")
    launcher = subprocess.Popen(command(*words), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 600
        while not list(directory.glob("*/metrics.jsonl")):
            assert launcher.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
        (workdir,) = (path.parent for path in directory.glob("*/metrics.jsonl"))
        stored = json.loads((workdir / "config.json").read_text())
        config = configuration.read(stored["config"])
        with pytest.raises(UserError, match="another process runs in it"):
            RunDirectory.claim(workdir, config, images=stored["images"], command="")
    finally:
        launcher.kill()  # and nobody asks yet how it ended
    deadline = time.monotonic() + 30
    while True:
        try:
            RunDirectory.claim(workdir, config, images=stored["images"], command="")
            break
        except UserError:
            assert time.monotonic() < deadline, "the point goes on without its launcher"
            time.sleep(0.1)
    launcher.wait()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--config is missing; for a first look: --config=configs/sweeps/paper.py:demo"),
        (["--config=configs/sweeps/paper.py:demo"], "--workdir is missing; for a first look: "),
        (["--config=configs/sweeps/paper.py:dem", "--workdir=X"], "unknown variant 'dem' of configs/tsmu.py; known: "),
        (["--config=configs/sweeps/peper.py", "--workdir=X"], "no such configuration file"),
        (["--config=configs/tsmu.py:demo", "--workdir=X"], "no function points(config), so it is no sweep; see "),
        (
            ["--config=configs/sweeps/paper.py:demo", "--workdir=X", "--config.sweep.sedes=3"],
            "unknown configuration key --config.sweep.sedes; did you mean --config.sweep.seeds?",
        ),
        (
            ["--config=configs/sweeps/paper.py:demo", "--workdir=X", "--config.sweep.methods=tsmu,retrainin"],
            "point 2 (method=retrainin,new=etf,seed=0): --config.method=retrainin: did you mean retraining? known: ",
        ),
        (
            ["--config=configs/sweeps/paper.py:demo", "--workdir=/proc/X", "--config.sweep.methods=leave_one_out"],
            "--workdir=/proc/X: cannot be written (",
        ),
        (["--config=configs/sweeps/paper.py:demo", "--workdir=X", "--executor=cloud"], "flag --executor=cloud"),
        (["--config=configs/sweeps/paper.py:demo", "--workdir=X", "--max_parallel=0"], "flag --max_parallel=0"),
    ],
)
def test_wrong_flags_end_in_one_line(words: list[str], message: str, tmp_path: Path) -> None:
    ended = run("launch.sweep", *(word.replace("=X", f"={tmp_path / 'runs'}") for word in words))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1 and ended.stderr.startswith("error: ")
    assert message in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_help() -> None:
    ended = run("launch.sweep", "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    for flag in ("--config", "--workdir", "--executor", "--max_parallel", "--partition", "--account", "--hours"):
        assert flag in ended.stdout
