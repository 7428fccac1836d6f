"""Small scenes with a list, and what a plain loop in one process makes of them."""

import csv
import hashlib
from pathlib import Path
from typing import Any

from tests.stress.map_killed import SHAPE, rows, write_pair
from tsmu_jax.inventory.rows import Dates
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import layers
from tsmu_jax.scenes.run import map_scene

DAYS = {"pre_date": "2024-05-01", "post_date": "2024-06-01"}
_DATES = Dates("2024-05-01T00:00:00+00:00", "2024-06-01T00:00:00+00:00")


def write(root: Path, number: int) -> Path:
    """Writes so many scenes, of which some overlap. Returns the list."""
    names = [f"scene {at:03d}" for at in range(number)]
    for at, name in enumerate(names):
        right, down = 37 * at % (600 - SHAPE[1]), 23 * at % (500 - SHAPE[0])
        write_pair([root / f"{name}_{date}.tif" for date in ("pre", "post")], right, down)
    path = root / "list.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("name", "pre", "post"), *((name, f"{name}_pre.tif", f"{name}_post.tif") for name in names)]
        )
    return path


def loop(model: SavedModel, path: Path, target: Path, inventory: Path, **options: Any) -> None:
    """Maps a list by one process, one scene after the other."""
    with path.open(newline="") as file:
        for line in csv.DictReader(file):
            images = (path.parent / line[role] for role in ("pre", "post"))
            place = {"inventory": inventory, "dates": _DATES}
            assert map_scene(model, *images, target / line["name"], decoder="a", **place, **options)


def mapping(target: Path) -> set[int]:
    """The processes that map a scene of a list now, or were killed while they did."""
    found = set()
    for lock in target.glob("*/.lock"):
        if not (lock.parent / layers.MASK).exists() and (words := lock.read_text().split()):
            found.add(int(words[1]))
    return found


def outcome(target: Path, inventory: Path) -> dict[str, Any]:
    """All rasters and records of maps, and all tables: {file: digest of its bytes, table: rows}."""
    files = [path for path in sorted(target.glob("*/*")) if path.name != ".lock"]
    found = {str(path.relative_to(target)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return found | rows(inventory)
