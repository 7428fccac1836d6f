"""Brings back what people did with an inventory's tiles in LabelMe, as decisions."""

import datetime
import math
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmu_jax import mask, untrusted
from tsmu_jax.data import labelme
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import deciding, geopackage, schema
from tsmu_jax.inventory.deciding import Decided, Decision
from tsmu_jax.inventory.ground import on_ground
from tsmu_jax.reviewing import pixels
from tsmu_jax.reviewing.judged import Judgements
from tsmu_jax.reviewing.labelme_export import FORMAT, MANIFEST, REVIEWED, SCHEMA, outline_digest
from tsmu_jax.scenes.grid import Grid
from tsmu_jax.scenes.raster_file import is_of_gdal

SOURCE = "labelme"
_NAMES = uuid.UUID("2f7c6c52-8b6e-5f43-9a37-0c9c2b8f7a11")  # namespace of the version 5 UUIDs of what people drew
_SLIVER_PX2 = 0.1  # what is left of shapes that cover each other
_REMEDY = "name a directory that tsmu_jax.review export wrote"


def bring_in(inventory: Path, folder: Path, reviewer: str, *, skip_gone: bool = False) -> Decided:
    """Writes what somebody changed in LabelMe into the inventory of the tiles, in one transaction.

    A polygon that was changed is `edited`, one that was removed or called background `rejected`, one called unknown
    `unsure`, a new one `drawn`. Polygons left as they were are `accepted` where the tile's flag says that it was
    reviewed; elsewhere they say nothing. What the same reviewer said before is not said again.

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
        found = []
        for name, tile in manifest["tiles"].items():
            path = folder / f"{name}_post.json"
            if path.is_file():
                place = _place(database, folder, tile)
                found += list(_Tile(database, path, tile, place, own, reviewer).decisions())
        done = deciding.write(database, [one for one in found if not _is_known(database, one)])
        if not skip_gone:
            deciding.refuse_gone(done, f"--labelme={folder}")
        return done


def reviewed(folder: Path, judgements: Judgements) -> list[tuple[str, slice, slice]]:
    """Scenes, rows and columns of their maps that the tiles show whose flag says that somebody reviewed them.

    Raises:
      UserError: a file is damaged, another inventory's, or a link out of the folder.
    """
    untrusted.refuse_links(folder)
    manifest, found = _manifest(folder), []
    if manifest["inventory"] != judgements.inventory:
        raise UserError(f"--labelme={folder}: is about another inventory; name its tiles")
    for name, tile in manifest["tiles"].items():
        if (path := folder / f"{name}_post.json").is_file():
            content = untrusted.read_or_refuse(path, _REMEDY)
            if _is_reviewed(content) and tile["scene"] in judgements.scenes:
                sides = [content.get(f"image{side}") for side in ("Height", "Width")]
                if not all(type(side) is int and side > 0 for side in sides):
                    raise UserError(f"{path}: says no size of its image; save it again in LabelMe")
                rows, columns = (
                    slice(tile[at], tile[at] + side) for at, side in zip(("top", "left"), sides, strict=True)
                )
                found.append((tile["scene"], rows, columns))
    return found


def _is_reviewed(content: Any) -> bool:
    """Whether the flag of a LabelMe file says so."""
    flags = content.get("flags") if isinstance(content, dict) else None
    return isinstance(flags, dict) and flags.get(REVIEWED) is True


class _Tile:
    """A tile's polygons as somebody left them."""

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
            shapes = labelme.read(data, path=str(path), labels=[pixels.LANDSLIDE]).shapes
            content = untrusted.parse(data)
        except (OSError, ValueError, BadFile) as error:
            raise UserError(f"--labelme: {error}" if isinstance(error, BadFile) else f"{path}: {error}") from error
        raw = content["shapes"]
        names = [str(each.get("description") or "") for each in raw]
        rings = [[each["label"], each["points"]] for each in raw]
        self._shapes = list(zip(names, shapes, rings, strict=True))
        self._is_reviewed = _is_reviewed(content)
        when = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
        self._reviewer, self._decided_at = reviewer, deciding.moment(when)

    def decisions(self) -> Iterator[Decision]:
        """What was done, landslide by landslide, and then what is new."""
        for landslide, held in self._tile["landslides"].items():
            found = self._changed(landslide, held)
            if found:
                yield found
        for position, (name, shape, _) in enumerate(self._shapes):
            if name not in self._tile["landslides"] and shape.value == mask.LANDSLIDE:
                outline = self._painted([position])
                if not outline.is_empty:
                    yield self._drawn(outline)

    def _changed(self, landslide: str, held: Mapping[str, Any]) -> Decision | None:
        """The decision about a landslide of the list; None where there is none."""
        own = [at for at, (name, *_) in enumerate(self._shapes) if name == landslide]
        outline = self._painted(own)
        is_same = [self._shapes[at][2] for at in own] == held["rings"]
        if is_same and outline.equals(self._painted(own, cut=False)):
            verdict = "accepted" if self._is_reviewed else ""
        elif any(self._shapes[at][1].value == mask.UNKNOWN for at in own):
            verdict = "unsure"
        else:
            verdict = "rejected" if outline.is_empty else "edited"
        if not verdict:
            return None
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
        for position, (name, shape, _) in enumerate(self._shapes):
            is_own = position in positions
            if is_own and shape.value == mask.LANDSLIDE:
                found = found.union(self._geometry(shape, position))
            elif is_own or (cut and name not in self._tile["landslides"] and shape.value != mask.LANDSLIDE):
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


def _is_known(database: sqlite3.Connection, one: Decision) -> bool:
    """Whether the reviewer's last word about a landslide is this one already."""
    found = database.execute(
        "SELECT verdict, geometry_after FROM tsmu_votes WHERE landslide = ? AND coalesce(reviewer, '') = ?",
        (one.landslide, one.reviewer),
    ).fetchall()
    return any(verdict == one.verdict and (one.after is None or after == one.after) for verdict, after in found)


def _manifest(folder: Path) -> Mapping[str, Any]:
    """The list of the tiles, checked as far as it is used. Raises UserError where it is none."""
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
            corner = (tile["top"], tile["left"])
            if not all(isinstance(text, str) for text in texts) or not all(type(at) is int for at in corner):
                raise ValueError("a tile says no place")
            if not {seen for seen, *_ in held} <= set(deciding.STATUSES):
                raise ValueError("a landslide is in no state of a review")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder / MANIFEST}: is damaged ({error}); {_REMEDY}") from error
    return content


def _place(database: sqlite3.Connection, folder: Path, tile: Mapping[str, Any]) -> Grid:
    """Where a tile lies, by the inventory's own grid of its scene. Raises UserError where it is nowhere."""
    names = ("scene", "crs", "transform", "height", "width")
    row = database.execute(f"SELECT {', '.join(names)} FROM scenes WHERE scene = ?", (tile["scene"],)).fetchone()
    whole = pixels.scene_grid(dict(zip(names, row, strict=True))) if row else None
    if whole is None or not (0 <= tile["top"] < whole.height and 0 <= tile["left"] < whole.width):
        raise UserError(f"{folder / MANIFEST}: is damaged (a tile lies in no scene of the inventory); {_REMEDY}")
    return whole._replace(transform=whole.placed(tile["top"], tile["left"]))
