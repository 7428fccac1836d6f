"""Shared by all charts and pictures: colours, a figure without global state, and how it is written."""

import io
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

DPI = 120

# Okabe and Ito's palette: told apart with every common form of colour blindness, and in grey.
BLUE = "#0072B2"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
INK = "#333333"
GREY = "#8C8C8C"
PALE = "#EDEDED"

# For lines of several methods or seeds, by position: darker than the palette, for thin lines on a light page.
COLOURS = ("#0072b2", "#d55e00", "#00795a", "#a13d8c", "#a06a00", "#3a8fc4", "#6b6b6b", "#6d7300")
Dash = Literal["solid", "dashed", "dotted"]
DASHES: tuple[Dash, ...] = ("solid", "dashed", "dotted")  # as Matplotlib and CSS call them
LINE_STYLES = len(COLOURS) * len(DASHES)  # that differ

# By suffix of the file. Without a date the same figure gives the same bytes.
_METADATA: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f\ud800-\udfff\ufffe\uffff]")


class Margins(NamedTuple):
    """Room around the plots of a figure, inches."""

    left: float = 0.6
    bottom: float = 0.5
    right: float = 0.15
    top: float = 0.15


def new_figure(width: float, height: float, margins: Margins | None = None) -> Figure:
    """An empty white figure, drawn by Agg whatever the user's backend is.

    Args:
      width, height: inches.
      margins: by default Matplotlib finds out which ones fit, for which it draws everything twice.
    """
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=None if margins else "constrained")
    FigureCanvasAgg(figure)
    if margins:
        left, bottom, right, top = margins
        figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure


def line_style(index: int) -> tuple[str, Dash]:
    """Colour and dash of the line at a position: colours change first, so that many lines remain apart."""
    return COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]


def tidy(axes: Axes) -> None:
    """Leaves of the frame what carries information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)


def name_axes(axes: Axes, x: str, y: str) -> None:
    """Says what both directions show."""
    axes.set_xlabel(x, fontsize=9, color=INK)
    axes.set_ylabel(y, fontsize=9, color=INK)


def frameless(axes: Axes) -> None:
    """Prepares axes for an image: no frame, and no ticks, each of which would be made and never drawn."""
    axes.axis("off")
    axes.set_xticks([])
    axes.set_yticks([])


def message(axes: Axes, text: str) -> None:
    """Says in place of a plot why there is none."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, text, ha="center", va="center", color=GREY, fontsize=9, transform=axes.transAxes)


def shortened(text: str, length: int) -> str:
    """Keeps both ends of each line that is longer than `length` characters."""
    return "\n".join(_shortened_line(line, max(length, 5)) for line in text.split("\n"))


def _shortened_line(line: str, length: int) -> str:
    if len(line) <= length:
        return line
    head = math.ceil((length - 1) / 2)
    return f"{line[:head]}…{line[len(line) - (length - 1 - head) :]}"


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG, SVG or PDF, by the suffix of the path, with its folder; the same figure gives the same bytes."""
    content = _drawn(figure, path.suffix.removeprefix("."))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def svg(figure: Figure) -> bytes:
    """Returns a figure as an SVG without a background, for a page."""
    return _drawn(figure, "svg", transparent=True)


def png(figure: Figure) -> bytes:
    """Returns a figure as a PNG."""
    return _drawn(figure, "png")


def _drawn(figure: Figure, kind: str, *, transparent: bool = False) -> bytes:
    """Prints names of ecoregions and images as they are: `$` starts no formula. XML holds no control characters."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
        text.set_text(_CONTROL.sub("\ufffd", text.get_text()))
    file = io.BytesIO()
    # Texts of an SVG stay texts, and its identifiers come from what it draws.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tsmu_jax"}):
        figure.savefig(file, format=kind, dpi=DPI, metadata=dict(_METADATA[kind]), transparent=transparent)
    return file.getvalue()
