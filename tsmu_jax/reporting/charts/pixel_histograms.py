"""Fig. 6: intensities of landslide and of background, by ecoregion."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsmu_jax.data.statistics import EcoregionStatistics, PixelStatistics
from tsmu_jax.reporting.charts import canvas
from tsmu_jax.words import counted


def pixel_histograms(statistics: Mapping[str, EcoregionStatistics]) -> Figure:
    """Draws Fig. 6: for each ecoregion the densities of landslide and of background intensities in [0, 1].

    The legends give mean and standard deviation, dashed lines the median: Table I.

    Raises:
      ValueError: there are no ecoregions.
    """
    if not statistics:
        raise ValueError("no ecoregions to draw")
    columns = min(len(statistics), 2 if len(statistics) in (2, 4) else 3)
    rows = math.ceil(len(statistics) / columns)
    margins = canvas.Margins(left=0.65, bottom=0.65, top=0.3)
    figure = canvas.new_figure(3.2 * columns + 0.8, 2.0 * rows + 0.95, margins)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    peak = max(_peak(one.landslide_counts, one.background_counts) for one in statistics.values())
    for axes, (name, ecoregion) in zip(grid.flat, statistics.items(), strict=False):
        canvas.tidy(axes)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.4 * peak)
        for counts, summary, label, colour in (
            (ecoregion.background_counts, ecoregion.background, "background", canvas.BLUE),
            (ecoregion.landslide_counts, ecoregion.landslide, "landslide", canvas.VERMILLION),
        ):
            _draw_density(axes, counts, summary, label, colour, 1.05 * peak)
        title = f"{canvas.shortened(name, 24)}: {counted(ecoregion.pairs, 'pair')}"
        if math.isfinite(ecoregion.positive_fraction):
            title += f", {100 * ecoregion.positive_fraction:.1f} % landslide"
        axes.set_title(title, fontsize=9, color=canvas.INK)
        axes.legend(fontsize=7.5, frameon=False, loc="upper right", handlelength=1.0)
    for axes in list(grid.flat)[len(statistics) :]:
        axes.set_visible(False)
    words = ("intensity, post-event image", "(mean ± standard deviation; dashed: median)")
    figure.supxlabel(("\n" if columns == 1 else " ").join(words), fontsize=8, color=canvas.INK)
    figure.supylabel("density", fontsize=9, color=canvas.INK)
    return figure


def _density(counts: np.ndarray) -> np.ndarray:
    """f64[n]: integrates to 1 over intensities in [0, 1]; all 0 without pixels."""
    return counts * (len(counts) - 1) / max(int(counts.sum()), 1)


def _peak(*histograms: np.ndarray) -> float:
    """Highest density, but for black and white: saturated pixels would flatten all the others."""
    return max(float(_density(counts)[1:-1].max()) for counts in histograms) or 1.0


def _draw_density(
    axes: Axes, counts: np.ndarray, summary: PixelStatistics, label: str, colour: str, top: float
) -> None:
    if not counts.any():
        axes.plot([], [], color=colour, label=f"{label}: none")
        return
    edges = np.clip((np.arange(len(counts) + 1) - 0.5) / (len(counts) - 1), 0, 1)
    text = f"{label} {summary.mean:.3f} ± {summary.std:.3f}"
    axes.stairs(
        _density(counts), edges, fill=True, facecolor=(colour, 0.25), edgecolor=colour, linewidth=0.7, label=text
    )
    axes.vlines(summary.median, 0, top, color=colour, linewidth=0.9, linestyle="--")
