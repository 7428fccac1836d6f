"""Writes an inventory's landslides as tiles for LabelMe: two images, polygons, and a list of what lies where."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from tsmu_jax.errors import UserError
from tsmu_jax.reviewing import pixels
from tsmu_jax.reviewing.candidates import Candidate, Queue
from tsmu_jax.reviewing.crops import Scene
from tsmu_jax.reviewing.scene_files import Images

MANIFEST = "tiles.json"
FORMAT, SCHEMA = "tsmu_jax labelme tiles", 1
REVIEWED = "reviewed"  # the flag of a tile whose polygons somebody has looked at
_AROUND_PX = 16
_LABELME = "5.5.0"  # whose files these are like


class Exported(NamedTuple):
    """Counts. Attributes: missing: landslides without images."""

    tiles: int
    landslides: int
    missing: int


def write(
    queue: Queue, images: Mapping[str, Images], output: Path, *, tile: int, bands: tuple[int, int, int] | None = None
) -> Exported:
    """Writes `NAME_pre.png`, `NAME_post.png` and `NAME_post.json` for each tile, and at last the list of them.

    A landslide belongs to the tile in which its middle lies. The tile grows to show all of it.

    Args:
      images: of scenes, by their digests.
      output: a new or empty directory.
      tile: px of the map, a side.

    Raises:
      UserError: the directory holds something, or no landslide has images.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"--output={output}: is there already; name a new directory")
    output.mkdir(parents=True, exist_ok=True)
    held: dict[str, Any] = {}
    shown = 0
    with contextlib.ExitStack() as files:
        scenes = {
            digest: files.enter_context(Scene(queue.scenes[digest], found, bands=bands))
            for digest, found in images.items()
        }
        for digest, scene in scenes.items():
            cells: dict[tuple[int, int], list[tuple[Candidate, Any]]] = {}
            for one in queue.candidates:
                if next((own for own in one.scenes if own in scenes), None) != digest:
                    continue
                outline = pixels.in_pixels(one.outline, scene.grid)
                west, north, east, south = outline.bounds
                row, column = int((north + south) / 2) // tile, int((west + east) / 2) // tile
                if east > 0 and south > 0 and west < scene.grid.width and north < scene.grid.height:
                    cells.setdefault((row, column), []).append((one, outline))
            for (row, column), members in sorted(cells.items()):
                name = f"{digest[:8]}_{row:03d}_{column:03d}"
                held[name] = {"scene": digest, **_tile(scene, members, (row, column), tile, output / name)}
                shown += len(members)
    if not held:
        raise UserError("none of the landslides' images was found; name their directory as --scenes")
    content = {"format": FORMAT, "schema": SCHEMA, "inventory": queue.inventory, "tiles": held}
    (output / MANIFEST).write_text(json.dumps(content))
    return Exported(len(held), shown, len(queue.candidates) - shown)


def _tile(
    scene: Scene, members: list[tuple[Candidate, Any]], cell: tuple[int, int], side: int, path: Path
) -> dict[str, Any]:
    """Writes a tile. Returns what the list says of it."""
    bounds = [outline.bounds for _, outline in members]
    top = max(min(cell[0] * side, *(int(each[1]) - _AROUND_PX for each in bounds)), 0)
    left = max(min(cell[1] * side, *(int(each[0]) - _AROUND_PX for each in bounds)), 0)
    bottom = min(max((cell[0] + 1) * side, *(int(each[3]) + _AROUND_PX for each in bounds)), scene.grid.height)
    right = min(max((cell[1] + 1) * side, *(int(each[2]) + _AROUND_PX for each in bounds)), scene.grid.width)
    pre, post = scene.read(slice(top, bottom), slice(left, right))
    for date, rgb in (("pre", pre), ("post", post)):
        if rgb is not None:
            Image.fromarray(rgb).save(path.with_name(f"{path.name}_{date}.png"))
    shapes, landslides = [], {}
    corner = scene.grid._replace(transform=scene.grid.placed(top, left), height=bottom - top, width=right - left)
    for number, (one, _) in enumerate(members, 1):
        rings = pixels.rings(pixels.in_pixels(one.outline, corner))
        shapes += [shape_of(label, points, number, one.row["uuid"]) for label, points in rings]
        digest = outline_digest(one.blob)
        landslides[one.row["uuid"]] = {"seen": one.row["review_status"], "outline": digest, "rings": rings}
    content = {
        "version": _LABELME,
        "flags": {REVIEWED: False},
        "shapes": shapes,
        "imagePath": f"{path.name}_post.png",
        "imageData": None,
        "imageHeight": corner.height,
        "imageWidth": corner.width,
    }
    path.with_name(f"{path.name}_post.json").write_text(json.dumps(content, indent=2))
    return {"top": top, "left": left, "landslides": landslides}


def shape_of(label: str, points: list[list[float]], group: int | None, landslide: str) -> dict[str, Any]:
    """A polygon as LabelMe writes it. Args: landslide: its uuid, or "" for a new one."""
    return {
        "label": label,
        "points": points,
        "group_id": group,
        "description": landslide,
        "shape_type": "polygon",
        "flags": {},
        "mask": None,
    }


def outline_digest(blob: bytes) -> str:
    """How the list names an outline. Args: blob: as a GeoPackage holds it."""
    return hashlib.sha256(blob).hexdigest()
