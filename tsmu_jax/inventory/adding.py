"""Adds a finished map to an inventory: one transaction, which the same map repeats without a change."""

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.data.progress import reported
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, known, measures, renewing, rows, scene_rows, schema, shown, terrain
from tsmu_jax.inventory.measuring import FinishedMap, Found, Measured
from tsmu_jax.inventory.rows import UNDATED, Dates
from tsmu_jax.inventory.sensors import UNNAMED, Sensors
from tsmu_jax.inventory.shown import Pieces
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
      unseen: landslides that people accepted on its ground, of which it shows less than half.
      small: new landslides of fewer than SMALL_PX pixels, where no smallest area was asked for.
      least_m2: area from which on a map's landslides are in the inventory already, if another one is asked for now.
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
    least_m2: float | None = None


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
    another observation of the same landslide. A map that the inventory has already fills empty columns alone.

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
        least = (before["min_area_m2"] or 0.0) if before else min_area_m2
        of_scene = rows.scene_row(one.record, one.scene, dates, sensors)
        if before:
            another = None if least == min_area_m2 else least
            same = _describe(database, of_scene, dates)._replace(measured=edited, least_m2=another)
            if not dem and not (directory / layers.UNCERTAINTY).exists():
                return same
        if not measured or least != min_area_m2:
            one.check()
            measured = one.measured(dates, elevation, least)
            measured = measured._replace(found=reported(measured.found, total=None, what="adding landslides"))
        held = known.Known(database, model.digest, measured.looked.geometry)
        if before:
            return same._replace(filled=_fill(database, held, measured.found))
        geopackage.upsert(database, schema.MODELS, rows.model_row(model))
        scene_rows.write(database, of_scene)
        geopackage.upsert(database, schema.OBSERVED, place | rows.observed_row(measured.looked, least))
        done = _enter(database, held, measured, place, dates)
        low = done.without_terrain if dem else 0
        return done._replace(measured=edited, without_terrain=low, small=0 if least else done.small)


def _describe(database: Any, of_scene: Mapping[str, Any], dates: Dates) -> Added:
    """Fills what the inventory does not know of the scene of a map that it has. Returns what changed."""
    described = scene_rows.fill(database, of_scene)
    dated = renewing.narrow(database, of_scene["scene"]) if any(dates) else 0
    return Added(0, 0, 0, same=True, scene=described, dated=dated)


def _enter(database: Any, held: known.Known, measured: Measured, place: Mapping[str, str], dates: Dates) -> Added:
    """Enters the landslides of a new map. Returns what became of these, and of those that were there.

    Args: place: digests of its scene, its model and its configuration.
    """
    scene, looked = place["scene"], Pieces(measured.looked.geometry)
    superseded = renewing.supersede(database, looked, place["model_id"])
    done, small = [], 0
    for one in measured.found:
        done.append(renewing.enter(database, held, one.ground.geometry, one.row, scene))
        small += not done[-1].known and one.pixels < SMALL_PX
    renewing.narrow(database, scene)  # of other maps of the scene, which did not know its dates
    return Added(
        new=sum(not one.known for one in done),
        known=sum(one.known for one in done),
        superseded=superseded,
        same=False,
        without_terrain=sum(one.without_terrain for one in done),
        filled=sum(one.filled for one in done),
        unseen=shown.unseen(database, looked, measured.outlines, dates),
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
    for one in found:
        same = held.same(one.ground.geometry, cut=bool(one.row["touches_edge"]))
        filled += same is not None and renewing.fill(database, same, one.row)
    return filled
