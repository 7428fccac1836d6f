"""Draws what rounds of mapping, review and update do: columns are ways; rows are new ground, old ground and work."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.circle import FRESH, WAYS
from benchmarks.rounds import Results, Rounds, mean, old_ecoregions

Axes = Any  # of Matplotlib, which has no types
_NEW = {
    "map of the next scene": ("tab:blue", "o", lambda one: one["map"]["auto"]),
    "by the last round's decoder": ("tab:cyan", "x", lambda one: one["map"]["latest"]),
}
_WORK = {
    "kept": ("tab:green", "kept"),
    "reshaped": ("tab:blue", "reshaped"),
    "drawn": ("tab:purple", "drawn"),
    "removed": ("tab:orange", "removed"),
}


def draw(results: Results, path: Path) -> None:
    """Means over the seeds; where there are several, each as a thin line, too."""
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
    for axes, label in zip(grid[:, 0], ("new ground, IoU", "old ground, mean IoU", "polygons of a scene"), strict=True):
        axes.set_ylabel(label)
    for axes in grid[:, 0]:
        axes.legend(frameon=False, fontsize="small")
    figure.savefig(path)


def _new(axes: Axes, runs: Sequence[Rounds]) -> None:
    """Of each number of rounds: how well the next scene is mapped, and pairs that no round has seen."""
    for label, (colour, marker, value) in _NEW.items():
        _lines(axes, [_series(rounds[1:], value) for rounds in runs], colour, marker, label)
    fresh = [_series(rounds, lambda one: mean(one, [FRESH])) for rounds in runs]
    _lines(axes, fresh, "tab:red", "s", f"{len(runs[0][0]['ious'][FRESH])} pairs that no round sees")
    axes.set_ylim(0, 1)


def _old(axes: Axes, runs: Sequence[Rounds]) -> None:
    """The first model's ecoregions, and where they were before any update."""
    names = old_ecoregions(runs[0][0])
    exams = [_series(rounds, lambda one: mean(one, names)) for rounds in runs]
    axes.axhline(float(np.mean(exams, axis=0)[0]), color="0.4", linestyle=":", label="the first model")
    _lines(axes, exams, "black", "o", f"exams of {', '.join(names)}")
    for name in names:
        each = np.mean([[mean(one, [name]) for one in rounds] for rounds in runs], axis=0)
        axes.plot(each, color="0.6", linewidth=0.8)
        axes.annotate(name, (len(each) - 1, each[-1]), fontsize="small", color="0.4", va="bottom", ha="right")
    axes.set_ylim(0, 1)


def _work(axes: Axes, runs: Sequence[Rounds]) -> None:
    """What the reviewer did with the polygons of each round's scene."""
    below = np.zeros(len(runs[0]) - 1)
    for name, (colour, label) in _WORK.items():
        heights = np.mean([[one["review"][name] for one in rounds[1:]] for rounds in runs], axis=0)
        axes.bar(range(len(below)), heights, bottom=below, color=colour, label=label, width=0.7)
        below = below + heights


def _series(rounds: Rounds, value: Callable[[Mapping[str, Any]], float | None]) -> np.ndarray:
    """f[rounds], NaN where there is no value."""
    return np.array([np.nan if (found := value(one)) is None else found for one in rounds])


def _lines(axes: Axes, each: Sequence[np.ndarray], colour: str, marker: str, label: str) -> None:
    for one in each if len(each) > 1 else ():
        axes.plot(one, color=colour, linewidth=0.6, alpha=0.6)
    axes.plot(np.mean(each, axis=0), color=colour, marker=marker, markersize=5, label=label)
