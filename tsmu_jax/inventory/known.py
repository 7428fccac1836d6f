"""Finds again the landslides that an inventory holds already. Reads alone; `renewing` changes rows."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from tsmu_jax.inventory import geopackage, schema
from tsmu_jax.inventory.rows import UNREVIEWED

SAME = 0.5  # intersection over union from which on two polygons are one landslide

Row = dict[str, Any]


class Known:
    """The landslides of an inventory, as a model's map finds them again. One transaction uses it."""

    def __init__(self, database: sqlite3.Connection, model: str, looked: Any) -> None:
        """Reads the outlines that people have changed.

        Args:
          model: digest.
          looked: the ground that the map shows, a shapely geometry in degrees.
        """
        import shapely

        self._database, self._model, self._looked = database, model, looked
        where = "original_geometry IS NOT NULL AND geometry IS NOT NULL"
        held = database.execute(f"SELECT OBJECTID, original_geometry FROM landslides WHERE {where}").fetchall()
        self._edited = [row for row, _ in held]
        self._originals = shapely.STRtree([geopackage.decoded_valid(blob) for _, blob in held])
        self._shown: dict[int, Any] = {}  # ground that other maps show, by the row of `observed`

    def same(self, geometry: Any, *, cut: bool) -> Row | None:
        """The row of the same landslide: a reviewed one before an unreviewed one of this model.

        A reviewed landslide is the same if its outline is, or the model's outline that a person has changed, or the
        outlines of all reviewed landslides that lie inside the geometry. Where the edge of a scene cuts either of two
        landslides, they are the same if most of what is cut lies in the other one, on ground that both scenes show.

        Args:
          geometry: shapely geometry in degrees.
          cut: whether it ends at ground that was not looked at.
        """
        near = list(near_rows(self._database, geometry.bounds))
        reviewed = [row for row in near if row["review_status"] != UNREVIEWED]
        own = [row for row in near if row["review_status"] == UNREVIEWED and self._is_own(row)]
        return (
            _most_alike(_outlines(reviewed), geometry)
            or self._changed(geometry)
            or _largest_part(reviewed, geometry)
            or _most_alike(_outlines(own), geometry)
            or next(iter(self._on_shared_ground(reviewed, geometry, cut)), None)
            or next(iter(self._on_shared_ground(own, geometry, cut)), None)
        )

    def parts(self, geometry: Any, *, cut: bool) -> list[Row]:
        """Unreviewed rows of this model that are the same landslide, each of which an edge cuts; as for `same`."""
        near = near_rows(self._database, geometry.bounds)
        own = [row for row in near if row["review_status"] == UNREVIEWED and self._is_own(row) and row["touches_edge"]]
        return self._on_shared_ground(own, geometry, cut)

    def covered(self, geometry: Any) -> list[Row]:
        """Reviewed rows of which most lies in a geometry: a model may show several landslides as one."""
        reviewed = [row for row in near_rows(self._database, geometry.bounds) if row["review_status"] != UNREVIEWED]
        return [row for row, _ in _inside(reviewed, geometry)]

    def predecessor(self, geometry: Any, *, cut: bool) -> Row | None:
        """The same landslide as another model found it, which this one's maps have superseded; as for `same`."""
        near = near_rows(self._database, geometry.bounds)
        others = [row for row in near if row["model_id"] != self._model and row["superseded_by"] == self._model]
        shared = self._on_shared_ground(others, geometry, cut)
        return _most_alike(_outlines(others), geometry) or next(iter(shared), None)

    def _is_own(self, row: Row) -> bool:
        """Whether this model found it, and has not found more of it since."""
        return bool(row["model_id"] == self._model != row["superseded_by"])

    def _changed(self, geometry: Any) -> Row | None:
        """The row whose outline a person has changed from one like this."""
        rows = [self._edited[at] for at in self._originals.query(geometry, predicate="intersects")]
        marks = ", ".join("?" * len(rows))
        found = geopackage.rows(self._database, schema.LANDSLIDES, f"OBJECTID IN ({marks})", rows)
        reviewed = [row for row in found if row["review_status"] != UNREVIEWED]
        return _most_alike(_outlines(reviewed, "original_geometry"), geometry)

    def _on_shared_ground(self, rows: Iterable[Row], geometry: Any, cut: bool) -> list[Row]:
        """The rows that are the same landslide where an edge cuts them or the geometry, the largest common area first.

        The ground of each scene is looked at by itself: an outline is what one of them shows.
        """
        import shapely

        found = []
        for row, other in _outlines([row for row in rows if cut or row["touches_edge"]]):
            if not other.intersects(geometry) or not common(other, geometry).area:  # neighbours often touch
                continue
            here = common(self._looked, shapely.box(*shapely.total_bounds([other, geometry])))
            most = 0.0
            for ground in self._grounds(row):
                shared = common(here, ground)
                ours, theirs = common(geometry, shared), common(other, shared)
                of_cut = min(one.area for one, is_cut in ((ours, cut), (theirs, row["touches_edge"])) if is_cut)
                both = common(ours, theirs).area
                most = max(most, both if both > SAME * of_cut else 0.0)
            if most:
                found.append((most, row))
        return [row for _, row in sorted(found, key=lambda pair: -pair[0])]

    def _grounds(self, row: Row) -> Iterator[Any]:
        """The ground that the scenes show in which a landslide was found."""
        where = "scene IN (SELECT scene FROM observations WHERE uuid = ?)"
        for observed in geopackage.rows(self._database, schema.OBSERVED, where, [row["uuid"]]):
            number = observed["OBJECTID"]
            if number not in self._shown:
                self._shown[number] = geopackage.decoded_valid(observed[geopackage.GEOMETRY])
            yield self._shown[number]


