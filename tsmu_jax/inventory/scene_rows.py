"""What an inventory knows of a scene: a later map adds to it, and takes nothing away."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from tsmu_jax.inventory import geopackage, reading
from tsmu_jax.inventory.schema import OBSERVATIONS, SCENES

FILLED = (
    "pre_date",
    "post_date",
    "pre_sensor",
    "post_sensor",
    "pre_gsd_m",
    "post_gsd_m",
)  # by a map that the inventory has already


def write(database: sqlite3.Connection, row: Mapping[str, Any]) -> None:
    """Writes a row of `scenes`; columns that the row leaves empty keep what they held.

    Args: row: with a value or None for each column.
    """
    geopackage.upsert(database, SCENES, {name: value for name, value in row.items() if value is not None})


def fill(database: sqlite3.Connection, row: Mapping[str, Any]) -> bool:
    """Fills those of FILLED that are empty in a scene's row. Returns whether there were any.

    Args: row: as of `write`, of a scene that is there.
    """
    held = next(geopackage.rows(database, SCENES, "scene = ?", [row["scene"]]), None)
    if held is None:
        return False
    new = {name: row[name] for name in FILLED if held[name] in (None, "") and row[name] is not None}
    return bool(new) and geopackage.upsert(database, SCENES, {"scene": row["scene"], **new})


def of_landslides(database: sqlite3.Connection, uuids: Sequence[Any], names: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of the scene in which each landslide was first found; None where it was found in none, as by people.

    Args:
      uuids: of the landslides.
      names: of columns of `scenes`; those that an older inventory lacks are None in every row.
    """
    if not names:
        return {}
    seen = reading.columns(database, OBSERVATIONS, ("uuid", "scene"))
    first = dict(zip(reversed(seen["uuid"]), reversed(seen["scene"]), strict=True))
    held = reading.columns(database, SCENES, ("scene", *names))
    at = {scene: index for index, scene in enumerate(held["scene"])}
    places = [at.get(first.get(uuid)) for uuid in uuids]
    return {name: [None if place is None else held[name][place] for place in places] for name in names}
