"""Maps a list of scenes on a SLURM cluster: each job is a worker with a GPU of its own (dask-jobqueue).

    python -m launch.many_scenes_slurm --jobs=20 --partition=gpu --account=landslides --cpus=8 --memory_gb=32 --hours=4
        -- --model=/shared/runs/next --scenes=/shared/scenes/list.csv --output=/shared/maps

What stands after -- is for tsmu_jax.predict. Run it where you submit jobs, and keep it running: it is the scheduler,
and writes the inventory. Repository, environment, model, list, images and output must lie where the nodes see them.
Scenes begin as soon as one job runs; jobs that SLURM ends are submitted anew. Needs pip install 'tsmu_jax[cluster]'.
"""

import importlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags

from tsmu_jax import cli
from tsmu_jax.errors import UserError

_JOBS = flags.DEFINE_integer("jobs", 4, "Jobs, each with one worker.", lower_bound=1)
_GPUS = flags.DEFINE_integer("gpus", 1, "GPUs of each job; 0 maps on CPUs.", lower_bound=0)
_CPUS = flags.DEFINE_integer("cpus", 8, "CPU cores of each job.", lower_bound=1)
_MEMORY = flags.DEFINE_float("memory_gb", 32.0, "Memory of each job.", lower_bound=1)
_HOURS = flags.DEFINE_float("hours", 4.0, "Time limit of each job.", lower_bound=0.1)
_PARTITION = flags.DEFINE_string("partition", None, "Partition.")
_ACCOUNT = flags.DEFINE_string("account", None, "Account.")
_INTERFACE = flags.DEFINE_string("interface", None, "Network interface that nodes and this machine share, as ib0.")

_MARGIN_MINUTES = 3  # before the time limit a worker ends by itself, and its scene goes to another one


def main(predict: Sequence[str]) -> None:
    """Submits the workers, and maps. Args: predict: flags of tsmu_jax.predict."""
    if not any(word.startswith("--scenes") for word in predict):
        raise UserError("nothing to map: put the flags of tsmu_jax.predict, --scenes=LIST among them, after --")
    try:
        jobqueue: Any = importlib.import_module("dask_jobqueue")
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed: pip install 'tsmu_jax[cluster]'") from error
    with jobqueue.SLURMCluster(**resources()) as cluster:
        cluster.adapt(minimum_jobs=0, maximum_jobs=_JOBS.value)  # as many as there are scenes; lost ones anew
        command = [sys.executable, "-m", "tsmu_jax.predict", *predict, f"--scheduler={cluster.scheduler_address}"]
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the command, too, which says so
        try:
            code = subprocess.call(command)
        finally:
            signal.signal(signal.SIGINT, before)
    sys.exit(code)


def resources() -> dict[str, Any]:
    """Arguments of `SLURMCluster`, by the flags."""
    minutes = round(60 * _HOURS.value)
    # A job's worker ends before SLURM ends it; --nthreads=1 since a worker maps one scene at a time.
    lifetime = ["--lifetime", f"{max(minutes - _MARGIN_MINUTES, 1)}m", "--lifetime-stagger", "1m"]
    return {
        "cores": 1,
        "processes": 1,
        "job_cpu": _CPUS.value,
        "memory": f"{_MEMORY.value:g}GB",
        "worker_extra_args": [*lifetime, "--memory-limit", "0"],  # arrays of XLA are not dask's to count
        "walltime": f"{minutes // 60:02d}:{minutes % 60:02d}:00",
        "queue": _PARTITION.value,
        "account": _ACCOUNT.value,
        "interface": _INTERFACE.value,
        "job_extra_directives": [f"--gpus={_GPUS.value}"] if _GPUS.value else [],
    }


if __name__ == "__main__":
    split = [*sys.argv, "--"].index("--")
    sys.argv, predict = sys.argv[:split], sys.argv[split + 1 :]
    cli.run(lambda argv: main(predict), __doc__ or "")
