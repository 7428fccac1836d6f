"""Ground that people have looked at wholly, in the table `reviewed`: where it has no landslide, there is none.

Importers write rows by the name of what they say, so that it comes in once. In QGIS people draw such ground.
"""

import sqlite3
import uuid
from typing import NamedTuple

from tsmu_jax.inventory import geopackage, schema

_NAMES = uuid.UUID("5d0c1f6e-8f2b-5a57-9d5e-6b1a4c7e2f90")  # namespace of the version 5 UUIDs that name rows


class Reviewed(NamedTuple):
    """A part of a scene that somebody has looked at wholly.

    Attributes:
      scene: its digest.
      rows, columns: of the scene's map.
      outline: of that part, as a GeoPackage holds it.
      reviewed_at: UTC with milliseconds, as `deciding.moment` writes it.
      source: "labelme".
    """

    scene: str
    rows: slice
    columns: slice
    outline: bytes
    reviewer: str
    reviewed_at: str
    source: str

    @property
    def uuid(self) -> str:
        """The same for the same ground of the same reviewer, whenever it was looked at."""
        sides = (self.rows.start, self.rows.stop, self.columns.start, self.columns.stop)
        said = (self.scene, *map(str, sides), self.reviewer, self.source)
        return str(uuid.uuid5(_NAMES, "\n".join(said)))


def record(database: sqlite3.Connection, one: Reviewed) -> bool:
    """Writes a row, unless it is there. Returns whether it is new."""
    if database.execute("SELECT 1 FROM reviewed WHERE uuid = ?", (one.uuid,)).fetchone():
        return False
    row = {
        "uuid": one.uuid,
        geopackage.GEOMETRY: one.outline,
        "scene": one.scene,
        "reviewer": one.reviewer,
        "reviewed_at": one.reviewed_at,
        "source": one.source,
    }
    return geopackage.upsert(database, schema.REVIEWED, row)
