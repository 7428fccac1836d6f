"""What all figures share: colours, a canvas without global state, and how they are written."""

import math
from pathlib import Path

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


def new_figure(width: float, height: float, *, constrained: bool = True) -> Figure:
    """An empty white figure of `width` by `height` inches, drawn by Agg whatever the user's backend is."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes) -> None:
    """Leaves of the frame what carries information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK)
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)


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
    """Writes a PNG, with its folder; the same figure gives the same bytes.

    Names of ecoregions and images are printed as they are: `$` starts no formula.
    """
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
