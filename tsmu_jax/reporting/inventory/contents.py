"""What an inventory's summary is made of: its landslides, the ground that was observed, its scenes."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax.inventory import degrees, geopackage, reading, schema
from tsmu_jax.inventory.schema import DECISIONS, LANDSLIDES, OBSERVATIONS, OBSERVED, REVIEWED, SCENES

CURRENT, REJECTED, SUPERSEDED = "current", reading.REJECTED, "superseded"
_COLUMNS = (
    "uuid",
    "Confidence",
    "ecoregion",
    "post_image",
    "review_status",
    "superseded_by",
    "Date",
    "date_min",
    "date_max",
    "selection_margin",
    "touches_edge",
    "amalgamated",
    "matched_usgs_id",
    "prob_mean",
    "found_by",
    "original_geometry",
)


@dataclasses.dataclass(frozen=True)
class Contents:
    """An inventory.

    Attributes:
      name: of its file.
      landslides: columns of all rows with a geometry, object[n] each.
      shapes: their shapely geometries in degrees, from -180 to 180.
      originals: those of the model, where people have changed them; None elsewhere.
      area_m2: f64[n], of the geometries as they are now, on the ellipsoid.
      observed: columns of the table `observed`, and their geometries.
      reviewed_shapes: geometries of the ground that people have looked at wholly.
      scenes, observations, decisions: columns of these tables.
      without_geometry: number of rows that are left out.
    """

    name: str
    landslides: Mapping[str, np.ndarray]
    shapes: np.ndarray
    originals: np.ndarray
    area_m2: np.ndarray
    observed: Mapping[str, np.ndarray]
    observed_shapes: np.ndarray
    reviewed_shapes: np.ndarray
    scenes: Mapping[str, np.ndarray]
    observations: Mapping[str, np.ndarray]
    decisions: Mapping[str, np.ndarray]
    without_geometry: int

    @functools.cached_property
    def state(self) -> np.ndarray:
        """Of each landslide: CURRENT, or why it does not count."""
        status = self.landslides["review_status"]
        superseded = np.array(list(map(reading.is_superseded, status, self.landslides["superseded_by"])), bool)
        return np.where(status == REJECTED, REJECTED, np.where(superseded, SUPERSEDED, CURRENT))

    @property
    def current(self) -> np.ndarray:
        """Positions of the landslides that count."""
        return np.flatnonzero(self.state == CURRENT)

    def of_current(self, column: str) -> list[Any]:
        """A column of the landslides that count."""
        return list(self.landslides[column][self.current])

    @functools.cached_property
    def observed_m2(self) -> float:
        """Area that was looked at, ground in several scenes once."""
        return degrees.covered_m2(self.observed_shapes)

    @functools.cached_property
    def reviewed_m2(self) -> float:
        """Area that people have looked at wholly, ground in several pieces once."""
        return degrees.covered_m2(self.reviewed_shapes)

    @functools.cached_property
    def landslide_m2(self) -> float:
        """Area of the landslides that count, ground in several once."""
        return degrees.covered_m2(self.shapes[self.current])


def read(inventory: Path) -> Contents:
    """Reads an inventory. Raises UserError where it is none, or a geometry in it is none."""
    with reading.opened(inventory) as database:
        found = reading.columns(database, LANDSLIDES, (*_COLUMNS, geopackage.GEOMETRY))
        names = ("scene", "model_id", "min_area_m2", geopackage.GEOMETRY)
        looked = reading.columns(database, OBSERVED, names, "geometry IS NOT NULL")
        reviewed = reading.columns(database, REVIEWED, (geopackage.GEOMETRY,), "geometry IS NOT NULL")
        scenes = reading.columns(database, SCENES, [column.name for column in schema.SCENES.columns])
        seen = reading.columns(database, OBSERVATIONS, ("uuid", "scene", "model_id"))
        decided = reading.columns(database, DECISIONS, ("landslide", "verdict", "reviewer", "decided_at", "seen"))
    every = reading.geometries(found.pop(geopackage.GEOMETRY), inventory)
    originals = reading.geometries(found.pop("original_geometry"), inventory)
    kept = np.array([shape is not None and not shape.is_empty for shape in every], bool)
    ground = [reading.geometries(columns.pop(geopackage.GEOMETRY), inventory) for columns in (looked, reviewed)]
    shapes, observed, judged = map(_cut, (every[kept], *ground))
    return Contents(
        name=inventory.name,
        landslides={name: _array(values)[kept] for name, values in found.items()},
        shapes=shapes,
        originals=_cut(originals[kept]),
        area_m2=_areas(shapes),
        observed={name: _array(values) for name, values in looked.items()},
        observed_shapes=observed,
        reviewed_shapes=judged,
        scenes={name: _array(values) for name, values in scenes.items()},
        observations={name: _array(values) for name, values in seen.items()},
        decisions={name: _array(values) for name, values in decided.items()},
        without_geometry=int((~kept).sum()),
    )


def _array(values: list[Any]) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _cut(shapes: np.ndarray) -> np.ndarray:
    return _array([shape and degrees.within_bounds(shape) for shape in shapes])


def _areas(shapes: np.ndarray) -> np.ndarray:
    import shapely

    return np.asarray(shapely.area(degrees.equal_area(shapes)), np.float64) if len(shapes) else np.zeros(0)
