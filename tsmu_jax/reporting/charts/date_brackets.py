"""Between which dates landslides happened: a bar for each pair of dates."""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from tsmu_jax.reporting.charts import canvas


class Span(NamedTuple):
    """Landslides between two dates; None where there is no bound."""

    first: datetime.date | None
    last: datetime.date | None
    number: int


def date_brackets(spans: Sequence[Span]) -> Figure:
    """Draws bars from the first to the last date; an arrow stands for a missing bound."""
    figure = canvas.new_figure(6.4, 0.9 + 0.24 * max(len(spans), 3))
    axes = figure.add_subplot()
    days = [date2num(day) for span in spans for day in span[:2] if day]
    if not days:
        canvas.message(axes, "no landslide has dates")
        return figure
    canvas.tidy(axes)
    axes.grid(axis="x", color=canvas.PALE, linewidth=0.8)
    room = max(0.06 * (max(days) - min(days)), 2.0)
    left, right = min(days) - room, max(days) + room
    for place, span in enumerate(spans):
        start = date2num(span.first) if span.first else left
        end = date2num(span.last) if span.last else right
        axes.barh(place, max(end - start, room / 10), left=start, height=0.55, color=canvas.SKY)
        for bound, at, marker in ((span.first, start, "<"), (span.last, end, ">")):
            if bound is None:
                axes.plot(at, place, marker, color=canvas.BLUE, markersize=6, clip_on=False)
    axes.set_yticks(range(len(spans)), [f"n = {span.number:,}" for span in spans])
    axes.set_ylim(len(spans) - 0.4, -0.6)
    axes.set_xlim(left, right)
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    return figure
