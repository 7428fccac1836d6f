"""The frequency-area distribution of an inventory, both axes logarithmic."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.inventory.distribution import Distribution

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def frequency_area(known: Distribution, pixel_m2: float | None) -> Figure:
    """Draws the density by bins with the standard error of their counts, and the rollover where it is told.

    Args: pixel_m2: of the coarsest map; landslides of a few pixels are not found completely.
    """
    figure = canvas.new_figure(6.4, 4.4)
    axes = figure.add_subplot()
    if not known.number:
        canvas.message(axes, "no landslides")
        return figure
    canvas.tidy(axes)
    axes.grid(axis="x", color=canvas.PALE, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    canvas.name_axes(axes, "landslide area A (m²)", "probability density p(A) (m⁻²)")
    error = known.density / np.sqrt(known.count)
    lower = np.minimum(error, known.density * 0.7)  # a count of 1 would reach to 0, which has no logarithm
    axes.errorbar(
        known.centre_m2, known.density, yerr=[lower, error], fmt="o", color=canvas.BLUE, ecolor=canvas.SKY, ms=5
    )
    axes.set_ylim(known.density.min() / 10, known.density.max() * 10)
    axes.set_xlim(min(known.low_m2[0], pixel_m2 or np.inf) / 2, known.high_m2[-1] * 2)
    if pixel_m2:
        axes.axvline(pixel_m2, color=canvas.GREY, linewidth=1, linestyle=":")
        _note(axes, pixel_m2, "one pixel of the map")
    if known.rollover is not None:
        low, high = known.low_m2[known.rollover], known.high_m2[known.rollover]
        axes.axvspan(low, high, color=canvas.VERMILLION, alpha=0.15, linewidth=0)
        _note(axes, low, f"rollover, {low:,.0f} to {high:,.0f} m²")
    axes.set_title(f"n = {known.number:,}", fontsize=9, color=canvas.INK, loc="right")
    return figure


def _power(value: float) -> str:
    """A power of ten: canvas draws no formulas."""
    return f"10{f'{np.log10(value):.0f}'.translate(_RAISED)}"


def _note(axes: Axes, x: float, text: str) -> None:
    across = axes.get_xaxis_transform()  # x in square metres, y from 0 to 1
    axes.text(x, 0.03, f" {text}", transform=across, rotation=90, fontsize=8, color=canvas.INK, ha="left", va="bottom")
