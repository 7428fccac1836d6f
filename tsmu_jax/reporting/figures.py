"""The figures of a run and of a data set. Import it where they are drawn: Matplotlib is slow to load."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from tsmu_jax.data.statistics import EcoregionStatistics, PixelStatistics
from tsmu_jax.reporting import canvas
from tsmu_jax.reporting.bars import phase_bars
from tsmu_jax.reporting.panels import PanelRow, agreement, overview, panels
from tsmu_jax.reporting.results import number

__all__ = ["PanelRow", "agreement", "learning_curves", "overview", "panels", "phase_bars", "pixel_histograms"]

Records = Sequence[Mapping[str, object]]

# (key of metrics.jsonl, label, colour, line style), by plot from top to bottom.
_CURVES = (
    (
        "loss",
        (
            ("train/loss", "training", canvas.BLUE, "-"),
            ("train/dice_loss", "Dice part", canvas.SKY, "-"),
            ("train/kd_loss", "distillation part", canvas.VERMILLION, "-"),
        ),
    ),
    ("validation IoU", (("validation/micro_iou", "validation IoU", canvas.ORANGE, "-"),)),
    ("drift", (("train/drift", "drift", canvas.VERMILLION, "-"),)),
)
_SMOOTHED = 150  # points of a phase from which on its running mean is drawn over them


def learning_curves(records: Records, path: Path) -> None:
    """Writes loss, validation IoU and drift against the steps of all phases, one after another.

    Args:
      records: lines of `metrics.jsonl`, in order; any key but `phase` and `step` may be absent or null.
      path: of the PNG.
    """
    spans = _spans(records)
    plots = [(name, curves) for name, curves in _CURVES if any(_points(records, spans, key) for key, *_ in curves)]
    ratios = [1.3 if name == "loss" else 1.0 for name, _ in plots] or [1.0]
    figure = canvas.new_figure(8.5, 0.9 + 1.7 * sum(ratios))
    column = np.atleast_1d(figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios))
    if not plots:
        canvas.message(column[0], "nothing has been logged yet")
    for axes, (name, curves) in zip(column, plots, strict=False):
        canvas.tidy(axes)
        _shade(axes, spans)
        for key, label, colour, style in curves:
            _draw_curve(axes, _points(records, spans, key), label, colour, style)
        axes.set_ylabel(name, fontsize=9, color=canvas.INK)
        if name == "validation IoU":
            axes.set_ylim(0, 1)
        elif len(axes.get_legend_handles_labels()[1]) > 1:
            axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    if plots:
        _name_spans(column[0], spans)
        column[-1].set_xlabel("steps", fontsize=9, color=canvas.INK)
        column[-1].set_xlim(0, max(stop for _, stop in spans.values()))
        figure.align_ylabels()
    canvas.save(figure, path)


def _spans(records: Records) -> dict[str, tuple[float, float]]:
    """Phase -> its first and last step, counted over all phases."""
    lengths: dict[str, float] = {}
    for record in records:
        step = number(record, "step")
        if math.isfinite(step):
            name = str(record.get("phase", ""))
            lengths[name] = max(lengths.get(name, 1.0), step)
    spans, start = {}, 0.0
    for name, length in lengths.items():
        spans[name] = (start, start + length)
        start += length
    return spans


def _points(records: Records, spans: Mapping[str, tuple[float, float]], key: str) -> dict[str, np.ndarray]:
    """Phase -> f64[n, 2] of (cumulative step, finite value); phases without any are left out."""
    points: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        step, value = number(record, "step"), number(record, key)
        if math.isfinite(step) and math.isfinite(value):
            name = str(record.get("phase", ""))
            points.setdefault(name, []).append((spans[name][0] + step, value))
    return {name: np.array(sorted(found)) for name, found in points.items()}


def _draw_curve(axes: Axes, points: Mapping[str, np.ndarray], label: str, colour: str, style: str) -> None:
    """One line a phase: losses of different phases measure different things."""
    for index, curve in enumerate(points.values()):
        x, y = curve.T
        name = "_nolegend_" if index else label
        if len(x) < _SMOOTHED:
            marker = "o" if len(x) < 40 else ""
            axes.plot(x, y, style, color=colour, linewidth=1.3, marker=marker, markersize=2.5, label=name)
            continue
        window = len(x) // 50
        mean = np.convolve(y, np.ones(window) / window, mode="valid")
        axes.plot(x, y, "-", color=colour, linewidth=0.5, alpha=0.25)
        axes.plot(x[window // 2 :][: len(mean)], mean, style, color=colour, linewidth=1.4, label=name)


def _shade(axes: Axes, spans: Mapping[str, tuple[float, float]]) -> None:
    for index, (start, stop) in enumerate(spans.values()):
        if index % 2:
            axes.axvspan(start, stop, color="#F4F4F4", zorder=0, linewidth=0)
        if index:
            axes.axvline(start, color=canvas.GREY, linewidth=0.8, linestyle=":")


def _name_spans(axes: Axes, spans: Mapping[str, tuple[float, float]]) -> None:
    total = max(stop for _, stop in spans.values())
    for name, (start, stop) in spans.items():
        width = max(8, int(85 * (stop - start) / total))  # characters that fit
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


def pixel_histograms(statistics: Mapping[str, EcoregionStatistics], path: Path) -> None:
    """Writes Fig. 6: for each ecoregion the densities of landslide and of background intensities in [0, 1].

    The legends give mean and standard deviation, dashed lines the median: Table I.

    Raises:
      ValueError: there are no ecoregions.
    """
    if not statistics:
        raise ValueError("no ecoregions to draw")
    columns = min(len(statistics), 2 if len(statistics) in (2, 4) else 3)
    rows = math.ceil(len(statistics) / columns)
    figure = canvas.new_figure(3.4 * columns + 0.3, 2.2 * rows + 0.4)
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
        noun = "pair" if ecoregion.pairs == 1 else "pairs"
        title = f"{canvas.shortened(name, 24)}: {ecoregion.pairs} {noun}"
        if math.isfinite(ecoregion.positive_fraction):
            title += f", {100 * ecoregion.positive_fraction:.1f} % landslide"
        axes.set_title(title, fontsize=9, color=canvas.INK)
        axes.legend(fontsize=7.5, frameon=False, loc="upper right", handlelength=1.0)
    for axes in list(grid.flat)[len(statistics) :]:
        axes.set_visible(False)
    figure.supxlabel(
        "intensity, post-event image (mean ± standard deviation; dashed: median)",
        fontsize=8,
        color=canvas.INK,
    )
    figure.supylabel("density", fontsize=9, color=canvas.INK)
    canvas.save(figure, path)


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
    axes.stairs(_density(counts), edges, color=colour, alpha=0.25, fill=True)
    axes.stairs(_density(counts), edges, color=colour, linewidth=1.0, label=text)
    axes.vlines(summary.median, 0, top, color=colour, linewidth=0.9, linestyle="--")
