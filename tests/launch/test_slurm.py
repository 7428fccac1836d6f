"""What is handed to SLURM: job arrays, one after the other. Stand-ins for its commands take a cluster's place."""

import io
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from rich.console import Console

from launch.jobs import JOBS
from launch.points import Phase, Point
from launch.progress import SweepProgress
from launch.slurm import Resources, require_slurm, run_on_slurm
from tsmu_jax.errors import UserError

README = Path(__file__).parents[2] / "launch" / "README.md"

# Numbers the jobs and keeps their scripts; all of them stay pending.
SBATCH = """#!/bin/sh
cd "{folder}"
n=$(ls script_* 2>/dev/null | wc -l)
cp "$1" script_$n
echo "Submitted batch job $((100 + n))"
"""
SACCT = """#!/bin/sh
echo 'JobID|State|NodeList'
for n in 100 101; do
  for t in 0 1; do echo "${n}_$t|PENDING|"; done
done
"""
REFUSING = """#!/bin/sh
echo 'sbatch: error: invalid partition specified: gpux' >&2
exit 1
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {"sbatch": SBATCH.replace("{folder}", str(folder)), "sacct": SACCT, "srun": "#!/bin/sh\n"}
    for name, script in scripts.items():
        (folder / name).write_text(script)
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def point(name: str, *keys: str) -> Point:
    return Point(name, {}, {}, tuple(Phase(f"{number:02d}_{key}", key, 1) for number, key in enumerate(keys, 1)))


POINTS = [point("a", "i"), point("b", "i", "f"), point("c", "i", "f", "j"), point("d", "s")]


def submit(directory: Path, points: list[Point]) -> None:
    """Submits all, and looks for outcomes once: there are none."""
    outcomes: Iterator[object] = run_on_slurm(
        points,
        directory,
        command="python -m launch.sweep",
        max_parallel=16,
        resources=Resources(hours=2.5, gpus=1, cpus=6, memory_gb=32.0, partition="gpu", account="landslides"),
        progress=SweepProgress(points, finished=set(), trained=set(), console=Console(file=io.StringIO())),
    )
    with pytest.MonkeyPatch.context() as patch:

        def interrupted(seconds: float) -> None:
            raise KeyboardInterrupt

        patch.setattr("launch.slurm.time.sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(islice(outcomes, 1))


def options(script: Path) -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", script.read_text(), re.MULTILINE))


def test_waves_are_job_arrays_that_wait_for_one_another(cluster: Path, tmp_path: Path) -> None:
    submit(tmp_path / "runs", POINTS)
    first, second = (options(cluster / f"script_{number}") for number in range(2))
    assert first["array"] == "0-1%2" and "dependency" not in first  # b or c, and d
    assert second["array"] == "0-1%2" and second["dependency"] == "afterany:100"
    for asked in (first, second):
        assert (asked["time"], asked["gpus-per-node"], asked["cpus-per-task"]) == ("150", "1", "6")
        assert (asked["mem"], asked["partition"], asked["account"]) == ("32768M", "gpu", "landslides")
    for number in range(2):  # preempted, they come back
        assert "\n#SBATCH --requeue\n" in (cluster / f"script_{number}").read_text()
    queue = json.loads((tmp_path / "runs" / JOBS / "slurm.json").read_text())
    assert queue.keys() == {"a", "b", "c", "d"} and set(queue.values()) == {"100_0", "100_1", "101_0", "101_1"}


def test_queued_points_are_not_submitted_again(cluster: Path, tmp_path: Path) -> None:
    submit(tmp_path / "runs", POINTS)
    submit(tmp_path / "runs", [*POINTS, point("e", "s", "t")])
    assert sorted(path.name for path in cluster.glob("script_*")) == ["script_0", "script_1", "script_2"]
    third = options(cluster / "script_2")
    assert "array" not in third and third["dependency"] == "afterany:100:101"


def test_what_the_cluster_refuses(cluster: Path, tmp_path: Path) -> None:
    (cluster / "sbatch").write_text(REFUSING)
    with pytest.raises(UserError, match="sbatch refused the jobs: .*invalid partition specified: gpux"):
        submit(tmp_path / "runs", POINTS)


@pytest.mark.parametrize(("ended", "again"), [("143", True), ("0", False), ("2", False), ("137", False)])
def test_the_documented_script_is_queued_again_after_the_signal_alone(
    cluster: Path, tmp_path: Path, ended: str, again: bool
) -> None:
    """What the training ends with after the signal, tests/test_stopping.py shows."""
    script = next(part for part in README.read_text().split("```")[1::2] if part.startswith("\n#!/bin/bash"))
    assert "\n#SBATCH --requeue " in script and "\n#SBATCH --signal=TERM@" in script
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()
    for name, body in (("srun", f"exit {ended}"), ("scontrol", f'echo "$@" >> {tmp_path}/asked')):
        (cluster / name).write_text(f"#!/bin/sh\n{body}\n")
        (cluster / name).chmod(stat.S_IRWXU)
    (tmp_path / "train.sbatch").write_text(script.lstrip())
    environment = {**os.environ, "SLURM_JOB_ID": "17"}
    found = subprocess.run(["bash", "train.sbatch"], cwd=tmp_path, env=environment, check=False)
    assert found.returncode == int(ended)
    asked = tmp_path / "asked"
    assert (asked.read_text() if asked.exists() else "") == ("requeue 17\n" if again else "")


def test_machines_without_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="--executor=slurm: found no srun; run this on a machine that submits to SLURM"):
        require_slurm()
