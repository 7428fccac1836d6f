"""One sweep from its checked points to its table."""

import sys
from pathlib import Path
from typing import Any

import jax
from ml_collections import config_dict
from rich.console import Console
from rich.text import Text

from launch import points as sweep_points
from launch import summary
from launch.jobs import Outcome
from launch.local import run_locally
from launch.progress import SweepProgress
from launch.slurm import Resources, require_slurm, run_on_slurm
from tsmu_jax.errors import UserError


def execute(
    config: config_dict.ConfigDict,
    file: str,
    directory: Path,
    *,
    command: str,
    executor: str,
    max_parallel: int | None,
    resources: Resources,
) -> list[str]:
    """Runs what is not finished of a sweep.

    Args:
      config: what the sweep file's `get_config` returned, with the command line's changes.
      file: the sweep file.
      directory: of the sweep.
      command: that started it; `sweep.json` and the runs' `config.json` keep it.
      executor: "local" or "slurm".
      max_parallel: points at a time; by default 1 here, 256 on SLURM.

    Returns:
      The names of the points that failed.

    Raises:
      UserError: before any point runs, for whatever is wrong with any of them.
    """
    if executor == "slurm":
        require_slurm()
    console = Console(file=sys.stderr, soft_wrap=True)
    jax.config.update("jax_platforms", "cpu")  # of this process, which trains nothing: the points want the GPUs
    points = sweep_points.check(config.to_dict(), sweep_points.read(file, config), directory)
    progress = SweepProgress(
        points,
        finished={point.name for point in points if point.finished(directory)},
        trained={key for point in points for key in point.trained(directory)},
        console=console,
    )
    failed: dict[int, Outcome] = {}
    try:
        summary.write(points, failed, directory, command=command)
    except OSError as error:
        raise UserError(f"--workdir={directory}: cannot be written ({error.strerror}); name another one") from error
    progress.overview()
    options: dict[str, Any] = {"command": command, "progress": progress}
    if executor == "slurm":
        ended = run_on_slurm(points, directory, max_parallel=max_parallel or 256, resources=resources, **options)
    else:
        ended = run_locally(points, directory, max_parallel=max_parallel or 1, gpus=resources.gpus, **options)
    for outcome in ended:
        progress.ended(points[outcome.index], outcome)
        if outcome.error:
            failed[outcome.index] = outcome
        summary.write(points, failed, directory, command=command)
    wide = Console(file=sys.stderr, soft_wrap=True, width=max(console.width, summary.WIDTH))
    wide.print(summary.table(points, failed, directory))
    for index, outcome in sorted(failed.items()):
        console.print(Text(f"failed: {points[index].name}: {outcome.error} (log: {outcome.log})"))
    console.print(Text(f"{directory}: {len(points) - len(failed)} of {len(points)} points finished"))
    return [points[index].name for index in failed]
