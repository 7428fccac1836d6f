"""Mean IoU of old, new and all ecoregions after each phase, as bars."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.results import GROUPS, names, number, phases

_COLOURS = {"old": canvas.BLUE, "new": canvas.GREEN, "global": canvas.GREY}
_WIDTH = 0.26


def phase_bars(results: Mapping[str, object]) -> Figure:
    """Draws mean IoU of old, new and all test images after each phase: `results` as in `results.json`."""
    figure = canvas.new_figure(max(4.5, 1.2 + 1.7 * len(phases(results))), 3.2)
    draw_phase_bars(figure.add_subplot(), results)
    return figure


def draw_phase_bars(axes: Axes, results: Mapping[str, object]) -> None:
    """Draws them into `axes`; groups without a value (no new ecoregion, say) are left out."""
    run = phases(results)
    values = {group: [number(phase, "iou", group) for phase in run] for group in GROUPS}
    shown = [group for group in GROUPS if any(math.isfinite(value) for value in values[group])]
    if not shown:
        return canvas.message(axes, "no results yet")
    canvas.tidy(axes)
    for index, group in enumerate(shown):
        positions = [place + (index - (len(shown) - 1) / 2) * _WIDTH for place in range(len(run))]
        heights = [value if math.isfinite(value) else 0.0 for value in values[group]]
        axes.bar(positions, heights, 0.92 * _WIDTH, color=_COLOURS[group], label=_label(group, results))
        for position, value in zip(positions, values[group], strict=True):
            text = f"{value:.3f}".removeprefix("0") if math.isfinite(value) else "–"
            axes.annotate(
                text,
                (position, value if math.isfinite(value) else 0.0),
                (0, 2),
                ha="center",
                textcoords="offset points",
                fontsize=8,
                color=canvas.INK,
            )
    axes.set_xticks(range(len(run)), [str(phase.get("name", "?")).replace("_", " ") for phase in run], fontsize=9)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.55, len(run) - 0.45)
    top = max(value for group in shown for value in values[group] if math.isfinite(value))
    axes.set_ylim(0, min(1.08, max(1.15 * top, 0.1)))
    axes.set_ylabel("mean IoU, test images", fontsize=8, color=canvas.INK)
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=len(shown),
        fontsize=8,
        frameon=False,
        handlelength=1.2,
    )
    return None


def _label(group: str, results: Mapping[str, object]) -> str:
    if group == "global":
        return "all ecoregions"
    members = names(results, group)
    return canvas.shortened(f"{group}: {', '.join(members)}" if members else group, 44)
