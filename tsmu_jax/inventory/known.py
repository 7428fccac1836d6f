"""Landslides that an inventory holds already: finds them again, marks them as superseded, fills their empty columns."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tsmu_jax.inventory import geopackage, schema
from tsmu_jax.inventory.rows import UNREVIEWED, Dates

SAME = 0.5  # intersection over union from which on two polygons are one landslide
_TERRAIN = ("height_m", "slope_deg", "aspect_deg")


class Known:
    """The landslides of an inventory, as a model's map finds them again. One transaction uses it."""

    def __init__(self, database: sqlite3.Connection, model: str) -> None:
        """Reads the outlines that people have changed. Args: model: digest."""
        import shapely

        self._database, self._model = database, model
        where = "original_geometry IS NOT NULL AND geometry IS NOT NULL"
        held = database.execute(f"SELECT OBJECTID, original_geometry FROM landslides WHERE {where}").fetchall()
        self._edited = [row for row, _ in held]
        self._originals = shapely.STRtree([geopackage.decoded_valid(blob) for _, blob in held])

    def same(self, geometry: Any) -> dict[str, Any] | None:
        """The row of the same landslide: a reviewed one before an unreviewed one of this model.

        A reviewed landslide is the same if its outline is, or the model's outline that a person has changed, or the
        outlines of all reviewed landslides that lie inside the geometry.
        """
        near = list(_near(self._database, geometry))
        reviewed = [row for row in near if row["review_status"] != UNREVIEWED]
        own = [row for row in near if row["review_status"] == UNREVIEWED and row["model_id"] == self._model]
        return (
            _most_alike(reviewed, geometry)
            or self._changed(geometry)
            or _largest_part(reviewed, geometry)
            or _most_alike(own, geometry)
        )

    def _changed(self, geometry: Any) -> dict[str, Any] | None:
        """The row whose outline a person has changed from one like this."""
        rows = [self._edited[at] for at in self._originals.query(geometry, predicate="intersects")]
        marks = ", ".join("?" * len(rows))
        found = geopackage.rows(self._database, schema.LANDSLIDES, f"OBJECTID IN ({marks})", rows)
        reviewed = [row for row in found if row["review_status"] != UNREVIEWED]
        return _most_alike(reviewed, geometry, "original_geometry")


def supersede(database: sqlite3.Connection, looked: Any, model: str) -> int:
    """Marks unreviewed rows of other models that lie where this one has looked. Returns their number."""
    marked = 0
    for row in _near(database, looked):
        if row["model_id"] == model or row["review_status"] != UNREVIEWED or row["superseded_by"]:
            continue
        other = geopackage.decoded_valid(row[geopackage.GEOMETRY])
        if other.intersection(looked).area > SAME * other.area:
            database.execute("UPDATE landslides SET superseded_by = ? WHERE uuid = ?", (model, row["uuid"]))
            marked += 1
    return marked


def renew(database: sqlite3.Connection, held: Mapping[str, Any], dates: Dates) -> None:
    """Makes an unreviewed row that its model has found again current, and narrows the bracket of its date.

    ISO 8601 in UTC sorts by time.
    """
    if held["review_status"] != UNREVIEWED:
        return
    early, late = (
        [date for date in both if date] for both in ((held["date_min"], dates.pre), (held["date_max"], dates.post))
    )
    database.execute(
        "UPDATE landslides SET date_min = ?, date_max = ?, superseded_by = NULL WHERE uuid = ?",
        (max(early, default=None), min(late, default=None), held["uuid"]),
    )


def fill(database: sqlite3.Connection, held: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
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


def _near(database: sqlite3.Connection, geometry: Any) -> Iterator[dict[str, Any]]:
    """Landslides whose boxes meet that of a geometry, by the spatial index."""
    west, south, east, north = geometry.bounds
    where = (
        "OBJECTID IN (SELECT id FROM rtree_landslides_geometry "
        "WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?)"
    )
    yield from list(geopackage.rows(database, schema.LANDSLIDES, where, (west, east, south, north)))


def _most_alike(
    rows: Sequence[dict[str, Any]], geometry: Any, column: str = geopackage.GEOMETRY
) -> dict[str, Any] | None:
    """The row whose outline is most like a geometry; None where no outline is the same landslide."""
    best, most = None, SAME
    for row in rows:
        other = geopackage.decoded_valid(row[column])
        shared = other.intersection(geometry).area
        if shared <= most * max(other.area, geometry.area):  # the union, which takes most of the time, is no smaller
            continue
        together = other.union(geometry).area
        if shared > most * together:
            best, most = row, shared / together
    return best


def _largest_part(rows: Sequence[dict[str, Any]], geometry: Any) -> dict[str, Any] | None:
    """Of rows that lie inside a geometry the largest one; None where these together are another landslide."""
    import shapely

    outlines = [(row, geopackage.decoded_valid(row[geopackage.GEOMETRY])) for row in rows]
    inside = [(row, one) for row, one in outlines if one.intersection(geometry).area > SAME * one.area]
    together = shapely.union_all([one for _, one in inside])
    if together.intersection(geometry).area > SAME * together.union(geometry).area:
        return max(inside, key=lambda pair: float(pair[1].area))[0]
    return None
