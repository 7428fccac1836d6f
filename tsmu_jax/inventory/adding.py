"""Adds a finished map to an inventory: one transaction, which the same map repeats without a change."""

import contextlib
import datetime
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, measures, rows, schema, terrain
from tsmu_jax.inventory.ground import Ground, on_ground, together
from tsmu_jax.inventory.polygons import Detection, detections
from tsmu_jax.inventory.rows import UNDATED, UNREVIEWED, Dates
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import layers

SAME = 0.5  # intersection over union from which on two polygons are one landslide


class Added(NamedTuple):
    """Counts of a map's landslides, by what the inventory did with them.

    Attributes:
      new: rows that were written.
      known: found again, in rows of other scenes or in reviewed ones.
      superseded: rows of other models that were marked.
      same: whether this map was in the inventory, and nothing was changed.
      without_terrain: new rows whose ground an elevation model does not cover.
    """

    new: int
    known: int
    superseded: int
    same: bool
    without_terrain: int = 0


def add(
    inventory: Path, directory: Path, model: SavedModel, *, dates: Dates = UNDATED, dem: Path | None = None
) -> Added:
    """Adds what a map found, where it looked, and which model looked.

    Rows that somebody has reviewed are never changed. Those of other models that nobody has reviewed are marked as
    superseded where this map looked. What lies on a row of the same model in another scene, or on a reviewed row, is
    another observation of the same landslide.

    Args:
      inventory: a GeoPackage, made where there is none.
      directory: of a finished map.
      model: that made it.
      dates: of the scene's images.
      dem: elevation model, for the slopes of new rows.

    Raises:
      UserError: the map is unfinished or another model's, or the inventory cannot be changed; then it is as before.
    """
    record = _record(directory, model)
    scene = _digest(record["images"])
    if not inventory.exists():
        geopackage.create(inventory)
    with contextlib.ExitStack() as files:
        elevation = files.enter_context(terrain.opened(dem)) if dem else None
        database = files.enter_context(geopackage.transaction(inventory))
        measures.complete(database)
        place = {"scene": scene, "model_id": model.digest, "config_digest": record["configuration"]}
        if next(geopackage.rows(database, schema.OBSERVED, _where(place), list(place.values())), None):
            return Added(0, 0, 0, same=True)
        geopackage.upsert(database, schema.MODELS, rows.model_row(model))
        geopackage.upsert(database, schema.SCENES, rows.scene_row(record, scene, dates))
        looked = _observed(directory, record)
        mapped_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        observed = {**place, "area_m2": looked.area_m2, "mapped_at": mapped_at}
        observed[geopackage.GEOMETRY] = geopackage.encoded(looked.geometry)
        geopackage.upsert(database, schema.OBSERVED, observed)
        superseded = _supersede(database, looked.geometry, model.digest)
        new = known = without_terrain = 0
        for detection, ground in _found(directory, record):
            again = _same(database, ground.geometry, model.digest)
            slope = elevation.measure(detection.geometry, record["grid"]["crs"]) if elevation else terrain.UNKNOWN
            row = rows.landslide_row(record, detection, ground, scene, model.digest, dates, slope)
            if again is None:
                geopackage.upsert(database, schema.LANDSLIDES, row, replace=False)
                new += 1
                without_terrain += slope.height_m is None
            else:
                known += 1
                row["uuid"] = again["uuid"]
                _narrow(database, again, dates)
            seen = {name: row[name] for name in ("uuid", "model_id", "prob_mean", "area_m2")} | {"scene": scene}
            geopackage.upsert(database, schema.OBSERVATIONS, seen)
        return Added(new, known, superseded, same=False, without_terrain=without_terrain if elevation else 0)


def check(inventory: Path) -> None:
    """Raises UserError where `add` would: before hours of mapping."""
    try:
        import pyogrio  # noqa: F401
        import pyproj  # noqa: F401
        import shapely  # noqa: F401
    except ImportError as error:
        raise UserError(f"--inventory needs {error.name}: pip install 'tsmu_jax[geo]'") from error
    if inventory.exists():
        geopackage.try_writing(inventory)
    elif not inventory.parent.is_dir():
        raise UserError(f"--inventory={inventory}: there is no directory {inventory.parent}; make it")


def _record(directory: Path, model: SavedModel) -> dict[str, Any]:
    from tsmu_jax import untrusted
    from tsmu_jax.scenes.directory import FINISHED, MANIFEST

    try:
        record = dict(untrusted.read(directory / MANIFEST))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{directory / MANIFEST}: cannot be read ({error}); map the scene first") from error
    if FINISHED not in record:
        raise UserError(f"{directory}: its map is unfinished; the command that began it goes on with it")
    if record["model"] != model.digest:
        raise UserError(f"{directory}: was mapped by another model ({record['model']:.12}); name that one")
    return record


def _digest(images: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(images, sort_keys=True).encode()).hexdigest()


def _where(values: Mapping[str, Any]) -> str:
    return " AND ".join(f'"{name}" = ?' for name in values)


def _found(directory: Path, record: Mapping[str, Any]) -> Iterator[tuple[Detection, Ground]]:
    crs, pixel = record["grid"]["crs"], abs(record["grid"]["transform"][0])
    for detection in detections(directory):
        yield detection, on_ground(detection.geometry, crs, pixel)


def _observed(directory: Path, record: Mapping[str, Any]) -> Ground:
    """The ground that was looked at."""
    import rasterio
    from rasterio.features import shapes
    from shapely.geometry import shape

    with rasterio.open(directory / layers.OBSERVED) as file:
        parts = [shape(outline) for outline, value in shapes(rasterio.band(file, 1), connectivity=4) if value == 1]
    if not parts:
        raise UserError(f"{directory}: none of its ground was looked at; there is nothing to add")
    grounds = [on_ground(part, record["grid"]["crs"], abs(record["grid"]["transform"][0])) for part in parts]
    return together(grounds)


def _near(database: sqlite3.Connection, geometry: Any) -> Iterator[dict[str, Any]]:
    """Landslides whose boxes meet that of a geometry, by the spatial index."""
    west, south, east, north = geometry.bounds
    where = (
        "OBJECTID IN (SELECT id FROM rtree_landslides_geometry "
        "WHERE maxx >= ? AND minx <= ? AND maxy >= ? AND miny <= ?)"
    )
    yield from list(geopackage.rows(database, schema.LANDSLIDES, where, (west, east, south, north)))


def _same(database: sqlite3.Connection, geometry: Any, model: str) -> dict[str, Any] | None:
    """The row of the same landslide: of this model, or reviewed."""
    for row in _near(database, geometry):
        if row["model_id"] == model or row["review_status"] != UNREVIEWED:
            other = geopackage.decoded_valid(row[geopackage.GEOMETRY])
            if other.intersection(geometry).area > SAME * other.union(geometry).area:
                return row
    return None


def _supersede(database: sqlite3.Connection, looked: Any, model: str) -> int:
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


def _narrow(database: sqlite3.Connection, row: Mapping[str, Any], dates: Dates) -> None:
    """Narrows the bracket of an unreviewed row's date: ISO 8601 in UTC sorts by time."""
    if row["review_status"] != UNREVIEWED:
        return
    early, late = (
        [date for date in both if date] for both in ((row["date_min"], dates.pre), (row["date_max"], dates.post))
    )
    database.execute(
        "UPDATE landslides SET date_min = ?, date_max = ? WHERE uuid = ?",
        (max(early, default=None), min(late, default=None), row["uuid"]),
    )
