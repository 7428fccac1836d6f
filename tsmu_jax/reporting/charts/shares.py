"""Charts whose two axes are shares: old against new, precision and recall, reliability."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from tsmu_jax.reporting.charts import canvas

_SIZE = (5.0, 3.5)  # inches
_SMALLEST, _LARGEST = 16.0, 40.0  # diameters of dots, points


class Dot(NamedTuple):
    """A method among others.

    Attributes:
      style: position of its colour.
      weight: in [0, 1]; the dot's area beyond the smallest one grows with it.
    """

    style: int
    x: float
    y: float
    weight: float


class Line(NamedTuple):
    """A curve: f64[n, 2] of its points and f64[m, 2] of those that are marked; `style` as of a dot."""

    style: int
    points: np.ndarray
    marked: np.ndarray


def numbered_dots(dots: Sequence[Dot], x: str, y: str) -> Figure:
    """Draws dots that are numbered from 1. Args: x, y: what the axes show."""
    figure = canvas.new_figure(*_SIZE, canvas.Margins())
    axes = figure.add_subplot()
    canvas.tidy(axes)
    canvas.name_axes(axes, x, y)
    for index, dot in sorted(enumerate(dots), key=lambda each: -each[1].weight):  # small ones on top
        size = np.sqrt(_SMALLEST**2 + (_LARGEST**2 - _SMALLEST**2) * dot.weight)
        colour, _ = canvas.line_style(dot.style)
        axes.plot(dot.x, dot.y, "o", color=colour, markersize=size, markeredgecolor="white", clip_on=False)
        label = axes.text(dot.x, dot.y, str(index + 1), ha="center", va="center", fontsize=9, color="white")
        label.set_fontweight("bold")
    axes.set_xlim(limits([dot.x for dot in dots]))
    axes.set_ylim(limits([dot.y for dot in dots]))
    return figure


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Limits in [0, 1] around some shares, with room for dots and names."""
    low, high = min(values), max(values)
    room = max(0.15 * (high - low), 0.03)
    return max(0.0, low - room), min(1.0, high + room)


def unit_square(lines: Sequence[Line], x: str, y: str, *, diagonal: bool = False) -> Figure:
    """Draws curves from 0 to 1. Args: x, y: what the axes show; diagonal: with the line where both are equal."""
    figure = canvas.new_figure(*_SIZE, canvas.Margins())
    axes = figure.add_subplot()
    canvas.tidy(axes)
    canvas.name_axes(axes, x, y)
    if diagonal:
        axes.plot([0, 1], [0, 1], ":", color=canvas.GREY, linewidth=1)
    for line in lines:
        colour, dash = canvas.line_style(line.style)
        axes.plot(*line.points.T, linestyle=dash, color=colour, linewidth=1.5, clip_on=False)
        axes.plot(*line.marked.T, "o", color=colour, markersize=5, markeredgecolor="white", clip_on=False)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return figure
