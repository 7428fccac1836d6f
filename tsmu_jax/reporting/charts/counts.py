"""Counts of landslides as horizontal bars, several groups of them above each other."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from tsmu_jax.reporting.charts import canvas

_LONGEST = 32  # characters of a name


class Bar(NamedTuple):
    """A bar. Attributes: colour: as Matplotlib names it."""

    name: str
    number: int
    colour: str


def counts(groups: Mapping[str, Sequence[Bar]]) -> Figure:
    """Draws bars. Args: groups: title -> bars, of which the first is at the top."""
    heights = [len(bars) + 0.6 for bars in groups.values()]
    figure = canvas.new_figure(6.4, 0.9 + 0.24 * sum(heights) + 0.45 * len(groups))
    every = figure.subplots(len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (title, bars) in zip(every, groups.items(), strict=True):
        canvas.tidy(axes)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.set_xticks([])
        axes.set_title(title, fontsize=9, color=canvas.INK, loc="left")
        places = range(len(bars))
        axes.barh(places, [bar.number for bar in bars], color=[bar.colour for bar in bars], height=0.7)
        axes.set_yticks(places, [canvas.shortened(bar.name, _LONGEST) for bar in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        most = max((bar.number for bar in bars), default=0) or 1
        axes.set_xlim(0, most * 1.15)
        for place, bar in enumerate(bars):
            axes.text(bar.number + most * 0.01, place, f"{bar.number:,}", va="center", fontsize=8, color=canvas.INK)
    return figure
