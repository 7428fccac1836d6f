"""Adds a finished map to an inventory: one transaction, which the same map repeats without a change."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.data.progress import reported
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, known, measures, renewing, rows, scene_rows, schema, shown, terrain
from tsmu_jax.inventory.measuring import FinishedMap, Found, Measured
from tsmu_jax.inventory.rows import UNDATED, Dates
from tsmu_jax.inventory.sensors import UNNAMED, Sensors
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import layers

SMALL_PX = 16  # pixels, below which an outline says little: docs/inventory.md, "How exact areas are"


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
      unseen: landslides that people accepted on its ground, and of which it does not show the most.
      small: new landslides of fewer than SMALL_PX pixels.
      smaller: whether landslides are in the inventory that are smaller than what is asked for now.
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
    smaller: bool = False


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
    another observation of the same landslide. A map that the inventory has already fills empty columns, and adds
    what was too small before.

    Args:
      inventory: a GeoPackage, made where there is none.
      directory: of a finished map.
      model: that made it.
      dates, sensors: of the scene's images.
      dem: elevation model, for slopes.
      min_area_m2: smaller landslides are left out, unless they end at ground that was not looked at.
      measured: of `measure`, with the same arguments; by default the map is measured now.

    Raises:
      UserError: the map is unfinished, damaged or another model's, or the inventory cannot be changed, and stays.
    """
    one = FinishedMap(directory, model)
    if not inventory.exists():
        if not measured:
            one.check()
        geopackage.create(inventory)
    with contextlib.ExitStack() as files:
        elevation = files.enter_context(terrain.opened(dem)) if dem else None
        database = files.enter_context(geopackage.transaction(inventory))
        edited = measures.complete(database)
        place = {"scene": one.scene, "model_id": model.digest, "config_digest": one.record["configuration"]}
        before = next(geopackage.rows(database, schema.OBSERVED, _where(place), list(place.values())), None)
        least = (before["min_area_m2"] or 0.0) if before else math.inf  # what is smaller is not in the inventory
        of_scene = rows.scene_row(one.record, one.scene, dates, sensors)
        same = Added(0, 0, 0, True, measured=edited, smaller=min_area_m2 > least)
        if min_area_m2 >= least:
            described = scene_rows.fill(database, of_scene)
            dated = renewing.narrow(database, one.scene) if any(dates) else 0
            same = same._replace(scene=described, dated=dated)
            if not dem and not (directory / layers.UNCERTAINTY).exists():
                return same
        if not measured:
            one.check()
            measured = one.measured(dates, elevation, min_area_m2)
            measured = measured._replace(found=reported(measured.found, total=None, what="adding landslides"))
        held = known.Known(database, model.digest, measured.looked.geometry)
        if min_area_m2 >= least:
            return same._replace(filled=_fill(database, held, measured.found))
        geopackage.upsert(database, schema.MODELS, rows.model_row(model))
        scene_rows.write(database, of_scene)
        if before:
            found = (each for each in measured.found if each[0].area_m2 < least and not each[1]["touches_edge"])
            done = _enter(database, held, found, one.scene, has_terrain=dem is not None)
            superseded = _by_later_maps(database, before, min_area_m2)
        else:
            geopackage.upsert(database, schema.OBSERVED, place | rows.observed_row(measured.looked, min_area_m2))
            superseded = renewing.supersede(database, measured.looked.geometry, model.digest)
            done = _enter(database, held, measured.found, one.scene, has_terrain=dem is not None)
        unseen = shown.unseen(database, measured.looked.geometry, measured.outlines, dates)
        return done._replace(superseded=superseded, measured=edited, unseen=unseen)


def _by_later_maps(database: Any, observed: Mapping[str, Any], min_area_m2: float) -> int:
    """Marks what a map has added belatedly, where maps of other models have looked since. Returns its number."""
    number = observed["OBJECTID"]
    database.execute("UPDATE observed SET min_area_m2 = ? WHERE OBJECTID = ?", (min_area_m2 or None, number))
    later = list(geopackage.rows(database, schema.OBSERVED, "OBJECTID > ?", [number]))
    looked = [(geopackage.decoded_valid(row[geopackage.GEOMETRY]), row["model_id"]) for row in later]
    return sum(renewing.supersede(database, *one) for one in looked if one[1] != observed["model_id"])


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


def _where(values: Mapping[str, Any]) -> str:
    return " AND ".join(f'"{name}" = ?' for name in values)


def _fill(database: Any, held: known.Known, found: Iterable[Found]) -> int:
    """Fills empty columns of the rows that a map has added. Returns their number."""
    filled = 0
    for ground, row in found:
        same = held.same(ground.geometry, cut=bool(row["touches_edge"]))
        filled += same is not None and renewing.fill(database, same, row)
    return filled
