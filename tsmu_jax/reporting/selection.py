"""How the autoencoders chose: confusion matrix and margins."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tsmu_jax.reporting import canvas

_BINS = 20


def selection_figure(selection: Mapping[str, Any], tests: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Writes the confusion matrix of true and chosen ecoregions, and the margins of right and wrong choices.

    Args:
      selection: of `results.json`.
      tests: of `selection.json`: for each true ecoregion what was `chosen` for each image, with which `margin`.
    """
    rows, columns = list(selection["confusion"]), list(next(iter(selection["confusion"].values())))
    side = 0.55 * max(len(rows), len(columns), 4)
    figure = canvas.new_figure(side + 5.6, side + 1.2)
    left, right = figure.subplots(1, 2, width_ratios=(side + 1.0, 4.0))
    _draw_confusion(left, selection["confusion"], rows, columns)
    _draw_margins(right, tests, float(selection["margin"]["threshold"]))
    canvas.save(figure, path)


def _draw_confusion(
    axes: Axes, confusion: Mapping[str, Mapping[str, int]], rows: Sequence[str], columns: Sequence[str]
) -> None:
    counts = np.array([[confusion[row][column] for column in columns] for row in rows])
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.5 else canvas.INK
        axes.text(column, row, str(number), ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(columns)), [canvas.shortened(name, 16) for name in columns], rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), [canvas.shortened(name, 16) for name in rows])
    axes.tick_params(length=0, labelsize=8, colors=canvas.INK)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("chosen ecoregion", fontsize=9, color=canvas.INK)
    axes.set_ylabel("true ecoregion", fontsize=9, color=canvas.INK)
    axes.set_title("test images", fontsize=9, color=canvas.INK)


def _draw_margins(axes: Axes, tests: Mapping[str, Mapping[str, Any]], threshold: float) -> None:
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
    axes.set_xlim(0, 1)
    axes.set_xlabel("margin: (second - smallest error) / second", fontsize=9, color=canvas.INK)
    axes.set_ylabel("test images", fontsize=9, color=canvas.INK)
    axes.legend(fontsize=8, frameon=False)
