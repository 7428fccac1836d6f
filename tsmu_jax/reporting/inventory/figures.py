"""Figures of an inventory's summary."""

import dataclasses

import numpy as np
from matplotlib.figure import Figure

from tsmu_jax.inventory import brackets
from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.charts.counts import Bar, counts
from tsmu_jax.reporting.charts.date_brackets import Span, date_brackets
from tsmu_jax.reporting.charts.frequency_area import frequency_area
from tsmu_jax.reporting.charts.landslide_map import MOST_PANELS, areas, landslide_map
from tsmu_jax.reporting.charts.sources import Source, sources
from tsmu_jax.reporting.inventory import numbers
from tsmu_jax.reporting.inventory.contents import REJECTED, SUPERSEDED, Contents
from tsmu_jax.reporting.inventory.distribution import Distribution

# In the order of the legend: later ones lie on top.
KINDS = {
    "unreviewed, possible": "#F2C879",
    "unreviewed, probable": canvas.ORANGE,
    "unreviewed, likely": canvas.VERMILLION,
    "edited": canvas.BLUE,
    "accepted": canvas.GREEN,
}
_UNREVIEWED = {1: "unreviewed, possible", 2: "unreviewed, probable", 3: "unreviewed, likely"}
_MOST_BARS, _MOST_SCENES, _MOST_SPANS = 15, 30, 25
_NEAR_180 = 170.0  # degrees of longitude


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A figure. Attributes: name: of its file, without suffix; notes: what it leaves out."""

    name: str
    caption: str
    figure: Figure
    notes: tuple[str, ...] = ()


def all_figures(contents: Contents, known: Distribution) -> tuple[Drawn, ...]:
    """Every figure of the page, in its order."""
    return (_map(contents), _sizes(contents, known), _counts(contents), _dates(contents), _sources(contents))


def kinds(contents: Contents) -> np.ndarray:
    """How the map calls each landslide that counts, object[n]."""
    status, confidence = contents.of_current("review_status"), contents.of_current("Confidence")
    found = np.empty(len(status), object)
    for index, (state, degree) in enumerate(zip(status, confidence, strict=True)):
        found[index] = state if state in KINDS else _UNREVIEWED.get(degree, _UNREVIEWED[1])
    return found


def _map(contents: Contents) -> Drawn:
    observed, shapes = _side_by_side(contents.observed_shapes, contents.shapes[contents.current])
    every = areas(observed, shapes)
    shown = every[:MOST_PANELS]
    notes = [
        "Rejected and superseded rows are not drawn. Landslides that would be too small to see are dots, larger than "
        "they are."
    ]
    if len(every) > len(shown):
        left = sum(len(area.landslides) for area in every[len(shown) :])
        notes.append(f"{len(every) - len(shown)} more areas with {left:,} landslides are not drawn.")
    figure = landslide_map(observed, shapes, kinds(contents), KINDS, shown)
    return Drawn("map", "Landslides over the ground that was observed", figure, tuple(notes))


def _side_by_side(*groups: np.ndarray) -> list[np.ndarray]:
    """Geometries whose longitudes count on beyond 180 degrees where some lie on both sides of it."""
    import shapely

    bounds = [shapely.bounds(shapes) for shapes in groups if len(shapes)]
    every = np.concatenate(bounds) if bounds else np.zeros((0, 4))
    if not ((every[:, 2] > _NEAR_180).any() and (every[:, 0] < -_NEAR_180).any()):
        return list(groups)

    def moved(points: np.ndarray) -> np.ndarray:
        return np.stack([np.where(points[:, 0] < -_NEAR_180, points[:, 0] + 360, points[:, 0]), points[:, 1]], axis=1)

    return [np.asarray(shapely.transform(shapes, moved), object) for shapes in groups]


def _sizes(contents: Contents, known: Distribution) -> Drawn:
    gsd = [value for value in contents.scenes["gsd_m"] if value is not None]
    figure = frequency_area(known, max(gsd) ** 2 if gsd else None)
    if known.rollover is None:
        told = "No rollover is told: there are too few landslides, or the density falls from the first bin on."
    else:
        told = "Below the rollover landslides are rarer, or they are too small for the images and were missed."
    return Drawn("frequency_area", "Frequency-area distribution, with standard errors of the counts", figure, (told,))


def _counts(contents: Contents) -> Drawn:
    ecoregions = numbers.by_ecoregion(contents)
    shown = dict(list(ecoregions.items())[:_MOST_BARS])
    notes: tuple[str, ...] = ()
    if len(ecoregions) > len(shown):
        notes = (f"{len(ecoregions) - len(shown)} more ecoregions stand in the table.",)
    groups = {
        "ecoregion of the model": [Bar(name, count, canvas.BLUE) for name, count in shown.items()]
        or [Bar("none", 0, canvas.BLUE)],
        "confidence": [Bar(name, count, canvas.ORANGE) for name, count in numbers.by_confidence(contents).items()],
        "review": [
            Bar(name, count, canvas.GREY if name in (REJECTED, SUPERSEDED) else canvas.GREEN)
            for name, count in numbers.by_status(contents).items()
        ],
    }
    return Drawn("counts", "Counts by ecoregion, confidence and review", counts(groups), notes)


def _dates(contents: Contents) -> Drawn:
    dated = [(bracket, count) for bracket, count in numbers.dates(contents).items() if bracket != brackets.OPEN]
    shown = sorted(sorted(dated, key=lambda item: -item[1])[:_MOST_SPANS], key=dated.index)
    notes: tuple[str, ...] = ()
    if len(dated) > len(shown):
        notes = (f"{len(dated) - len(shown)} more pairs of dates with fewer landslides stand in the table.",)
    figure = date_brackets([Span(*bracket, count) for bracket, count in shown])
    return Drawn("dates", "Between which dates the landslides happened", figure, notes)


def _sources(contents: Contents) -> Drawn:
    every = numbers.scenes(contents)
    shown = [
        Source(f"{one.name} {(one.post_date or '')[:10]}", one.overlap, one.shift_px, one.margin, one.gsd_m)
        for one in every[:_MOST_SCENES]
    ]
    notes = ["Beyond the dashed lines mapping warns. One line a scene, those whose dates fit worst first."]
    if len(every) > len(shown):
        notes.append(f"{len(every) - len(shown)} more scenes stand in the table.")
    return Drawn("sources", "Quality of the sources", sources(shown), tuple(notes))
