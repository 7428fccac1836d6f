"""Adds a finished map to an inventory: one transaction, which the same map repeats without a change."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.data.progress import reported
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, known, measures, renewing, rows, scene_rows, schema, terrain
from tsmu_jax.inventory.ground import Ground, on_ground, together
from tsmu_jax.inventory.polygons import detections
from tsmu_jax.inventory.rows import UNDATED, Dates
from tsmu_jax.inventory.sensors import UNNAMED, Sensors
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import layers
from tsmu_jax.scenes import record as records

SMALL_PX = 16  # pixels, below which an outline says little: docs/inventory.md, "How exact areas are"
Found = tuple[Ground, dict[str, Any]]  # a landslide on the ground, and its row of `landslides`


class Added(NamedTuple):
    """Counts of a map's landslides, by what the inventory did with them.

    Attributes:
      new: that it did not hold.
      known: found again, in rows of other scenes or in reviewed ones; of some it showed but a part before.
      superseded: rows of other models that were marked.
      same: whether this map was in the inventory already.
      without_terrain: rows that were written and whose ground an elevation model does not cover.
      measured: rows that people had drawn or edited, and whose outlines were measured.
      filled: unreviewed rows that got the slopes or the uncertainty that they lacked.
      scene: whether the scene's row got dates, sensors or resolutions that it lacked: of a map that was there.
      dated: unreviewed rows whose bracket is narrower by these dates.
      unseen: landslides that people accepted on its ground, and that it does not show.
      small: new landslides of fewer than SMALL_PX pixels.
    """

    new: int
    known: int
    superseded: int
    same: bool
    without_terrain: int = 0
    measured: int = 0
    filled: int = 0
    scene: bool = False
    dated: int = 0
    unseen: int = 0
    small: int = 0


class Measured(NamedTuple):
    """The rows and the ground of a map, measured, so that another process can add them to an inventory.

    Attributes:
      found: the landslides, on the ground and as rows.
      looked: the ground that was looked at.
    """

    found: Iterable[Found]
    looked: Ground


def measure(
    directory: Path, model: SavedModel, *, dates: Dates = UNDATED, dem: Path | None = None, min_area_m2: float = 0.0
) -> Measured:
    """Measures a finished map: most of the work of `add`, whose arguments and errors these are."""
    record, rasters = _record(directory, model)
    records.check(directory, rasters)
    with terrain.opened(dem) if dem else contextlib.nullcontext() as elevation:
        every = _found(directory, record, _digest(record["images"]), model, dates, elevation)
        found = list(_large(every, min_area_m2))
    return Measured(found, _observed(directory, record))


def add(
    inventory: Path,
    directory: Path,
    model: SavedModel,
    *,
    dates: Dates = UNDATED,
    sensors: Sensors = UNNAMED,
    dem: Path | None = None,
    min_area_m2: float = 0.0,
    measured: Measured | None = None,
) -> Added:
    """Adds what a map found, where it looked, and which model looked.

    Rows that somebody has reviewed are never changed. Those of other models that nobody has reviewed are marked as
    superseded where this map looked. What lies on a row of the same model in another scene, or on a reviewed row, is
    another observation of the same landslide. A map that the inventory has already fills empty columns alone, unless
    smaller landslides are asked for than were added.

    Args:
      inventory: a GeoPackage, made where there is none.
      directory: of a finished map.
      model: that made it.
      dates, sensors: of the scene's images.
      dem: elevation model, for slopes.
      min_area_m2: smaller landslides are left out.
      measured: of `measure`, with the same arguments; by default the map is measured now.

    Raises:
      UserError: the map is unfinished, damaged or another model's, or the inventory cannot be changed, and stays.
    """
    record, rasters = _record(directory, model)
    scene = _digest(record["images"])
    if not inventory.exists():
        if not measured:
            records.check(directory, rasters)
        geopackage.create(inventory)
    with contextlib.ExitStack() as files:
        elevation = files.enter_context(terrain.opened(dem)) if dem else None
        database = files.enter_context(geopackage.transaction(inventory))
        edited = measures.complete(database)
        place = {"scene": scene, "model_id": model.digest, "config_digest": record["configuration"]}
        known_map = next(geopackage.rows(database, schema.OBSERVED, _where(place), list(place.values())), None)
        again = known_map is not None and min_area_m2 >= (known_map["min_area_m2"] or 0)
        of_scene = rows.scene_row(record, scene, dates, sensors)
        if again:
            described = scene_rows.fill(database, of_scene)
            dated = renewing.narrow(database, scene) if any(dates) else 0
            same = Added(0, 0, 0, True, measured=edited, scene=described, dated=dated)
            if not dem and not (directory / layers.UNCERTAINTY).exists():
                return same
        if not measured:
            records.check(directory, rasters)
            every = _large(_found(directory, record, scene, model, dates, elevation), min_area_m2)
            measured = Measured(reported(every, total=None, what="adding landslides"), _observed(directory, record))
        held = known.Known(database, model.digest, measured.looked.geometry)
        if again:
            return same._replace(filled=_fill(database, held, measured.found))
        geopackage.upsert(database, schema.MODELS, rows.model_row(model))
        scene_rows.write(database, of_scene)
        if known_map:  # smaller landslides are asked for now
            changed = (min_area_m2 or None, known_map["OBJECTID"])
            database.execute("UPDATE observed SET min_area_m2 = ? WHERE OBJECTID = ?", changed)
        else:
            geopackage.upsert(database, schema.OBSERVED, place | rows.observed_row(measured.looked, min_area_m2))
        superseded = renewing.supersede(database, measured.looked.geometry, model.digest)
        done = _enter(database, held, measured.found, scene, has_terrain=dem is not None)
        unseen = known.unseen(database, measured.looked.geometry, scene, model.digest)
        return done._replace(superseded=superseded, measured=edited, unseen=unseen)


def _enter(database: Any, held: known.Known, found: Iterable[Found], scene: str, *, has_terrain: bool) -> Added:
    """Enters the landslides of a new map. Returns what became of these."""
    done, small = [], 0
    for ground, row in found:
        done.append(renewing.enter(database, held, ground.geometry, row, scene))
        small += not done[-1].known and ground.area_m2 < SMALL_PX * row["gsd_m"] ** 2
    renewing.narrow(database, scene)  # of other maps of the scene, which did not know its dates
    return Added(
        new=sum(not one.known for one in done),
        known=sum(one.known for one in done),
        superseded=0,
        same=False,
        without_terrain=sum(has_terrain and one.without_terrain for one in done),
        filled=sum(one.filled for one in done),
        small=small,
    )


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


def _record(directory: Path, model: SavedModel) -> tuple[dict[str, Any], dict[str, tuple[int, str]]]:
    """The record of a finished map of the model, and what its rasters must be."""
    if not (directory / records.MANIFEST).exists():
        raise UserError(f"{directory / records.MANIFEST}: is not there; map the scene first")
    try:
        record, files = records.read(directory)
    except ValueError as error:
        raise records.damaged(error, directory) from error
    if records.FINISHED not in record:
        raise UserError(f"{directory}: its map is unfinished; the command that began it goes on with it")
    if record["model"] != model.digest:
        raise UserError(f"{directory}: was mapped by another model ({record['model']:.12}); name that one")
    return record, files


def _digest(images: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(images, sort_keys=True).encode()).hexdigest()


def _where(values: Mapping[str, Any]) -> str:
    return " AND ".join(f'"{name}" = ?' for name in values)


def _found(
    directory: Path,
    record: Mapping[str, Any],
    scene: str,
    model: SavedModel,
    dates: Dates,
    elevation: terrain.ElevationModel | None,
) -> Iterator[Found]:
    """The landslides of a map: on the ground, and as rows of `landslides`."""
    crs, pixel = record["grid"]["crs"], abs(record["grid"]["transform"][0])
    for detection in detections(directory):
        ground = on_ground(detection.geometry, crs, pixel)
        slope = elevation.measure(detection.geometry, crs) if elevation else terrain.UNKNOWN
        yield ground, rows.landslide_row(record, detection, ground, scene, model.digest, dates, slope)


def _large(found: Iterable[Found], min_area_m2: float) -> Iterator[Found]:
    return (one for one in found if one[0].area_m2 >= min_area_m2)


def _fill(database: Any, held: known.Known, found: Iterable[Found]) -> int:
    """Fills empty columns of the rows that a map has added. Returns their number."""
    filled = 0
    for ground, row in found:
        same = held.same(ground.geometry, cut=bool(row["touches_edge"]))
        filled += same is not None and renewing.fill(database, same, row)
    return filled


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
