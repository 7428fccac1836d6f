"""What people have said of each landslide of an inventory, and in which scenes it lies."""

import collections
import enum
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.inventory import geopackage, reading, schema


class Said(enum.Enum):
    """Of a landslide's outline: there is a landslide, there is none, or nobody has said so for good."""

    LANDSLIDE = enum.auto()
    NONE = enum.auto()
    OPEN = enum.auto()


class Judged(NamedTuple):
    """A landslide.

    Attributes:
      outline: of record, shapely geometry in degrees.
      shown: likewise, with the model's own outline where somebody has changed that.
      scenes: digests of the scenes in which it may have been looked at, the likeliest first.
    """

    outline: Any
    shown: Any
    said: Said
    scenes: tuple[str, ...]


class Judgements(NamedTuple):
    """All that an inventory says.

    Attributes:
      inventory: the name that the inventory and its copies have.
      landslides: in the order of their rows.
      scenes: rows of the table `scenes` by their digests.
      observed: by scene, outlines in degrees of the ground that models have looked at.
      reviewed: likewise, of the ground that people have looked at wholly; that of every scene is under "".
      files: names of the images that landslides were mapped from.
    """

    inventory: str
    landslides: tuple[Judged, ...]
    scenes: dict[str, dict[str, Any]]
    observed: dict[str, list[Any]]
    reviewed: dict[str, list[Any]]
    files: set[str]


def read(inventory: Path) -> Judgements:
    """Reads an inventory without changing it.

    Rows that a later map has superseded and nobody has judged say nothing, and are left out.

    Raises:
      UserError: it cannot be read, or is of a newer release.
    """
    names = ("uuid", "review_status", "superseded_by", "date_min", "date_max", "pre_image", "post_image")
    with reading.opened(inventory) as database:
        about = dict(database.execute("SELECT name, value FROM tsmu_about").fetchall())
        held = reading.columns(database, schema.LANDSLIDES, (*names, geopackage.GEOMETRY, "original_geometry"))
        seen = reading.columns(database, schema.OBSERVATIONS, ("uuid", "scene"))
        looked = [
            reading.columns(database, table, ("scene", geopackage.GEOMETRY))
            for table in (schema.OBSERVED, schema.REVIEWED)
        ]
        scenes = {row["scene"]: row for row in geopackage.rows(database, schema.SCENES)}
    found_in: dict[str, list[str]] = collections.defaultdict(list)
    for uuid, scene in zip(seen["uuid"], seen["scene"], strict=True):
        found_in[uuid].append(scene)
    outlines = reading.geometries(held[geopackage.GEOMETRY], inventory)
    originals = reading.geometries(held["original_geometry"], inventory)
    landslides = []
    for row, outline, original in zip(
        zip(*(held[name] for name in names), strict=True), outlines, originals, strict=True
    ):
        of = dict(zip(names, row, strict=True))
        said = _said(of["review_status"], of["superseded_by"])
        if said is None or outline is None or outline.is_empty:
            continue
        own = tuple(dict.fromkeys(scene for scene in found_in[of["uuid"]] if scene in scenes))
        shown = outline if original is None else outline.union(original)
        landslides.append(Judged(outline, shown, said, own or _dated(scenes, (of["date_min"], of["date_max"]))))
    observed, reviewed = (_by_scene(columns, inventory) for columns in looked)
    files = {str(file) for name in ("pre_image", "post_image") for file in held[name] if file}
    return Judgements(str(about.get("id")), tuple(landslides), scenes, observed, reviewed, files)


def _by_scene(columns: Mapping[str, Sequence[Any]], inventory: Path) -> dict[str, list[Any]]:
    """Outlines by scene; those of no scene under ""."""
    found: dict[str, list[Any]] = collections.defaultdict(list)
    outlines = reading.geometries(columns[geopackage.GEOMETRY], inventory)
    for scene, ground in zip(columns["scene"], outlines, strict=True):
        found[scene or ""] += [] if ground is None or ground.is_empty else [ground]
    return dict(found)


def _said(status: str | None, superseded_by: str | None) -> Said | None:
    """None for what says nothing."""
    if status in reading.REVIEWED:
        return Said.LANDSLIDE
    if status == reading.REJECTED:
        return Said.NONE
    return None if superseded_by and status not in ("unsure", "disputed") else Said.OPEN


def _dated(scenes: Mapping[str, Mapping[str, Any]], dates: Sequence[str | None]) -> tuple[str, ...]:
    """All scenes for what people drew, those first whose dates it has."""
    return tuple(
        sorted(scenes, key=lambda scene: (scenes[scene]["pre_date"], scenes[scene]["post_date"]) != tuple(dates))
    )
