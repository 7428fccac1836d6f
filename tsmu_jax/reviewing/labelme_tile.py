"""A LabelMe file of an inventory's tile as somebody left it: what it says of landslides, as decisions."""

import collections
import datetime
import math
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from tsmu_jax import mask, untrusted
from tsmu_jax.data import labelme
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import deciding, geopackage, schema
from tsmu_jax.inventory.deciding import Decision
from tsmu_jax.inventory.ground import on_ground
from tsmu_jax.inventory.reviewed_ground import Reviewed
from tsmu_jax.reviewing import pixels
from tsmu_jax.reviewing.labelme_export import CONTEXT, REVIEWED, context_name, outline_digest
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.raster_file import is_of_gdal

SOURCE = "labelme"
_NAMES = uuid.UUID("2f7c6c52-8b6e-5f43-9a37-0c9c2b8f7a11")  # namespace of the version 5 UUIDs of what people drew
_SLIVER_PX2 = 0.1  # what is left of shapes that cover each other


class TileFile:
    """A tile's polygons as somebody left them. Attribute: is_reviewed: whether its flag says so."""

    def __init__(
        self,
        database: sqlite3.Connection,
        path: Path,
        tile: Mapping[str, Any],
        place: Grid,
        inventory: str,
        reviewer: str,
    ) -> None:
        self._database, self._path, self._tile, self._place, self._inventory = database, path, tile, place, inventory
        try:
            data = path.read_bytes()
            annotation = labelme.read(data, path=str(path), labels=[pixels.LANDSLIDE, CONTEXT], may_grow=False)
            content = untrusted.parse(data)
        except (OSError, ValueError, BadFile) as error:
            raise UserError(f"--labelme: {error}" if isinstance(error, BadFile) else f"{path}: {error}") from error
        self._refuse_other_image(annotation)
        self._refuse_other_types(content)
        raw = content["shapes"]
        names = [str(each.get("description") or "") for each in raw]
        rings = [[each["label"], each["points"]] for each in raw]
        self._shapes = list(zip(names, annotation.shapes, rings, strict=True))
        self._size = annotation.height, annotation.width
        self._context = {context_name(each, held["tile"]): held["rings"] for each, held in _context(tile).items()}
        self._refuse_others_context([each["label"] for each in raw])
        self._positions: dict[str, list[int]] = collections.defaultdict(list)
        for at, name in enumerate(names):
            self._positions[name].append(at)
        new = [at for at, name in enumerate(names) if self._is_new(name)]
        self._drawn_at = [at for at in new if self._shapes[at][1].value == mask.LANDSLIDE]
        self._cuts = sorted({*new} - {*self._drawn_at})
        self.is_reviewed = is_reviewed(content)
        when = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
        self._reviewer, self._decided_at = reviewer, deciding.moment(when)

    def decisions(self) -> Iterator[Decision]:
        """What was done, landslide by landslide, and then what is new."""
        for landslide, held in self._tile["landslides"].items():
            found = self._changed(landslide, held)
            if found:
                yield found
        for position in self._drawn_at:
            outline = self._painted([position])
            if not outline.is_empty:
                yield self._drawn(outline)

    def disregarded(self) -> Iterator[str]:
        """A line for each polygon of another tile that somebody has changed here."""
        for name, rings in self._context.items():
            if not self._is_as_it_was(self._positions[name], rings):
                yield f"{self._path}: left out is what was done to context: landslide {name}; change it there"

    def ground(self) -> Iterator[Reviewed]:
        """The tile's ground, where its flag says that somebody reviewed it."""
        if not self.is_reviewed:
            return
        import shapely

        (height, width), top, left = self._size, self._tile["top"], self._tile["left"]
        if not (height and width and min(height, width) > 0):
            raise UserError(f"{self._path}: says no size of its image; save it again in LabelMe")
        height, width = min(height, self._place.height), min(width, self._place.width)
        rows, columns = (slice(start, start + side) for start, side in ((top, height), (left, width)))
        said = (self._reviewer, self._decided_at, SOURCE)
        yield Reviewed(self._tile["scene"], rows, columns, self._on_ground(shapely.box(0, 0, width, height)), *said)

    def _refuse_other_image(self, annotation: labelme.Annotation) -> None:
        """Raises UserError where the file is about another image than the tile's: its outlines lie elsewhere."""
        from PIL import Image

        image = self._path.with_suffix(".png")
        if PurePath(annotation.image_name).stem.casefold() != image.stem.casefold():
            raise UserError(f"{self._path}: is about the image {annotation.image_name!r:.100}; annotate {image.name}")
        stated = annotation.width, annotation.height
        if None in stated or not image.exists():
            return
        try:
            with Image.open(image, formats=["PNG"]) as opened:
                size = opened.size
        except OSError as error:
            raise UserError(f"{image}: cannot be read; export the tiles again, and copy the file there") from error
        if stated != size:
            held = f"is about an image of {stated[0]} x {stated[1]} px, and {image.name} has {size[0]} x {size[1]}"
            raise UserError(f"{self._path}: {held}; annotate that one")

    def _refuse_other_types(self, content: Mapping[str, Any]) -> None:
        """Raises UserError where flags or descriptions are not LabelMe's, and would be overlooked."""
        flags = content.get("flags")
        reviewed = flags.get(REVIEWED) if isinstance(flags, dict) else None
        if not isinstance(flags, dict | None) or not isinstance(reviewed, bool | None):
            raise UserError(f"{self._path}: its flag {REVIEWED!r} is neither true nor false; save it again in LabelMe")
        for number, shape in enumerate(content["shapes"], 1):
            if not isinstance(shape.get("description"), str | None):
                raise UserError(
                    f"{self._path}: shape {number} has a description that is no text; name its landslide there"
                )

    def _refuse_others_context(self, labels: Sequence[str]) -> None:
        for number, ((name, *_), label) in enumerate(zip(self._shapes, labels, strict=True), 1):
            if labelme.as_compared(str(label)) == CONTEXT and name not in self._context:
                reason = f"shape {number} is labelled {CONTEXT} as other tiles' landslides are, and is none of these"
                raise UserError(f"{self._path}: {reason}; label it {pixels.LANDSLIDE}, or remove it")

    def _is_new(self, name: str) -> bool:
        """Whether a shape's description names neither a landslide of the tile nor one of another tile."""
        return name not in self._tile["landslides"] and name not in self._context

    def _is_as_it_was(self, positions: Sequence[int], rings: Any) -> bool:
        """Whether shapes have the rings of the list, and no new hole cuts them."""
        if [self._shapes[at][2] for at in positions] != rings:
            return False
        return not self._cuts or bool(self._painted(positions).equals(self._painted(positions, cut=False)))

    def _changed(self, landslide: str, held: Mapping[str, Any]) -> Decision | None:
        """The decision about a landslide of the list; None where there is none."""
        own = self._positions[landslide]
        if self._is_as_it_was(own, held["rings"]):
            return self._said(landslide, "accepted")._replace(seen=held["seen"]) if self.is_reviewed else None
        outline = self._painted(own)
        if any(self._shapes[at][1].value == mask.UNKNOWN for at in own):
            verdict = "unsure"
        else:
            verdict = "rejected" if outline.is_empty else "edited"
        decision = self._said(landslide, verdict)._replace(seen=held["seen"])
        if verdict != "edited":
            return decision
        return decision._replace(before=self._outline(landslide, held["outline"]), after=self._on_ground(outline))

    def _said(self, landslide: str, verdict: str) -> Decision:
        return Decision(landslide, verdict, self._reviewer, self._decided_at, SOURCE)

    def _painted(self, positions: Sequence[int], *, cut: bool = True) -> Any:
        """Some shapes together, in pixels: each paints over those before it. Args: cut: whether new holes count."""
        import shapely

        found = shapely.Polygon()
        for position in sorted({*positions, *(self._cuts if cut else ())}):
            _, shape, _ = self._shapes[position]
            if shape.value == mask.LANDSLIDE:
                found = found.union(self._geometry(shape, position))
            else:
                found = found.difference(self._geometry(shape, position))
        parts = [part for part in shapely.get_parts(found) if part.geom_type == "Polygon" and part.area > _SLIVER_PX2]
        return shapely.MultiPolygon(parts)

    def _geometry(self, shape: labelme.Shape, position: int) -> Any:
        import shapely

        if shape.kind == "polygon":
            drawn = shapely.make_valid(shapely.Polygon(shape.points), method="structure", keep_collapsed=False)
        elif shape.kind == "rectangle":
            (x0, y0), (x1, y1) = shape.points
            drawn = shapely.box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        elif shape.kind == "circle":
            drawn = shapely.Point(shape.points[0]).buffer(math.dist(*shape.points))
        else:
            raise UserError(f"{self._path}: shape {position + 1} is a {shape.kind}; draw it as a polygon")
        return pixels.outset(drawn)

    def _on_ground(self, outline: Any) -> bytes:
        import shapely

        crs, pixel = self._place.crs, abs(self._place.transform.a) + abs(self._place.transform.b)
        shapes = [pixels.on_map(part, self._place) for part in shapely.get_parts(outline)]
        try:
            parts = [on_ground(shape, crs, pixel).geometry for shape in shapes]
        except Exception as error:
            if not is_of_gdal(error):
                raise
            raise UserError(f"{self._path}: a polygon lies off the map ({error}); redraw it in the image") from error
        return geopackage.encoded(shapely.orient_polygons(shapely.MultiPolygon(parts)))

    def _outline(self, landslide: str, digest: str) -> bytes | None:
        """The outline that the tile showed; None where the inventory has it no more."""
        held = self._database.execute(
            "SELECT geometry FROM landslides WHERE uuid = ?1 "
            "UNION SELECT original_geometry FROM landslides WHERE uuid = ?1 "
            "UNION SELECT geometry_after FROM decisions WHERE landslide = ?1",
            (landslide,),
        )
        return next((blob for (blob,) in held if blob and outline_digest(blob) == digest), None)

    def _drawn(self, outline: Any) -> Decision:
        """A new landslide's decision; its row is made, unless it is there or somebody has removed it."""
        after = self._on_ground(outline)
        name = str(uuid.uuid5(_NAMES, f"{self._inventory}/{outline_digest(after)}"))
        held = "SELECT 1 FROM landslides WHERE uuid = ?1 UNION ALL SELECT 1 FROM decisions WHERE landslide = ?1"
        if not self._database.execute(held, (name,)).fetchone():
            scene = self._database.execute(
                "SELECT pre_date, post_date, gsd_m FROM scenes WHERE scene = ?", (self._tile["scene"],)
            ).fetchone()
            dated = dict(zip(("date_min", "date_max", "gsd_m"), scene or (), strict=False))
            row = {"uuid": name, geopackage.GEOMETRY: after, "found_by": "people", "review_status": "unreviewed"}
            geopackage.upsert(self._database, schema.LANDSLIDES, {**row, **dated, "amalgamated": 0, "touches_edge": 0})
        return self._said(name, "drawn")._replace(after=after)


def _context(tile: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the list says of polygons of other tiles; that of an older release says nothing."""
    found: Mapping[str, Any] = tile.get("context", {})
    return found


def is_reviewed(content: Any) -> bool:
    """Whether the flag of a LabelMe file says so."""
    flags = content.get("flags") if isinstance(content, dict) else None
    return isinstance(flags, dict) and flags.get(REVIEWED) is True
