"""Polygons of vector files (GeoPackage, GeoJSON, Shapefile, ...) in a scene's coordinates."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.data import geography, vector_files
from tsmu_jax.errors import UserError
from tsmu_jax.scenes.grid import LATTICE, Grid
from tsmu_jax.scenes.raster_file import WARNINGS

_MARGIN = 0.05  # of a scene's sides: the curved edge of its ground lies within so much of the points looked up


class Layer(NamedTuple):
    """The polygons of a file that lie near a scene.

    Attributes:
      polygons: shapely polygons in the scene's coordinates, cut off some way outside of the scene.
      values: of the columns asked for, one for each polygon.
      digest: SHA-256 of these polygons, their coordinate reference system and the values, not of the file: the same
        for files of other names and formats, and for files that differ far from the scene.
    """

    polygons: np.ndarray
    values: Mapping[str, np.ndarray]
    digest: str


class Shapes:
    """Polygons in a scene's coordinates, found by their place. Threads may share them."""

    def __init__(self, polygons: Sequence[Any] | np.ndarray) -> None:
        import shapely

        self._polygons = np.asarray(polygons, object)
        self._tree = shapely.STRtree(self._polygons)

    def meet(self, grid: Grid, rows: slice, columns: slice) -> bool:
        """Whether any polygon has ground in common with a part of a grid, or touches the part's edge."""
        return len(self._tree.query(grid.outline(rows, columns), predicate="intersects")) > 0

    def burnt(self, grid: Grid, rows: slice, columns: slice) -> np.ndarray:
        """bool[h, w], which pixels of a part of an upright grid have their centre in a polygon."""
        from rasterio.features import rasterize

        shape = (rows.stop - rows.start, columns.stop - columns.start)
        found = self._polygons[self._tree.query(grid.outline(rows, columns))]
        if not len(found):
            return np.zeros(shape, bool)
        placed = grid.placed(rows.start, columns.start)
        with WARNINGS:
            return np.asarray(rasterize(found, out_shape=shape, transform=placed, dtype="uint8")).astype(bool)

    def within(self, grid: Grid) -> Any:
        """The ground of a grid that the polygons cover: a shapely geometry."""
        import shapely

        whole = grid.outline(slice(0, grid.height), slice(0, grid.width))
        return shapely.union_all(shapely.intersection(self._polygons, whole))


def only_layer(path: Path, said: str) -> tuple[str, dict[str, Any]]:
    """The one layer of a file that holds polygons, and what pyogrio says of that layer.

    Raises:
      UserError: the file cannot be read, has no such layer or several, or no coordinate reference system.
    """
    vector_files.check(path, said)
    try:
        import pyogrio
        import shapely  # noqa: F401
    except ImportError as error:
        raise UserError(f"{said}: needs {error.name}: pip install 'tsmu_jax[geo]'") from error
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if _may_hold_polygons(kind)]
        infos = {name: pyogrio.read_info(path, layer=name) for name in layers}
    except (RuntimeError, ValueError, OSError) as error:
        remedy = "give a vector file of polygons, as GeoPackage or GeoJSON"
        raise UserError(f"{said}: cannot be read as polygons; {remedy}") from error
    if not layers:
        raise UserError(f"{said}: holds no polygons; give a file that does")
    if len(layers) > 1:
        raise UserError(f"{said}: holds several layers ({', '.join(layers)}); save the one that is meant as a file")
    if not infos[layers[0]]["crs"]:
        raise UserError(f"{said}: has no coordinate reference system; give the file one (.prj of a Shapefile)")
    return layers[0], infos[layers[0]]


def read(path: Path, near: Grid, *, flag: str, columns: Sequence[str] = ()) -> Layer:
    """Reads the polygons of a file that lie near a scene.

    Args:
      near: the scene's own grid.
      flag: that named the file, for errors.
      columns: whose values are wanted too.

    Raises:
      UserError: the file cannot be read, or holds something else than polygons with coordinates.
    """
    import pyogrio
    import shapely
    from rasterio.crs import CRS

    said = f"{flag}={path}"
    name, info = only_layer(path, said)
    with _refused(said):
        crs = CRS.from_user_input(info["crs"])
        boxes = _boxes(near, crs)
        found: dict[int, tuple[Any, ...]] = {}
        for box in boxes:
            asked = {"layer": name, "columns": list(columns), "bbox": box, "return_fids": True, "force_2d": True}
            meta, numbers, shapes, fields = pyogrio.raw.read(path, **asked)
            order = [list(meta["fields"]).index(column) for column in columns]
            found |= dict(zip(numbers, zip(shapes, *(fields[at] for at in order), strict=True), strict=True))
        rows = [(one[0], *one[1:]) for one in found.values() if one[0] is not None]
        geometries = shapely.make_valid(shapely.from_wkb([row[0] for row in rows]))
        polygons = [_moved(one, boxes, crs, near) for one in geometries]
    kept = [at for at, one in enumerate(polygons) if not one.is_empty]
    said_of = hashlib.sha256(crs.to_wkt().encode())
    for row in sorted([row[0], *map(str, row[1:])] for row in (rows[at] for at in kept)):
        said_of.update(repr(row).encode())
    values = {column: np.array([rows[at][1 + i] for at in kept], object) for i, column in enumerate(columns)}
    return Layer(np.array([polygons[at] for at in kept], object), values, said_of.hexdigest())


