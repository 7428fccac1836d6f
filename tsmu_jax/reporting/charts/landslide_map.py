"""A map of landslides over the ground that was observed, in as many panels as there are areas apart."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import geopandas
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tsmu_jax.reporting.charts import canvas

MOST_PANELS = 6
_GROUND = "#E4E4E4"
_KILOMETRES = 111.32  # of a degree of latitude
_WIDTH, _TALLEST = 8.0, 8.5  # inches
_DOTS = ((200, 20.0), (2_000, 9.0), (20_000, 2.5), (math.inf, 0.6))  # landslides of a panel -> square points
_AROUND = 0.9  # inches beside a panel, and below all of them


@dataclasses.dataclass(frozen=True)
class Area:
    """Ground apart from other ground: positions of the observed polygons and of the landslides in it."""

    observed: np.ndarray
    landslides: np.ndarray
    bounds: tuple[float, float, float, float]


def areas(observed: np.ndarray, shapes: np.ndarray) -> list[Area]:
    """Groups polygons whose surroundings meet, those with most landslides first. Args: both: in degrees."""
    every = np.concatenate([observed, shapes])
    if not len(every):
        return []
    boxes = shapely.box(*shapely.bounds(every).T)
    sides = np.diff(shapely.bounds(every).reshape(-1, 2, 2), axis=1).max(axis=(1, 2))
    around = shapely.buffer(boxes, np.maximum(sides * 0.25, 0.01), join_style="mitre")
    ground = shapely.get_parts(shapely.union_all(around[: len(observed)]))
    inside, _ = shapely.STRtree(ground).query(around, predicate="within")
    outside = np.setdiff1d(np.arange(len(observed), len(every)), inside)  # few: landslides lie on observed ground
    groups = shapely.get_parts(shapely.union_all(np.concatenate([ground, around[outside]])))
    member, group = shapely.STRtree(groups).query(shapely.centroid(boxes), predicate="intersects")
    found = []
    for number in range(len(groups)):
        inside = np.unique(member[group == number])
        bounds = shapely.total_bounds(every[inside])
        landslides = inside[inside >= len(observed)] - len(observed)
        found.append(Area(inside[inside < len(observed)], landslides, tuple(bounds)))
    return sorted(found, key=lambda area: (-len(area.landslides), -len(area.observed)))


def landslide_map(
    observed: np.ndarray, shapes: np.ndarray, kinds: np.ndarray, colours: Mapping[str, str], shown: list[Area]
) -> Figure:
    """Draws a map.

    Args:
      observed, shapes: shapely polygons in degrees.
      kinds: of each landslide, as the legend names them.
      colours: of the kinds, in the order of the legend; later ones lie on top.
      shown: areas, a panel each.
    """
    if not shown:
        figure = canvas.new_figure(6.4, 3.0)
        canvas.message(figure.add_subplot(), "no landslides, no observed ground")
        return figure
    columns = math.ceil(math.sqrt(len(shown)))
    rows = math.ceil(len(shown) / columns)
    tallest = max(_ratio(area.bounds) for area in shown)
    height = min(max((_WIDTH / columns - _AROUND) * tallest * rows + 0.6 * rows + _AROUND, 3.5), _TALLEST)
    figure = canvas.new_figure(_WIDTH, height)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    for axes, area in zip(panels, shown, strict=False):
        _panel(axes, area, observed[area.observed], shapes[area.landslides], kinds[area.landslides], colours)
        if len(shown) > 1:
            axes.set_title(f"n = {len(area.landslides):,}", fontsize=8, color=canvas.INK, loc="right")
    handles = [Line2D([], [], marker="s", linestyle="", color=_GROUND, label="observed ground")]
    for kind, colour in colours.items():
        label = f"{kind} ({int((kinds == kind).sum()):,})"
        handles.append(Line2D([], [], marker="o", linestyle="", color=colour, label=label))
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _ratio(bounds: tuple[float, float, float, float]) -> float:
    """Height of an area by its width, on the ground."""
    west, south, east, north = _with_room(bounds)
    return (north - south) / ((east - west) * _squeeze(bounds))


def _squeeze(bounds: tuple[float, float, float, float]) -> float:
    """A degree of longitude by a degree of latitude."""
    return max(math.cos(math.radians((bounds[1] + bounds[3]) / 2)), 0.02)


def _with_room(bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Bounds with a margin, and at least as wide as a fifth of their height, and the other way round."""
    west, south, east, north = bounds
    squeeze = _squeeze(bounds)
    tall, wide = max(north - south, 1e-4), max((east - west) * squeeze, 1e-4)
    up, aside = 0.04 * max(tall, wide), 0.04 * max(tall, wide)
    up += max(wide / 5 - tall, 0) / 2
    aside += max(tall / 5 - wide, 0) / 2
    return west - aside / squeeze, south - up, east + aside / squeeze, north + up


