"""Runs the points of a sweep on this machine, each in a process of its own."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import submitit

from launch.jobs import JOBS, Outcome, outcome
from launch.order import next_point
from launch.points import Point
from launch.progress import SweepProgress
from launch.run import Run

_LOOK_SECONDS = 0.5
_YEARS_MIN = 10 * 365 * 24 * 60  # submitit ends jobs after some minutes unless told otherwise


def run_locally(
    points: Sequence[Point],
    directory: Path,
    *,
    command: str,
    max_parallel: int,
    gpus: int,
    progress: SweepProgress,
) -> Iterator[Outcome]:
    """Runs what is not finished of a sweep, and yields each point's outcome as it ends.

    The jobs end with this process, however it ends.

    Args:
      directory: of the sweep.
      command: that started the sweep; the runs' `config.json` keep it.
      max_parallel: points at a time.
      gpus: of each point, different ones for points at the same time; 0: every point sees all of the machine's.
    """
    keys = [point.keys for point in points]
    trained = {key for point in points for key in point.trained(directory)}
    waiting = [index for index, point in enumerate(points) if not point.finished(directory)]
    running: dict[int, tuple[int, Any]] = {}  # by point: its slot, and submitit's job
    while waiting or running:
        while len(running) < max_parallel:
            index = next_point(keys, waiting, list(running), trained)
            if index is None:
                break
            slot = min(set(range(max_parallel)) - {taken for taken, _ in running.values()})
            job = _submit(points[index], directory, Run(command, os.getpid(), visible_gpus(slot, gpus)))
            running[index] = slot, job
            waiting.remove(index)
            progress.started(points[index])
        time.sleep(_LOOK_SECONDS)
        for index, (_, job) in list(running.items()):
            progress.running(points[index], job.paths.stderr)
            ended = job.done()
            trained |= points[index].trained(directory)
            if ended:
                del running[index]
                yield outcome(index, job)


def visible_gpus(slot: int, gpus: int) -> str | None:
    """CUDA_VISIBLE_DEVICES of the points that run in a slot; None leaves them all that this process sees."""
    granted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not gpus:
        return granted
    mine = range(slot * gpus, (slot + 1) * gpus)
    if granted is None:
        return ",".join(map(str, mine))
    devices = granted.split(",")
    return ",".join(devices[index] for index in mine if index < len(devices))


def _submit(point: Point, directory: Path, run: Run) -> Any:
    # A folder of its own: process ids, which name the files, come again.
    folder = directory / JOBS / f"{point.name}" / f"{time.time_ns()}"
    executor = submitit.LocalExecutor(folder)
    executor.update_parameters(timeout_min=_YEARS_MIN)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C ends this process, which ends the jobs
    try:
        return executor.submit(run, point.config, (directory / point.name).absolute())
    finally:
        signal.signal(signal.SIGINT, before)
