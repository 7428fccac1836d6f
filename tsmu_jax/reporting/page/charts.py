"""Diagrams as inline SVG, coloured by the page's style sheet: they follow its light and dark."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tsmu_jax.reporting.page.markup import Html, element, joined

WIDTH, HEIGHT = 360, 250  # of the drawing, in its own units; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 18, 40  # margins around the axes
COLOURS, DASHES = 8, 3  # classes c0 ... c7 and d0 ... d2 of the style sheet
_TICKS = 5  # about


class Axis(NamedTuple):
    """What one direction shows."""

    label: str
    low: float
    high: float

    @property
    def ticks(self) -> list[float]:
        """About five round numbers."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= 0.999 * rough)
        first = math.ceil(self.low / step - 1e-9)
        return [step * k for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


SHARE = (0.0, 1.0)


def padded(values: Sequence[float]) -> tuple[float, float]:
    """Limits in [0, 1] around some shares, with room for dots and names."""
    low, high = min(values), max(values)
    room = max(0.15 * (high - low), 0.03)
    return max(0.0, low - room), min(1.0, high + room)


class Entry(NamedTuple):
    """A line of a legend: what a style stands for."""

    label: str
    style: int
    note: str = ""


class Plane(NamedTuple):
    """Two axes; its methods draw between them, in their values."""

    x: Axis
    y: Axis

    def _at(self, points: Iterable[Sequence[float]]) -> list[tuple[float, float]]:
        x0, x1, y0, y1 = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP
        return [
            (
                round(x0 + (x - self.x.low) / (self.x.high - self.x.low) * (x1 - x0), 1),
                round(y0 + (y - self.y.low) / (self.y.high - self.y.low) * (y1 - y0), 1),
            )
            for x, y in points
        ]

    def line(self, points: np.ndarray, style: int, *, filled: bool = False) -> Html:
        """A line through points f64[n, 2]; `filled`: with the area below it."""
        places = self._at(points.tolist())
        written = " ".join(f"{x:g},{y:g}" for x, y in places)
        area = None
        if filled and places:
            base = HEIGHT - BOTTOM
            corners = f"{places[0][0]:g},{base} {written} {places[-1][0]:g},{base}"
            area = element("polygon", points=corners, class_=f"area {css(style)}")
        return joined([area, element("polyline", points=written, class_=f"line {css(style)}")])

    def dot(self, x: float, y: float, style: int, *, radius: float = 3.0) -> Html:
        """A dot; `radius` in units of the drawing."""
        ((cx, cy),) = self._at([(x, y)])
        return element("circle", cx=cx, cy=cy, r=radius, class_=f"dot {css(style)}")

    def text(self, x: float, y: float, words: str) -> Html:
        """A short text on a dot."""
        ((left, top),) = self._at([(x, y)])
        return element("text", words, x=left, y=top, dy="0.35em", text_anchor="middle", class_="on")

    def diagonal(self) -> Html:
        """Where x equals y."""
        (x1, y1), (x2, y2) = self._at([(self.x.low, self.x.low), (self.x.high, self.x.high)])
        return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="rule")

    def rule(self, x: float) -> Html:
        """A vertical line."""
        ((place, _),) = self._at([(x, self.y.low)])
        return element("line", x1=place, y1=TOP, x2=place, y2=HEIGHT - BOTTOM, class_="rule")

    def span(self, start: float, stop: float, name: str) -> Html | None:
        """A name above a stretch of x, where it fits."""
        (left, _), (right, _) = self._at([(start, self.y.low), (stop, self.y.low)])
        if right - left < 6 * len(name):
            return None
        return element("text", name, x=(left + right) / 2, y=TOP - 6, text_anchor="middle")

    def drawn(self, marks: Iterable[Html | None], label: str) -> Html:
        """The whole drawing. `label`: what it shows, for those who do not see it."""
        parts = [*self._x_axis(), *self._y_axis(), *marks]
        return element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=label, class_="chart")

    def _x_axis(self) -> list[Html]:
        base, middle = HEIGHT - BOTTOM, (LEFT + WIDTH - RIGHT) / 2
        parts = [element("line", x1=LEFT, y1=base, x2=WIDTH - RIGHT, y2=base, class_="axis")]
        for value, (x, _) in zip(self.x.ticks, self._at((v, self.y.low) for v in self.x.ticks), strict=True):
            parts.append(element("text", _short(value), x=x, y=base + 15, text_anchor="middle"))
        return [*parts, element("text", self.x.label, x=middle, y=HEIGHT - 6, text_anchor="middle", class_="name")]

    def _y_axis(self) -> list[Html]:
        parts = []
        for value, (_, y) in zip(self.y.ticks, self._at((self.x.low, v) for v in self.y.ticks), strict=True):
            parts.append(element("line", x1=LEFT, y1=y, x2=WIDTH - RIGHT, y2=y, class_="grid"))
            parts.append(element("text", _short(value), x=LEFT - 6, y=y, dy="0.35em", text_anchor="end"))
        turned = f"translate(12 {(TOP + HEIGHT - BOTTOM) / 2:g}) rotate(-90)"
        return [*parts, element("text", self.y.label, transform=turned, text_anchor="middle", class_="name")]


def figure(drawing: Html, caption: str, entries: Sequence[Entry] = (), *, numbered: bool = False) -> Html:
    """A drawing with its caption and legend; `numbered`: entries are numbered as the dots are."""
    items = [
        element("li", _swatch(entry.style), element("span", entry.label), element("span", entry.note, class_="note"))
        for entry in entries
    ]
    legend = element("ol" if numbered else "ul", *items, class_="legend") if items else None
    return element("figure", element("figcaption", caption), drawing, legend)


def css(style: int) -> str:
    """Classes of a style: colours first, then dashes, so that many remain apart."""
    return f"c{style % COLOURS} d{style // COLOURS % DASHES}"


def _swatch(style: int) -> Html:
    line = element("line", x1=1, y1=5, x2=23, y2=5, class_=f"line {css(style)}")
    return element("svg", line, viewBox="0 0 24 10", class_="swatch", aria_hidden="true")


def _short(value: float) -> str:
    if abs(value) >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:.3g}" if value else "0"
