"""The scenes that an inventory was mapped from: how the two dates fit, and how clear the choice of the decoder was."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from tsmu_jax.reporting.charts import canvas
from tsmu_jax.scenes.pair import LEAST_OVERLAP, MOST_SHIFT_PX


class Source(NamedTuple):
    """A scene; None where a value is unknown.

    Attributes:
      overlap: share of the ground that both dates show.
      shift_px: by which one date lies off the other, pixels of the map.
      margin: of the decoder's choice, 0 to 1.
      gsd_m: metres a pixel.
    """

    name: str
    overlap: float | None
    shift_px: float | None
    margin: float | None
    gsd_m: float | None


_PLOTS = (
    ("overlap of the dates", "overlap", LEAST_OVERLAP),
    ("shift (px)", "shift_px", MOST_SHIFT_PX),
    ("decoder's margin", "margin", None),
    ("pixel (m)", "gsd_m", None),
)


def sources(scenes: Sequence[Source]) -> Figure:
    """Draws a line a scene: its values, and the limits beyond which mapping warns."""
    figure = canvas.new_figure(8.0, 1.1 + 0.22 * max(len(scenes), 4))
    if not scenes:
        canvas.message(figure.add_subplot(), "no scenes")
        return figure
    every = figure.subplots(1, len(_PLOTS), sharey=True)
    for axes, (title, name, limit) in zip(every, _PLOTS, strict=True):
        canvas.tidy(axes)
        axes.set_title(title, fontsize=9, color=canvas.INK)
        values = [(getattr(scene, name), place) for place, scene in enumerate(scenes)]
        known = [(value, place) for value, place in values if value is not None]
        if limit is not None:
            axes.axvline(limit, color=canvas.VERMILLION, linewidth=1, linestyle="--")
        if known:
            axes.plot(*zip(*known, strict=True), "o", color=canvas.BLUE, markersize=5, clip_on=False)
        unknown = [place for value, place in values if value is None]
        for place in unknown:
            axes.text(
                0.5,
                place,
                "unknown",
                fontsize=7,
                color=canvas.GREY,
                ha="center",
                va="center",
                transform=axes.get_yaxis_transform(),
            )
        if name in ("overlap", "margin"):
            axes.set_xlim(-0.02, 1.02)
        else:
            most = max([value for value, _ in known] + [limit or 0]) or 1
            axes.set_xlim(-0.02 * most, most * 1.15)
        axes.set_ylim(len(scenes) - 0.5, -0.5)
    every[0].set_yticks(range(len(scenes)), [scene.name for scene in scenes])
    return figure
