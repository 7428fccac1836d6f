"""Runs the points of a sweep on a SLURM cluster: one job array for each wave, each wave after the one before it."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from launch.jobs import JOBS, Outcome, outcome
from launch.order import waves
from launch.points import Point
from launch.progress import SweepProgress
from launch.run import Run
from tsmu_jax import untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.runs.files import write_json

_LOOK_SECONDS = 2.0
_QUEUE = "slurm.json"  # job by point


@dataclasses.dataclass(frozen=True)
class Resources:
    """The resources that each point asks for; None leaves them to the cluster."""

    hours: float
    gpus: int
    cpus: int
    memory_gb: float | None = None
    partition: str | None = None
    account: str | None = None


def require_slurm() -> None:
    """Raises UserError where this is no machine to submit from."""
    if submitit.SlurmExecutor.affinity() < 0:
        raise UserError("--executor=slurm: found no srun; run this on a machine that submits to SLURM")


def run_on_slurm(
    points: Sequence[Point],
    directory: Path,
    *,
    command: str,
    max_parallel: int,
    resources: Resources,
    progress: SweepProgress,
) -> Iterator[Outcome]:
    """Submits what is neither finished nor queued, waits, and yields each point's outcome as it ends.

    Jobs outlive this process: called again, it waits for those that are still queued or running.

    Raises:
      UserError: the cluster refuses the jobs.
    """
    folder = (directory / JOBS / "%j").absolute()
    unfinished = [index for index, point in enumerate(points) if not point.finished(directory)]
    jobs = _queued(points, unfinished, directory, folder)
    fresh = [index for index in unfinished if index not in jobs]
    trained = {key for point in points for key in point.trained(directory)}
    before = sorted({_array(job) for job in jobs.values()})
    for wave in waves([points[index].keys for index in fresh], trained):
        chosen = [points[fresh[position]] for position in wave]
        submitted = _submit(chosen, directory, folder, before, Run(command), max_parallel, resources)
        jobs |= {fresh[position]: job for position, job in zip(wave, submitted, strict=True)}
        write_json(directory / JOBS / _QUEUE, {points[index].name: job.job_id for index, job in jobs.items()})
        for point in chosen:
            progress.started(point, "queued")
        before = [_array(submitted[0])]
    while jobs:
        time.sleep(_LOOK_SECONDS)
        for index, job in list(jobs.items()):
            progress.running(points[index], job.paths.stderr)
            if job.done():
                del jobs[index]
                yield outcome(index, job)


def _queued(points: Sequence[Point], unfinished: Sequence[int], directory: Path, folder: Path) -> dict[int, Any]:
    """The jobs of an earlier call that have not ended, by point."""
    path = directory / JOBS / _QUEUE
    ids = untrusted.read_or_refuse(path, "remove it, and the jobs are queued anew") if path.exists() else {}
    jobs: dict[int, Any] = {
        index: submitit.SlurmJob(folder, ids[points[index].name]) for index in unfinished if points[index].name in ids
    }
    return {index: job for index, job in jobs.items() if not job.done(force_check=True)}


def _submit(
    wave: Sequence[Point],
    directory: Path,
    folder: Path,
    before: Sequence[str],
    run: Run,
    max_parallel: int,
    resources: Resources,
) -> list[Any]:
    executor = submitit.SlurmExecutor(folder)
    wanted = {
        "job_name": "tsmu",
        "time": round(60 * resources.hours),
        "gpus_per_node": resources.gpus or None,
        "cpus_per_task": resources.cpus,
        "mem": resources.memory_gb and f"{round(1024 * resources.memory_gb)}M",
        "partition": resources.partition,
        "account": resources.account,
        "array_parallelism": max_parallel,
        "additional_parameters": {"requeue": True},  # after preemption, and where a node fails
        # After any end: if the first point of a prefix fails, the others train the prefix themselves.
        "dependency": f"afterany:{':'.join(before)}" if before else None,
    }
    executor.update_parameters(**{key: value for key, value in wanted.items() if value is not None})
    workdirs = [(directory / point.name).absolute() for point in wave]
    try:
        return list(executor.map_array(run, [point.config for point in wave], workdirs))
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        said = [line for line in str(error).splitlines() if line.strip()]
        raise UserError(f"--executor=slurm: sbatch refused the jobs: {said[-1] if said else error}") from error


def _array(job: Any) -> str:
    return str(job.job_id).split("_")[0]
