"""Changes unreviewed rows of an inventory by what a later map says: marks, observations, brackets, empty columns.

Rows that somebody has reviewed stay as they are.
"""

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.inventory import geopackage, schema
from tsmu_jax.inventory.known import Known, Row, near_rows
from tsmu_jax.inventory.rows import UNREVIEWED
from tsmu_jax.inventory.shown import Pieces

_TERRAIN = ("height_m", "slope_deg", "aspect_deg")


class Entered(NamedTuple):
    """What became of a landslide of a map.

    Attributes:
      known: whether the inventory held it already.
      filled: whether a row got slopes or an uncertainty that it lacked.
      without_terrain: whether it is a row of its own without heights.
    """

    known: bool
    filled: bool
    without_terrain: bool


def enter(database: sqlite3.Connection, held: Known, geometry: Any, row: Row, scene: str) -> Entered:
    """Enters a landslide of a map: as a new row, or as an observation of the same landslide.

    Where the inventory has but parts of it, which the edge of another scene cut off, and nobody has reviewed these, the
    landslide gets a row, and the parts are marked as superseded. A row inherits the observations of what it supersedes.

    Args:
      geometry: shapely geometry in degrees.
      row: of `landslides`.
      scene: digest.
    """
    cut = bool(row["touches_edge"])
    same = held.same(geometry, cut=cut)
    part = same if same and _shows_more(row, same) else None
    current = row if same is None or part else same
    filled = False
    if current is row:
        geopackage.upsert(database, schema.LANDSLIDES, row, replace=False)
    elif current["review_status"] == UNREVIEWED:
        database.execute("UPDATE landslides SET superseded_by = NULL WHERE uuid = ?", [current["uuid"]])
        filled = fill(database, current, row)
    seen = {name: row[name] for name in ("model_id", "prob_mean", "area_m2")}
    for uuid in dict.fromkeys((current["uuid"], *(one["uuid"] for one in held.covered(geometry)))):
        geopackage.upsert(database, schema.OBSERVATIONS, {"uuid": uuid, "scene": scene} | seen)
    earlier: list[Row] = []
    if part:
        earlier = [part, *(one for one in held.parts(geometry, cut=cut) if _shows_more(row, one))]
    elif (other := held.predecessor(geometry, cut=cut)) and current["review_status"] == UNREVIEWED:
        earlier = [other]
    for one in earlier:
        if part:
            _mark(database, one, row["model_id"])
        _inherit(database, current, one)
    _narrow(database, current)
    return Entered(same is not None, filled, without_terrain=current is row and row["height_m"] is None)


def supersede(database: sqlite3.Connection, looked: Pieces, model: str) -> int:
    """Marks unreviewed rows of other models that lie where this one has looked. Returns their number."""
    every = near_rows(database, looked.bounds)
    others = [one for one in every if one["model_id"] != model and one["review_status"] == UNREVIEWED]
    current = [one for one in others if not one["superseded_by"]]
    shapes = np.array([geopackage.decoded_valid(one[geopackage.GEOMETRY]) for one in current], object)
    gone = np.flatnonzero(looked.hold(shapes))
    for at in gone:
        _mark(database, current[at], model)
    return len(gone)


def fill(database: sqlite3.Connection, held: Row, row: Row) -> bool:
    """Fills terrain and uncertainty of an unreviewed row that has none, from a row of the very same outline.

    Returns:
      Whether there was something to fill.
    """
    if held["review_status"] != UNREVIEWED or held[geopackage.GEOMETRY] != row[geopackage.GEOMETRY]:
        return False
    names = list(_TERRAIN) if held["height_m"] is None else []
    names += ["uncertainty"] if held["uncertainty"] is None else []
    values = {name: row[name] for name in names if row[name] is not None}
    if values:
        changes = ", ".join(f"{name} = :{name}" for name in values)
        database.execute(f"UPDATE landslides SET {changes} WHERE uuid = :uuid", {**values, "uuid": held["uuid"]})
    return bool(values)


def narrow(database: sqlite3.Connection, scene: str) -> int:
    """Narrows the brackets of a scene's landslides, after the scene got dates. Returns the number of changed rows."""
    where = "uuid IN (SELECT uuid FROM observations WHERE scene = ?)"
    return sum(_narrow(database, row) for row in list(geopackage.rows(database, schema.LANDSLIDES, where, [scene])))


def _shows_more(row: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Whether a row shows more of a landslide than an unreviewed one, which an edge cuts."""
    if held["review_status"] != UNREVIEWED or not held["touches_edge"]:
        return False
    return not row["touches_edge"] or bool(row["area_m2"] > held["area_m2"])


def _mark(database: sqlite3.Connection, row: Mapping[str, Any], model: str) -> None:
    database.execute("UPDATE landslides SET superseded_by = ? WHERE uuid = ?", (model, row["uuid"]))


def _inherit(database: sqlite3.Connection, heir: Mapping[str, Any], earlier: Mapping[str, Any]) -> None:
    """Makes the observations of one row those of another one as well."""
    database.execute(
        "INSERT OR IGNORE INTO observations (uuid, scene, model_id, prob_mean, area_m2) "
        "SELECT ?, scene, model_id, prob_mean, area_m2 FROM observations WHERE uuid = ? ORDER BY OBJECTID",
        (heir["uuid"], earlier["uuid"]),
    )


def _narrow(database: sqlite3.Connection, row: Mapping[str, Any]) -> bool:
    """Gives an unreviewed landslide the narrowest bracket of dates of the scenes in which it was found.

    It was there when the earliest of their post-event images was taken. A later pre-event image says nothing: a
    landslide can be seen for years. ISO 8601 in UTC sorts by time. Returns whether the bracket is another one now.
    """
    found = database.execute(
        "SELECT pre_date, post_date FROM scenes JOIN observations USING (scene) WHERE uuid = :uuid "
        "UNION ALL SELECT date_min, date_max FROM landslides WHERE uuid = :uuid",
        {"uuid": row["uuid"]},
    ).fetchall()
    late = min((post for _, post in found if post), default=None)
    early = max((pre for pre, _ in found if pre and (late is None or pre <= late)), default=None)
    changed = database.execute(
        "UPDATE landslides SET date_min = :early, date_max = :late "
        "WHERE uuid = :uuid AND review_status = :unreviewed AND (date_min IS NOT :early OR date_max IS NOT :late)",
        {"early": early, "late": late, "uuid": row["uuid"], "unreviewed": UNREVIEWED},
    )
    return changed.rowcount > 0
