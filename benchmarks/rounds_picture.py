"""Draws what rounds of mapping, review and update do: columns are ways; rows are new ground, old ground and work."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.circle import FRESH, WAYS
from benchmarks.rounds import Results, Rounds, change, mean, old_ecoregions

Axes = Any  # of Matplotlib, which has no types
_WORK = {"kept": "tab:green", "reshaped": "tab:blue", "drawn": "tab:purple", "removed": "tab:orange"}
_AROUND = 0.1  # of the first score of old ground is shown


def draw(results: Results, path: Path) -> None:
    """Draws means over the seeds; where there are several, each one's new ground as a thin line, too."""
    from matplotlib.figure import Figure

    ways = list(dict.fromkeys(way for way, _ in results))
    figure = Figure(figsize=(4.6 * len(ways), 7.6), layout="constrained", dpi=120)
    grid = figure.subplots(3, len(ways), squeeze=False, sharex=True, sharey="row")
    for column, way in zip(grid.T, ways, strict=True):
        runs = [rounds for (own, _), rounds in results.items() if own == way]
        column[0].set_title(WAYS[way].label)
        _new(column[0], runs)
        _old(column[1], runs)
        _work(column[2], runs)
        column[2].set_xlabel("rounds before")
        column[2].set_xticks(range(len(runs[0])))
    labels = "IoU of new ground", "mean IoU of old ground", "polygons of the next scene"
    for axes, label, place in zip(grid[:, 0], labels, ("lower right", "lower left", "upper right"), strict=True):
        axes.set_ylabel(label)
        axes.legend(frameon=False, fontsize="small", loc=place)
    figure.savefig(path)


def _new(axes: Axes, runs: Sequence[Rounds]) -> None:
    """Draws the IoU of each next scene's map, and of the pairs that no round sees."""
    maps = {how: [[_number(one["map"][how]) for one in rounds[1:]] for rounds in runs] for how in ("auto", "latest")}
    fresh = [[mean(one, [FRESH]) for one in rounds] for rounds in runs]
    _lines(axes, maps["auto"], "tab:blue", "o-", "map of the next scene")
    _lines(axes, maps["latest"], "tab:cyan", "x--", "the same by the last round's decoder")
    _lines(axes, fresh, "tab:red", "s-", f"{len(runs[0][0]['ious'][FRESH])} pairs that no round sees")
    axes.set_ylim(0, 1)


def _old(axes: Axes, runs: Sequence[Rounds]) -> None:
    """The first model's ecoregions, with 95 % intervals of the change since then."""
    names = old_ecoregions(runs[0][0])
    first = float(np.mean([mean(rounds[0], names) for rounds in runs]))
    starts = [rounds[0] for rounds in runs]
    changes = np.array([change([rounds[at] for rounds in runs], starts, names) for at in range(1, len(runs[0]))])
    reach = np.abs(changes[:, 1:] - changes[:, :1]).T
    axes.axhline(first, color="0.4", linestyle=":", label="the first model")
    label = f"exams of {', '.join(names)}"
    numbers = range(1, len(runs[0]))
    axes.errorbar(numbers, first + changes[:, 0], yerr=reach, color="black", marker="o", capsize=3, label=label)
    rejected = [at for at in numbers if not all(rounds[at]["accepted"] for rounds in runs)]
    axes.plot(rejected, [first + changes[at - 1, 0] for at in rejected], "rx", markersize=9, label="update rejected")
    axes.set_ylim(first - _AROUND, first + _AROUND)


def _work(axes: Axes, runs: Sequence[Rounds]) -> None:
    """Draws how many polygons of each scene the reviewer kept, reshaped, drew and removed."""
    below = np.zeros(len(runs[0]) - 1)
    for name, colour in _WORK.items():
        heights = np.mean([[one["review"][name] for one in rounds[1:]] for rounds in runs], axis=0)
        axes.bar(range(len(below)), heights, bottom=below, color=colour, label=name, width=0.7)
        below = below + heights


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _lines(axes: Axes, each: Sequence[Sequence[float]], colour: str, form: str, label: str) -> None:
    for one in each if len(each) > 1 else ():
        axes.plot(one, color=colour, linewidth=0.6, alpha=0.6)
    axes.plot(np.mean(each, axis=0), form, color=colour, markersize=5, label=label)
