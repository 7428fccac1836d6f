"""Writes an inventory's landslides as tiles for LabelMe: two images, polygons, and a list of what lies where."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from tsmu_jax.data.labelme import BACKGROUND
from tsmu_jax.data.progress import reported
from tsmu_jax.errors import UserError
from tsmu_jax.reviewing import pixels, tiling
from tsmu_jax.reviewing.candidates import Queue
from tsmu_jax.reviewing.crops import Scene
from tsmu_jax.reviewing.scene_files import Images
from tsmu_jax.reviewing.tiling import Tile

MANIFEST = "tiles.json"
FORMAT, SCHEMA = "tsmu_jax labelme tiles", 2
REVIEWED = "reviewed"  # the flag of a tile whose polygons somebody has looked at
CONTEXT = "context"  # the label of polygons that belong to another tile
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

    A landslide belongs to one tile, as `tiling.plan` says. Where it reaches into others, they show it as context.

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
    with contextlib.ExitStack() as files:
        scenes = {
            digest: files.enter_context(Scene(queue.scenes[digest], found, bands=bands))
            for digest, found in images.items()
        }
        tiles = tiling.plan(queue.candidates, {digest: scene.grid for digest, scene in scenes.items()}, tile)
        if not tiles:
            raise UserError("none of the landslides' images was found; name their directory as --scenes")
        written = reported(tiles, total=len(tiles), what="tiles")
        held = {one.name: _write(scenes[one.scene], one, output / one.name) for one in written}
    sizes = {one.scene: [scenes[one.scene].grid.height, scenes[one.scene].grid.width] for one in tiles}
    content = {"format": FORMAT, "schema": SCHEMA, "inventory": queue.inventory, "scenes": sizes, "tiles": held}
    (output / MANIFEST).write_text(json.dumps(content))
    shown = sum(len(one.members) for one in tiles)
    return Exported(len(tiles), shown, len(queue.candidates) - shown)


def _write(scene: Scene, tile: Tile, path: Path) -> dict[str, Any]:
    """Writes a tile. Returns what the list says of it.

    Context comes first, so that the tile's own polygons lie above it, in LabelMe and in masks.
    """
    import shapely

    pre, post = scene.read(tile.rows, tile.columns)
    for date, rgb in (("pre", pre), ("post", post)):
        if rgb is not None:
            Image.fromarray(rgb).save(path.with_name(f"{path.name}_{date}.png"))
    top, left = tile.rows.start, tile.columns.start
    height, width = tile.rows.stop - top, tile.columns.stop - left
    corner = scene.grid._replace(transform=scene.grid.placed(top, left), height=height, width=width)
    frame = shapely.box(0, 0, width, height)
    shapes, context, landslides = [], {}, {}
    for number, (one, home) in enumerate(tile.neighbours, 1):
        inside = pixels.rings(pixels.in_pixels(one.outline, corner).intersection(frame))
        rings = [(label if label == BACKGROUND else CONTEXT, points) for label, points in inside]
        name = context_name(one.row["uuid"], home)
        shapes += [shape_of(label, points, number, name) for label, points in rings]
        context[one.row["uuid"]] = {"tile": home, "rings": rings}
    for number, one in enumerate(tile.members, 1 + len(tile.neighbours)):
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
        "imageHeight": height,
        "imageWidth": width,
    }
    path.with_name(f"{path.name}_post.json").write_text(json.dumps(content, indent=2))
    return {"scene": tile.scene, "top": top, "left": left, "landslides": landslides, "context": context}


def context_name(landslide: str, home: str) -> str:
    """What LabelMe shows as the description of a polygon that belongs to another tile."""
    return f"{landslide} belongs to tile {home}"


def shape_of(label: str, points: list[list[float]], group: int | None, landslide: str) -> dict[str, Any]:
    """A polygon as LabelMe writes it. Args: landslide: its uuid or name, or "" for a new one."""
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
