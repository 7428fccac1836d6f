"""The outcome of a sweep: a table on the terminal and `sweep.json` beside the points' run directories."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from launch.jobs import Outcome
from launch.points import SWEEP, Point, directory_name
from tsmu_jax import untrusted
from tsmu_jax.reporting.results import GROUPS, number, phases
from tsmu_jax.runs.directory import RunDirectory
from tsmu_jax.runs.files import write_json
from tsmu_jax.runs.progress import duration

# What an update changed, as `results.json` has it under "verdict", and the titles of its columns.
CHANGES = {"old": "Δ old", "new": "Δ new", "new_decoder": "Δ decoder"}
WIDTH = 150  # characters, even where the terminal is narrow: Rich would drop the points' names first


def write(points: Sequence[Point], failed: Mapping[int, Outcome], directory: Path, *, command: str) -> None:
    """Writes what the points are and how each one stands: "finished", "failed" or "waiting"."""
    entries = [
        {"name": point.name, "overrides": point.overrides, "state": _state(point, failed.get(index), directory)}
        | ({"error": failed[index].error, "log": str(failed[index].log)} if index in failed else {})
        for index, point in enumerate(points)
    ]
    write_json(directory / SWEEP, {"schema": 1, "command": command, "points": entries})


def table(points: Sequence[Point], failed: Mapping[int, Outcome], directory: Path) -> Table:
    """A row a point: mean IoU of old, new and all test images after its last phase, and what training it took.

    "val." is the mean over all ecoregions of the micro IoU of their validation images: settings are chosen by this
    column. Beside it stands what the point's update changed: the old and the new ecoregions' IoU since the initial
    model, and the IoU of the new ones since the end of the freeze phase. Below the points follow mean, least and most
    of these changes, for each group of points that differ in seed and ecoregions alone.
    """
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    shown.add_column("point", overflow="fold")
    for title in ("state", *GROUPS, "val.", "training", *CHANGES.values()):
        shown.add_column(Text(title), justify="right", no_wrap=True)
    changes: dict[str, list[list[float]]] = {}
    for index, point in enumerate(points):
        state = _state(point, failed.get(index), directory)
        if state != "finished":
            shown.add_row(Text(point.name), state)
            continue
        results = untrusted.read_or_refuse(RunDirectory(directory / point.name).results_path, "remove its run")
        changed = [number(results, "verdict", name, "difference") for name in CHANGES]
        changes.setdefault(_group(point), []).append(changed)
        shown.add_row(Text(point.name), state, *_scores(results), *map(_signed, changed))
    for group, rows in changes.items():
        if len(rows) < 2:
            continue
        shown.add_section()
        columns = [[value for value in column if math.isfinite(value)] for column in zip(*rows, strict=True)]
        for name, statistic in (("mean", fmean), ("least", min), ("most", max)):
            cells = [_signed(statistic(column)) if column else "–" for column in columns]
            shown.add_row(Text(f"{group}: {name}" if group else name), *[""] * (len(GROUPS) + 3), *cells)
    return shown


def _state(point: Point, outcome: Outcome | None, directory: Path) -> str:
    if outcome is not None:
        return "failed"
    return "finished" if point.finished(directory) else "waiting"


def _group(point: Point) -> str:
    """Returns the overrides that a point shares with those that differ from it in seed and ecoregions alone."""
    common = {key: value for key, value in point.overrides.items() if key not in ("seed", "old", "new")}
    return directory_name(common) if common else ""


def _signed(value: float) -> str:
    return f"{value:+.3f}" if math.isfinite(value) else "–"


def _scores(results: Mapping[str, Any]) -> list[str]:
    run_phases: Sequence[Mapping[str, Any]] = phases(results)
    values = [number(run_phases[-1], "iou", group) for group in GROUPS]
    values.append(number(run_phases[-1], "validation_micro_iou", "global"))
    # Shared phases count in each point that has them: what the point would have taken alone.
    seconds = math.fsum(number(phase, "seconds") for phase in run_phases)
    return [*(f"{value:.3f}" if math.isfinite(value) else "–" for value in values), duration(seconds)]
