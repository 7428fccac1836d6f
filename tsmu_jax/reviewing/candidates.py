"""What waits for a person: the first landslides of an inventory's queue, with what a reviewer is told of them."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, reading, schema

_COLUMNS = (
    "uuid, review_status, priority, why, geometry, prob_mean, threshold, uncertainty, area_m2, date_min, date_max, "
    "decoder, found_by, pre_image, post_image"
)


class Candidate(NamedTuple):
    """A landslide that waits for a person.

    Attributes:
      outline: shapely geometry in degrees.
      blob: likewise, as the GeoPackage holds it.
      row: columns of the queue, without the geometry.
      scenes: digests of the scenes in which it was found, the first one first; of the others where it was in none.
    """

    outline: Any
    blob: bytes
    row: dict[str, Any]
    scenes: tuple[str, ...]


class Queue(NamedTuple):
    """Candidates, the first one most needs a look.

    Attributes:
      inventory: the name that the inventory and its copies have, `tsmu_about.id`.
      waiting: how many wait in all.
      scenes: rows of the table `scenes` by their digests.
    """

    inventory: str
    waiting: int
    candidates: tuple[Candidate, ...]
    scenes: dict[str, dict[str, Any]]

    @property
    def files(self) -> set[str]:
        """Names of the images that the candidates were mapped from."""
        return {str(one.row[name]) for one in self.candidates for name in ("pre_image", "post_image") if one.row[name]}

    @property
    def digest(self) -> str:
        """Of what is asked: progress with a page is kept by this."""
        asked = [(one.row["uuid"], one.outline.wkb_hex) for one in self.candidates]
        return hashlib.sha256(json.dumps([self.inventory, asked]).encode()).hexdigest()[:16]


def read(inventory: Path, *, all_current: bool = False) -> Queue:
    """Reads the queue, or all landslides that count. Brings an inventory of an older release up to date first.

    Raises:
      UserError: the inventory cannot be read, or nothing waits.
    """
    with reading.opened(inventory) as database:
        is_older = geopackage.checked(database, inventory) < schema.SCHEMA
    if is_older:
        with geopackage.transaction(inventory):
            pass
    with reading.opened(inventory) as database:
        (name,) = database.execute("SELECT value FROM tsmu_about WHERE name = 'id'").fetchone()
        scenes = {row["scene"]: row for row in geopackage.rows(database, schema.SCENES)}
        (waiting,) = database.execute(f"SELECT count(*) FROM {schema.QUEUE}").fetchone()
        asked = f"SELECT {_COLUMNS} FROM {schema.QUEUE} ORDER BY priority DESC, OGC_FID"
        if all_current:
            shown = _COLUMNS.replace("priority, why", "NULL AS priority, '' AS why")
            where = f"{reading.WHERE[reading.Which.CURRENT]} AND geometry IS NOT NULL"
            asked = f"SELECT {shown} FROM landslides WHERE {where} ORDER BY OBJECTID"
        found = database.execute(asked)
        names = [column[0] for column in found.description]
        candidates = []
        for values in found.fetchall():
            row = dict(zip(names, values, strict=True))
            seen = database.execute(
                "SELECT scene FROM observations WHERE uuid = ? ORDER BY OBJECTID", (row["uuid"],)
            ).fetchall()
            own = tuple(dict.fromkeys(scene for (scene,) in seen if scene in scenes))
            blob = row.pop(geopackage.GEOMETRY)
            outline = geopackage.decoded_valid(blob)
            if not outline.is_empty:
                candidates.append(Candidate(outline, blob, row, own or tuple(scenes)))
    if not candidates:
        raise UserError(f"--inventory={inventory}: nothing waits for a review; map more, or set rows to unreviewed")
    return Queue(name, waiting, tuple(candidates), scenes)