def columns_of(path: Path, layer: str, columns: Sequence[str], said: str) -> dict[str, np.ndarray]:
    """The values of a layer's columns, without its shapes. Raises UserError where they cannot be read."""
    import pyogrio

    with _refused(said):
        meta, _, _, values = pyogrio.raw.read(path, layer=layer, columns=list(columns), read_geometry=False)
        return dict(zip(map(str, meta["fields"]), values, strict=True))


@contextlib.contextmanager
def _refused(said: str) -> Iterator[None]:
    """Makes UserErrors of what GDAL, GEOS and PROJ raise. Args: said: the flag and the file."""
    import shapely

    try:
        yield
    except Exception as error:  # they raise whatever they say
        if not isinstance(error, RuntimeError | ValueError | OSError | shapely.errors.ShapelyError) and (
            type(error).__module__.partition(".")[0] not in ("rasterio", "pyogrio")
        ):
            raise
        raise UserError(f"{said}: its shapes cannot be read ({error!s:.100}); mend or save them again") from error


def _may_hold_polygons(kind: str | None) -> bool:
    return kind is not None and any(word in kind for word in ("Polygon", "Surface", "Unknown", "Collection"))


def _boxes(near: Grid, crs: Any) -> list[tuple[float, float, float, float]]:
    """Boxes around a scene in other coordinates: of degrees, also those that count on beyond 180."""
    from rasterio.warp import transform

    xs, ys = (np.array(values) for values in transform(near.crs, crs, *near.lattice()))
    usable = np.isfinite(xs) & np.isfinite(ys)
    if not usable.any():
        return []
    xs, ys = xs[usable], ys[usable]
    if crs.is_geographic:
        xs = geography.beside(xs, xs[0])
    across, down = _MARGIN * np.ptp(xs), _MARGIN * np.ptp(ys)
    west, south, east, north = (
        float(side) for side in (xs.min() - across, ys.min() - down, xs.max() + across, ys.max() + down)
    )
    turns = (-360, 0, 360) if crs.is_geographic else (0,)
    return [(west + turn, south, east + turn, north) for turn in turns]


def _moved(geometry: Any, boxes: Sequence[tuple[float, float, float, float]], crs: Any, near: Grid) -> Any:
    """The polygons of a geometry that lie in boxes, in a scene's coordinates.

    What lies far from the scene is cut off before: a projection may have no place for it.
    """
    import shapely
    from rasterio.warp import transform

    parts = [shapely.intersection(geometry, shapely.box(*box)) for box in boxes]
    flat = [one for one in shapely.get_parts(shapely.get_parts(parts)) if one.geom_type == "Polygon" and one.area]
    if crs != near.crs and flat:  # straight in one system is curved in another

        def moved(points: np.ndarray) -> np.ndarray:
            return np.stack([np.array(each) for each in transform(crs, near.crs, *points.T)], -1)

        step = max(max(box[2] - box[0], box[3] - box[1]) for box in boxes) / LATTICE
        flat = list(shapely.transform(shapely.segmentize(flat, step), moved))
    if near.crs.is_geographic:
        middle = near.transform * (near.width / 2, near.height / 2)
        flat = [_turned(one, middle[0]) for one in flat]
    return shapely.union_all(shapely.make_valid(flat)) if flat else shapely.Polygon()


def _turned(polygon: Any, middle: float) -> Any:
    """A small polygon with its longitudes less than half a turn from a meridian, next to each other."""
    import shapely

    centre = (polygon.bounds[0] + polygon.bounds[2]) / 2
    turns = geography.whole_turns(centre, middle)
    return shapely.transform(polygon, lambda points: points + np.array([turns, 0.0])) if turns else polygon
