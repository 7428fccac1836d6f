"""Learning curves: loss, validation IoU and drift of one run or of several, phase after phase."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.results import number

Lines = Sequence[Mapping[str, object]]
_Spans = Mapping[str, tuple[float, float]]  # phase -> its first and last step, counted over all phases

# What the plots are called, from top to bottom, and their curves: key of metrics.jsonl, label, colour. Of several runs
# the first curve of each plot is drawn.
_PLOTS = {
    "loss": (
        ("train/loss", "training", canvas.BLUE),
        ("train/dice_loss", "Dice part", canvas.SKY),
        ("train/kd_loss", "distillation part", canvas.VERMILLION),
    ),
    "validation IoU": (("validation/micro_iou", "validation IoU", canvas.ORANGE),),
    "drift": (("train/drift", "drift", canvas.VERMILLION),),
}
_POINTS = 150  # of a phase, at most: windows of more are drawn by their mean, and the range around it
_MARKED = 40  # points of a phase, below which each is marked


class _Curve(NamedTuple):
    """A line for each phase, f64[n, 2], in one style."""

    phases: list[np.ndarray]
    label: str
    colour: str
    dash: canvas.Dash


def learning_curves(runs: Mapping[str, Lines], *, width: float = 8.5) -> Figure:
    """Draws loss, validation IoU and drift against the steps of all phases, one after another.

    Args:
      runs: name -> lines of `metrics.jsonl`, in order; any key but `phase` and `step` may be absent or null.
      width: of the figure, inches.
    """
    spans = _spans(runs.values())
    plots = _plots(runs, spans)
    ratios = [1.3 if name == "loss" else 1.0 for name in plots] or [1.0]
    figure = canvas.new_figure(width, 0.9 + 1.7 * sum(ratios), canvas.Margins(left=0.8, top=0.5))
    column = np.atleast_1d(figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios))
    if not plots:
        canvas.message(column[0], "nothing has been logged yet")
        return figure
    for axes, (name, curves) in zip(column, plots.items(), strict=True):
        canvas.tidy(axes)
        _shade(axes, spans)
        for curve in curves:
            _draw(axes, curve)
        canvas.name_axes(axes, "", name)
        if name == "validation IoU":
            axes.set_ylim(0, 1)
        if axes is column[0] and len(curves) > 1:
            axes.legend(fontsize=8, frameon=False, loc="upper right")
    _name_spans(column[0], spans, characters=10 * width)
    column[-1].set_xlabel("steps", fontsize=9, color=canvas.INK)
    column[-1].set_xlim(0, max(stop for _, stop in spans.values()))
    figure.align_ylabels()
    return figure


def _plots(runs: Mapping[str, Lines], spans: _Spans) -> dict[str, list[_Curve]]:
    """The curves of each plot that has any."""
    plots = {}
    for name, curves in _PLOTS.items():
        if len(runs) == 1:
            (lines,) = runs.values()
            found = [_Curve(_points(lines, spans, key), label, colour, "solid") for key, label, colour in curves]
        else:
            key = curves[0][0]
            found = [
                _Curve(_points(lines, spans, key), run, *canvas.line_style(index))
                for index, (run, lines) in enumerate(runs.items())
            ]
        plots[name] = [curve for curve in found if curve.phases]
    return {name: curves for name, curves in plots.items() if curves}


def _spans(runs: Iterable[Lines]) -> _Spans:
    """Of several runs the longest one's."""
    lengths: dict[str, float] = {}
    for line in (line for lines in runs for line in lines):
        step = number(line, "step")
        if math.isfinite(step):
            name = str(line.get("phase", ""))
            lengths[name] = max(lengths.get(name, 1.0), step)
    stops = np.cumsum(list(lengths.values())).tolist()
    return {name: (stop - lengths[name], stop) for name, stop in zip(lengths, stops, strict=True)}


def _points(lines: Lines, spans: _Spans, key: str) -> list[np.ndarray]:
    """Of each phase that has any: f64[n, 2] of (cumulative step, finite value)."""
    points: dict[str, list[tuple[float, float]]] = {}
    for line in lines:
        step, value = number(line, "step"), number(line, key)
        if math.isfinite(step) and math.isfinite(value):
            name = str(line.get("phase", ""))
            points.setdefault(name, []).append((spans[name][0] + step, value))
    return [np.array(sorted(found)) for found in points.values()]


def _draw(axes: Axes, curve: _Curve) -> None:
    """Draws one line a phase: losses of different phases measure different things."""
    for index, points in enumerate(curve.phases):
        windows = np.array_split(points, min(len(points), _POINTS))
        x, y = np.array([window.mean(axis=0) for window in windows]).T
        marker = "o" if len(points) < _MARKED else ""
        name = "_nolegend_" if index else curve.label
        (line,) = axes.plot(x, y, color=curve.colour, linestyle=curve.dash, linewidth=1.3, label=name)
        line.set(marker=marker, markersize=2.5)
        if len(windows) < len(points):
            low, high = np.array([(window[:, 1].min(), window[:, 1].max()) for window in windows]).T
            axes.fill_between(x, low, high, color=curve.colour, alpha=0.2, linewidth=0)


def _shade(axes: Axes, spans: _Spans) -> None:
    for index, (start, stop) in enumerate(spans.values()):
        if index % 2:
            axes.axvspan(start, stop, color=canvas.GREY, alpha=0.1, zorder=0, linewidth=0)
        if index:
            axes.axvline(start, color=canvas.GREY, linewidth=0.8, linestyle=":")


def _name_spans(axes: Axes, spans: _Spans, characters: float) -> None:
    """Writes the name of each phase above it. Args: characters: that fit side by side."""
    total = max(stop for _, stop in spans.values())
    for name, (start, stop) in spans.items():
        width = max(8, int(characters * (stop - start) / total))
        axes.annotate(
            textwrap.fill(name.replace("_", " "), width, break_long_words=False),
            ((start + stop) / 2, 1.0),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            color=canvas.INK,
        )