def _panel(axes: Axes, area: Area, observed: Any, shapes: Any, kinds: Any, colours: Mapping[str, str]) -> None:
    west, south, east, north = _with_room(area.bounds)
    squeeze = _squeeze(area.bounds)
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_aspect(1 / squeeze)
    axes.tick_params(labelsize=7, colors=canvas.INK)
    axes.xaxis.get_major_formatter().set_useOffset(False)  # type: ignore[attr-defined]
    axes.yaxis.get_major_formatter().set_useOffset(False)  # type: ignore[attr-defined]
    axes.locator_params(nbins=4)
    canvas.name_axes(axes, "longitude (°)", "latitude (°)")
    if len(observed):
        geopandas.GeoSeries(observed).plot(ax=axes, color=_GROUND, aspect=None, rasterized=True)
    pixel = (east - west) * squeeze / axes.get_window_extent().width  # degrees of latitude, roughly
    size = next(size for most, size in _DOTS if len(shapes) <= most)
    dot = math.sqrt(size) / 72 * canvas.DPI * pixel  # smaller polygons are drawn as dots: nobody would see them
    for order, (kind, colour) in enumerate(colours.items(), start=2):
        some = shapes[kinds == kind]
        if not len(some):
            continue
        bounds = shapely.bounds(some)
        sides = np.maximum((bounds[:, 2] - bounds[:, 0]) * squeeze, bounds[:, 3] - bounds[:, 1])
        small = sides < dot
        if (~small).any():
            outlines = geopandas.GeoSeries(some[~small])
            outlines.plot(ax=axes, color=colour, edgecolor="none", aspect=None, zorder=order, rasterized=True)
        middle = shapely.get_coordinates(shapely.centroid(some[small]))
        axes.scatter(middle[:, 0], middle[:, 1], s=size, color=colour, linewidths=0, zorder=order, rasterized=True)
    _scale_bar(axes, west, south, east, north, squeeze)


def _scale_bar(axes: Axes, west: float, south: float, east: float, north: float, squeeze: float) -> None:
    """A length of 1, 2 or 5 times a power of ten, about a quarter of the panel's width, in its lower left."""
    across = (east - west) * squeeze * _KILOMETRES
    power = 10 ** math.floor(math.log10(across / 4))
    length = max(step * power for step in (1, 2, 5) if step * power <= across / 4)
    start, level = west + (east - west) * 0.04, south + (north - south) * 0.04
    end = start + length / _KILOMETRES / squeeze
    axes.plot([start, end], [level, level], color=canvas.INK, linewidth=2, solid_capstyle="butt", zorder=9)
    words = f"{length:g} km" if length >= 1 else f"{length * 1000:g} m"
    above = level + (north - south) * 0.012
    label = axes.text((start + end) / 2, above, words, ha="center", va="bottom", fontsize=7, color=canvas.INK, zorder=9)
    label.set_bbox({"facecolor": "white", "alpha": 0.8, "pad": 1, "edgecolor": "none"})
