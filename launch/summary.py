"""The outcome of a sweep: a table on the terminal and `sweep.json` beside the points' run directories."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from launch.jobs import Outcome
from launch.points import SWEEP, Point
from tsmu_jax.reporting.progress import duration
from tsmu_jax.reporting.results import GROUPS, number, phases
from tsmu_jax.rundir import RunDirectory, write_json


def write(points: Sequence[Point], failed: Mapping[int, Outcome], directory: Path, *, command: str) -> None:
    """Writes what the points are and how each one stands: "finished", "failed" or "waiting"."""
    records = [
        {"name": point.name, "overrides": point.overrides, "state": _state(point, failed.get(index), directory)}
        | ({"error": failed[index].error, "log": str(failed[index].log)} if index in failed else {})
        for index, point in enumerate(points)
    ]
    write_json(directory / SWEEP, {"schema": 1, "command": command, "points": records})


def table(points: Sequence[Point], failed: Mapping[int, Outcome], directory: Path) -> Table:
    """A row a point: mean IoU of old, new and all test images after its last phase, and what training it took."""
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    shown.add_column("point", overflow="fold")
    for title in ("state", *GROUPS, "training"):
        shown.add_column(title, justify="right", no_wrap=True)
    for index, point in enumerate(points):
        state = _state(point, failed.get(index), directory)
        cells = _scores(RunDirectory(directory / point.name)) if state == "finished" else []
        shown.add_row(Text(point.name), state, *cells)
    return shown


def _state(point: Point, outcome: Outcome | None, directory: Path) -> str:
    if outcome is not None:
        return "failed"
    return "finished" if point.finished(directory) else "waiting"


def _scores(run: RunDirectory) -> list[str]:
    run_phases: Sequence[Mapping[str, Any]] = phases(json.loads(run.results_path.read_text()))
    values = [number(run_phases[-1], "iou", group) for group in GROUPS]
    # Shared phases count in each point that has them: what the point would have taken alone.
    seconds = math.fsum(number(phase, "seconds") for phase in run_phases)
    return [*(f"{value:.3f}" if math.isfinite(value) else "–" for value in values), duration(seconds)]
