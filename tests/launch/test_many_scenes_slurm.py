"""The SLURM example asks dask-jobqueue for the right jobs, and gives `predict` the scheduler's file.

dask-jobqueue itself writes the script of a job; a stand-in for it, which starts none, hands over to `predict`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

JOB = """
from absl import flags
from dask_jobqueue import SLURMCluster
from launch import many_scenes_slurm
import sys
flags.FLAGS(sys.argv)
place = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
with SLURMCluster(**many_scenes_slurm.resources(), scheduler_options=place) as cluster:
    print(cluster.job_script())
"""
STAND_IN = """
import json
class SLURMCluster:
    scheduler_address = "tcp://127.0.0.1:1"
    def __init__(self, **asked):
        print(json.dumps(asked))
    def adapt(self, **limits):
        print(json.dumps(limits), flush=True)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
"""


def launch(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "launch.many_scenes_slurm", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths})


def test_jobs_and_the_command(tmp_path: Path) -> None:
    (tmp_path / "dask_jobqueue.py").write_text(STAND_IN)
    flags = ["--jobs=20", "--hours=1.5", "--partition=gpu", "--cpus=8", "--memory_gb=32"]
    done = launch(tmp_path, *flags, "--", f"--scenes={tmp_path}/no.csv", "--model=m", f"--output={tmp_path}/out")
    asked, limits = map(json.loads, done.stdout.splitlines())
    assert asked["walltime"] == "01:30:00" and asked["worker_extra_args"][:2] == ["--lifetime", "87m"]
    assert asked["job_extra_directives"] == ["--gpus=1"] and asked["queue"] == "gpu" and asked["cores"] == 1
    assert limits == {"minimum_jobs": 0, "maximum_jobs": 20}
    assert done.returncode == 2 and done.stderr.startswith(f"error: --scenes={tmp_path}/no.csv: no such file")


@pytest.mark.parametrize("gpus", [0, 2])
def test_the_script_of_a_job(gpus: int) -> None:
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not installed: pip install 'tsmu_jax[cluster]'")
    words = ["--hours=1.5", "--partition=gpu", "--account=hill", "--cpus=6", "--memory_gb=64", f"--gpus={gpus}"]
    command = [sys.executable, "-W", "error", "-c", JOB, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    asked = [line.removeprefix("#SBATCH ") for line in done.stdout.splitlines() if line.startswith("#SBATCH")]
    gpu = [f"--gpus={gpus}"] if gpus else []
    assert sorted(asked) == sorted(
        ["-J dask-worker", "-p gpu", "-A hill", "-n 1", "--cpus-per-task=6", "--mem=60G", "-t 01:30:00", *gpu]
    )  # 64 GB are 60 GiB
    *_, worker = done.stdout.strip().splitlines()
    assert worker.startswith(f"{sys.executable} -m distributed.cli.dask_worker tcp://127.0.0.1:")
    assert " --nthreads 1 " in worker and worker.endswith("--lifetime 87m --lifetime-stagger 1m --memory-limit 0")


def test_what_is_missing(tmp_path: Path) -> None:
    done = launch(tmp_path, "--jobs=2")
    assert done.returncode == 2 and "put the flags of tsmu_jax.predict, --scenes=LIST among them" in done.stderr
    (tmp_path / "dask_jobqueue.py").write_text("raise ModuleNotFoundError(name='dask_jobqueue')")
    done = launch(tmp_path, "--", "--scenes=list.csv")
    assert done.returncode == 2 and "dask_jobqueue is not installed: pip install" in done.stderr