def near_rows(database: sqlite3.Connection, bounds: tuple[float, float, float, float]) -> Iterator[Row]:
    """Landslides whose boxes meet another one (west, south, east, north), by the spatial index."""
    west, south, east, north = bounds
    where = (
        "OBJECTID IN (SELECT id FROM rtree_landslides_geometry "
        "WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?)"
    )
    yield from list(geopackage.rows(database, schema.LANDSLIDES, where, (west, east, south, north)))


def _outlines(rows: Iterable[Row], column: str = geopackage.GEOMETRY) -> list[tuple[Row, Any]]:
    return [(row, geopackage.decoded_valid(row[column])) for row in rows]


def common(one: Any, other: Any) -> Any:
    """The area that two polygons share, without the lines and points where they touch: GEOS intersects no mixtures."""
    import shapely

    parts = shapely.get_parts(one.intersection(other))
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def _alike(one: Any, other: Any) -> float:
    """Intersection over union; 0 where that is no more than SAME: the union takes most of the time."""
    shared = one.intersection(other).area
    return shared / one.union(other).area if shared > SAME * max(one.area, other.area) else 0.0


def _most_alike(outlines: Iterable[tuple[Row, Any]], geometry: Any) -> Row | None:
    """The row whose outline is most like a geometry; None where no outline is the same landslide."""
    best, most = None, SAME
    for row, other in outlines:
        share = _alike(other, geometry)
        if share > most:
            best, most = row, share
    return best


def _inside(rows: Iterable[Row], geometry: Any) -> list[tuple[Row, Any]]:
    """The rows of which most lies in a geometry, and their outlines."""
    return [(row, one) for row, one in _outlines(rows) if one.intersection(geometry).area > SAME * one.area]


def _largest_part(rows: Iterable[Row], geometry: Any) -> Row | None:
    """Of rows that lie inside a geometry the largest one; None where these together are another landslide."""
    import shapely

    inside = _inside(rows, geometry)
    together = shapely.union_all([one for _, one in inside])
    if inside and together.intersection(geometry).area > SAME * together.union(geometry).area:
        return max(inside, key=lambda pair: float(pair[1].area))[0]
    return None
