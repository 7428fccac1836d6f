"""How the autoencoders chose: confusion matrix and margins."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.charts.heat_map import Grid, draw_heat_map

_BINS = 20

Confusion = Mapping[str, Mapping[str, int]]  # true ecoregion -> chosen ecoregion -> images
Tests = Mapping[str, Mapping[str, Any]]  # true ecoregion -> what was `chosen` for each image, with which `margin`


def selection_figure(selection: Mapping[str, Any], tests: Tests) -> Figure:
    """Draws the confusion matrix of true and chosen ecoregions beside the margins of right and wrong choices.

    Args:
      selection: of `results.json`.
      tests: of `selection.json`.
    """
    grid = confusion(selection["confusion"])
    width, height = grid.size
    figure = canvas.new_figure(width + 6.2, max(height + 1.2, 3.4))
    left, right = figure.subplots(1, 2, width_ratios=(width + 1.0, 4.0))
    draw_heat_map(left, grid)
    _draw_margins(right, tests, float(selection["margin"]["threshold"]))
    return figure


def confusion(counts: Confusion) -> Grid:
    """The confusion matrix; a cell's colour is its share of the row."""
    names = list(next(iter(counts.values())))
    images = np.array([[counts[row][column] for column in names] for row in counts])
    share = images / np.maximum(images.sum(1, keepdims=True), 1)
    texts = [[str(number) for number in row] for row in images.tolist()]
    return Grid(("true ecoregion", list(counts)), ("chosen ecoregion", names), share, texts)


def margins(tests: Tests, threshold: float) -> Figure:
    """Draws the margins alone."""
    figure = canvas.new_figure(5, 3.4, canvas.Margins())
    _draw_margins(figure.add_subplot(), tests, threshold)
    return figure


def _draw_margins(axes: Axes, tests: Tests, threshold: float) -> None:
    margin = np.concatenate([one["margin"] for one in tests.values()])
    right = np.concatenate([[chosen == name for chosen in one["chosen"]] for name, one in tests.items()])
    canvas.tidy(axes)
    axes.hist(
        [margin[right], margin[~right]],
        bins=_BINS,
        range=(0, 1),
        stacked=True,
        color=[canvas.BLUE, canvas.VERMILLION],
        label=[f"right ecoregion ({right.sum()})", f"wrong ecoregion ({(~right).sum()})"],
    )
    axes.axvline(threshold, color=canvas.INK, linewidth=1.0, linestyle="--", label=f"review below {threshold:g}")
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set_xlim(0, 1)
    canvas.name_axes(axes, "margin: (second - smallest error) / second", "test images")
    axes.legend(fontsize=8, frameon=False)
