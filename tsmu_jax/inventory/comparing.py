"""Compares an inventory with another catalogue, and keeps the matches in the inventory."""

import dataclasses
from pathlib import Path

import numpy as np

from tsmu_jax.inventory import brackets, geopackage, matching, others, reading, schema
from tsmu_jax.inventory.brackets import Bracket
from tsmu_jax.inventory.matching import Matches, Overlap, Pair
from tsmu_jax.inventory.others import Other
from tsmu_jax.inventory.reading import Which


@dataclasses.dataclass(frozen=True)
class Comparison:
    """An inventory beside another catalogue.

    Attributes:
      fids, uuids, geometries, dates: of the inventory's landslides; the uuid is None where an inventory of an
        older release has a row that a person drew.
      on_observed: bool for each of the other's, whether it lies on ground that the inventory has observed.
      area: None unless all are polygons.
    """

    fids: tuple[int, ...]
    uuids: tuple[str | None, ...]
    geometries: np.ndarray
    dates: tuple[Bracket, ...]
    other: Other
    on_observed: np.ndarray
    matches: Matches
    area: Overlap | None


def compare(inventory: Path, path: Path, named: others.Columns, *, which: Which, distance_m: float) -> Comparison:
    """Matches landslides both ways.

    Args:
      path: the other catalogue.
      named: its columns.
      which: of the inventory's landslides.
      distance_m: how far apart a pair may lie.

    Raises:
      UserError: one of the files cannot be read.
    """
    names = (reading.FID, "uuid", "Date", "date_min", "date_max", geopackage.GEOMETRY)
    with reading.opened(inventory) as database:
        where = f"{reading.WHERE[which]} AND geometry IS NOT NULL"
        found = reading.columns(database, schema.LANDSLIDES, names, where)
        looked = reading.columns(database, schema.OBSERVED, (geopackage.GEOMETRY,), "geometry IS NOT NULL")
    ours = reading.geometries(found[geopackage.GEOMETRY], inventory)
    observed = reading.geometries(looked[geopackage.GEOMETRY], inventory)
    dates = tuple(map(brackets.of_landslide, found["Date"], found["date_min"], found["date_max"]))
    other = others.read(path, named)  # after SQLite has closed the inventory, which may be the same file
    return Comparison(
        tuple(found[reading.FID]),
        tuple(found["uuid"]),
        ours,
        dates,
        other,
        _on_ground(other.geometries, observed),
        matching.match(ours, other.geometries, dates, other.dates, distance_m=distance_m),
        matching.overlap(ours, other.geometries),
    )


def _on_ground(shapes: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Whether each geometry meets ground that was observed, bool[n]."""
    import shapely

    found = np.zeros(len(shapes), bool)
    if len(observed):
        parts = shapely.get_parts(observed)
        placed, positions = matching.turned(shapes)
        inside, _ = shapely.STRtree(parts).query(placed, predicate="intersects")
        found[positions[inside]] = True
    return found


def keep(comparison: Comparison, inventory: Path) -> int:
    """Writes the nearest match of each landslide into the inventory, all in one transaction.

    `matched_usgs_id` and `match_distance_m` of every row that was compared are those of this comparison: empty where
    nothing matches. They are notes about the row and no part of a review: reviewed rows get them, too.

    Returns:
      Number of rows with a match.

    Raises:
      UserError: the inventory cannot be changed; then it is as before.
    """
    best = comparison.matches.our_best
    with geopackage.transaction(inventory) as database:
        database.executemany(
            "UPDATE landslides SET matched_usgs_id = ?, match_distance_m = ? WHERE OBJECTID = ?",
            [(*_kept(comparison.other, best.get(index)), fid) for index, fid in enumerate(comparison.fids)],
        )
    return len(best)


def _kept(other: Other, pair: Pair | None) -> tuple[str | None, float | None]:
    return (other.ids[pair.theirs], round(pair.distance_m, 2)) if pair else (None, None)
