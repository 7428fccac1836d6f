"""Brings back what people did with an inventory's tiles in LabelMe, as decisions."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmu_jax import untrusted
from tsmu_jax.data.progress import reported
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import deciding, geopackage, reviewed_ground
from tsmu_jax.inventory.deciding import Decided, Decision
from tsmu_jax.reviewing import pixels
from tsmu_jax.reviewing.labelme_export import FORMAT, MANIFEST, SCHEMA
from tsmu_jax.reviewing.labelme_tile import TileFile
from tsmu_jax.scenes.grid import Grid

_REMEDY = "name a directory that tsmu_jax.review export wrote"


def bring_in(inventory: Path, folder: Path, reviewer: str, *, skip_gone: bool = False) -> Decided:
    """Writes what somebody changed in LabelMe into the inventory of the tiles, in one transaction.

    A polygon that was changed is `edited`, one that was removed or called background `rejected`, one called unknown
    `unsure`, a new one `drawn`. Polygons left as they were are `accepted` where the tile's flag says that it was
    reviewed; elsewhere they say nothing. The ground of such tiles is reviewed ground. What the same reviewer said
    before is not said again. Polygons of other tiles say nothing; where somebody has changed one, a note says so.

    Args: skip_gone: leave out decisions about landslides that people have deleted since.

    Raises:
      UserError: a file is damaged, another inventory's, or a link out of the folder, or a landslide is gone; nothing
        is changed.
    """
    untrusted.refuse_links(folder)
    manifest = _manifest(folder)
    with geopackage.transaction(inventory) as database:
        (own,) = database.execute("SELECT value FROM tsmu_about WHERE name = 'id'").fetchone()
        if manifest["inventory"] != own:
            raise UserError(f"--labelme={folder}: is about another inventory than {inventory}; name that one")
        found: list[Decision] = []
        ground = 0
        notes: list[str] = []
        tiles = manifest["tiles"]
        for name, tile in reported(tiles.items(), total=len(tiles), what="tiles"):
            path = folder / f"{name}_post.json"
            if path.is_file():
                file = TileFile(database, path, tile, _place(database, folder, tile), own, reviewer)
                found += file.decisions()
                ground += sum(reviewed_ground.record(database, one) for one in file.ground())
                notes += file.disregarded()
        done = deciding.write(database, [one for one in found if not _is_known(database, one)])
        if not skip_gone:
            deciding.refuse_gone(done, f"--labelme={folder}")
        return done._replace(ground=ground, notes=tuple(notes))


def _is_known(database: sqlite3.Connection, one: Decision) -> bool:
    """Whether the reviewer's last word about a landslide is this one already."""
    found = database.execute(
        "SELECT verdict, geometry_after FROM tsmu_votes WHERE landslide = ? AND coalesce(reviewer, '') = ?",
        (one.landslide, one.reviewer),
    ).fetchall()
    return any(verdict == one.verdict and (one.after is None or after == one.after) for verdict, after in found)


def _manifest(folder: Path) -> Mapping[str, Any]:
    """The list of the tiles, checked as far as it is used. Raises UserError where none is."""
    content = untrusted.read_or_refuse(folder / MANIFEST, _REMEDY)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{folder / MANIFEST}: lists no tiles; {_REMEDY}")
    try:
        if content["schema"] + 0 > SCHEMA:
            raise UserError(f"{folder / MANIFEST}: is of a newer release; update tsmu_jax")
        untrusted.names(content["tiles"], "a tile")
        for tile in content["tiles"].values():
            held = [(one["seen"], one["outline"], one["rings"]) for one in tile["landslides"].values()]
            texts = [tile["scene"], content["inventory"], *(text for *both, _ in held for text in both)]
            texts += [one["tile"] for one in tile.get("context", {}).values() if isinstance(one["rings"], list)]
            corner = (tile["top"], tile["left"])
            if not all(isinstance(text, str) for text in texts) or not all(type(at) is int for at in corner):
                raise ValueError("a tile says no place")
            if not {seen for seen, *_ in held} <= set(deciding.STATUSES):
                raise ValueError("a landslide is in no state of a review")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder / MANIFEST}: is damaged ({error}); {_REMEDY}") from error
    return content


def _place(database: sqlite3.Connection, folder: Path, tile: Mapping[str, Any]) -> Grid:
    """The ground from a tile's corner on, by the inventory's own grid of its scene. Raises UserError where none is."""
    names = ("scene", "crs", "transform", "height", "width")
    row = database.execute(f"SELECT {', '.join(names)} FROM scenes WHERE scene = ?", (tile["scene"],)).fetchone()
    whole = pixels.scene_grid(dict(zip(names, row, strict=True))) if row else None
    if whole is None or not (0 <= tile["top"] < whole.height and 0 <= tile["left"] < whole.width):
        raise UserError(f"{folder / MANIFEST}: is damaged (a tile lies in no scene of the inventory); {_REMEDY}")
    height, width = whole.height - tile["top"], whole.width - tile["left"]
    return whole._replace(transform=whole.placed(tile["top"], tile["left"]), height=height, width=width)
