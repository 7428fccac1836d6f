"""Reads the landslides of another catalogue: a CSV file of points with dates, or a file of points or polygons."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax import cells
from tsmu_jax.data import vector_files
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import brackets, reading
from tsmu_jax.inventory.brackets import OPEN, Bracket

VECTOR = (".gpkg", ".shp", ".geojson", ".json", ".fgb", ".gdb", ".parquet")
# Names of columns in lower case, the likeliest first.
_LATITUDE = ("latitude", "lat", "lat_n", "y")
_LONGITUDE = ("longitude", "lon", "long", "lng", "lon_w", "x")
_IDS = ("uuid", "ls_id", "usgs_id", "event_id", "ev_id", "objectid", "fid", "id")
_DATES = ("date", "event_date", "ev_date")
_FIRST, _LAST = ("date_min",), ("date_max",)


@dataclasses.dataclass(frozen=True)
class Other:
    """Landslides of another catalogue.

    Attributes:
      ids: one for each, not empty.
      geometries: shapely geometries in degrees on WGS84, longitudes first and around 0.
      dates: when each happened; OPEN where nothing is known.
      unreadable_dates: number of dates that are neither empty nor can be read.
      left_out: number of rows without usable coordinates.
    """

    ids: tuple[str, ...]
    geometries: np.ndarray
    dates: tuple[Bracket, ...]
    unreadable_dates: int
    left_out: int


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which columns to read, as flags say; "" finds them by their names. `layer` is of files with several."""

    id: str = ""
    date: str = ""
    layer: str = ""


def read(path: Path, named: Columns) -> Other:
    """Reads a catalogue.

    Raises:
      UserError: there is no such file, its format is unknown, or it has no usable coordinates.
    """
    if not path.exists():
        raise UserError(f"--other={path}: there is no such file")
    if path.suffix.lower() == ".csv":
        shapes, table = _csv(path)
    elif path.suffix.lower() in VECTOR:
        shapes, table = _vector(path, named.layer)
    else:
        raise UserError(f"--other={path}: name a file that ends in .csv, {', '.join(VECTOR)}")
    usable = [index for index, shape in enumerate(shapes) if _is_usable(shape)]
    if not usable:
        raise UserError(f"--other={path}: has no landslide with usable coordinates in degrees, or none at all")
    ids = _ids(path, table, named.id, len(shapes))
    dates, unreadable = _dates(path, table, named.date, usable)
    return Other(
        tuple(ids[index] for index in usable),
        np.array([_around_zero(shapes[index]) for index in usable], object),
        tuple(dates),
        unreadable,
        len(shapes) - len(usable),
    )


Table = Mapping[str, Sequence[str]]  # columns as texts, under their names


def _csv(path: Path) -> tuple[list[Any], Table]:
    import shapely

    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            delimiter = max(",;\t", key=file.readline().count)
            file.seek(0)
            rows = list(csv.DictReader(file, delimiter=delimiter))
            file.seek(0)
            heads = next(csv.reader(file, delimiter=delimiter), [])
    except (OSError, csv.Error) as error:
        raise UserError(f"--other={path}: cannot be read as CSV ({error})") from error
    latitude, longitude = _named(heads, _LATITUDE), _named(heads, _LONGITUDE)
    if latitude is None or longitude is None:
        raise UserError(f"--other={path}: has no columns Latitude and Longitude in its first line")
    table = {name: [cells.original(row.get(name) or "") for row in rows] for name in heads}
    points = zip(map(_number, table[longitude]), map(_number, table[latitude]), strict=True)
    return [shapely.Point(x, y) if np.isfinite([x, y]).all() else None for x, y in points], table


def _vector(path: Path, layer: str) -> tuple[list[Any], Table]:
    import geopandas
    import pyogrio

    vector_files.check(path, f"--other={path}")
    try:
        if path.suffix.lower() == ".parquet":
            found = geopandas.read_parquet(path)
        else:
            found = pyogrio.read_dataframe(path, layer=_layer(path, layer), fid_as_index=True)
            found = found.reset_index() if "fid" not in found else found
        if isinstance(found, geopandas.GeoDataFrame) and found.crs is not None:
            found = found.to_crs(4326)
    except UserError:
        raise
    except Exception as error:  # pyogrio, pyarrow and geopandas raise whatever fits them
        raise UserError(f"--other={path}: cannot be read ({error})") from error
    if not isinstance(found, geopandas.GeoDataFrame):
        raise UserError(f"--other={path}: has no geometry")
    if found.crs is None:
        raise UserError(f"--other={path}: has no coordinate system; a shapefile keeps it in a .prj file beside it")
    found = _current(found)
    plain = found.drop(columns=found.geometry.name)
    table = {str(name): [_text(value) for value in plain[name]] for name in plain.columns}
    return list(found.geometry), table


def _current(found: Any) -> Any:
    """Leaves out what an inventory of ours has superseded or rejected."""
    if not {"superseded_by", "review_status"} <= set(found.columns):
        return found
    pairs = zip(found["review_status"].map(_text), found["superseded_by"].map(_text), strict=True)
    counts = [status != reading.REJECTED and not reading.is_superseded(status, by) for status, by in pairs]
    return found[np.array(counts, bool)]


def _layer(path: Path, layer: str) -> str:
    import pyogrio

    known = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if layer and layer not in known:
        raise UserError(f"--layer={layer}: {path} has no such layer with geometry; it has {', '.join(known)}")
    if layer or len(known) == 1:
        return layer or known[0]
    if "landslides" in known:  # an inventory of ours
        return "landslides"
    raise UserError(
        f"--other={path}: has several layers with geometry; choose by --layer: {', '.join(known) or 'none'}"
    )


def _text(value: Any) -> str:
    """As in a CSV file: whole numbers without a point, nothing where a value is missing."""
    import pandas

    if pandas.api.types.is_scalar(value) and pandas.isna(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _is_usable(shape: Any) -> bool:
    if shape is None or shape.is_empty:
        return False
    west, south, east, north = shape.bounds
    return bool(np.isfinite(shape.bounds).all()) and south >= -90 and north <= 90 and west >= -360 and east <= 360


def _around_zero(shape: Any) -> Any:
    """Moves a geometry whose longitudes run from 0 to 360 by whole turns."""
    import shapely

    west, _, east, _ = shape.bounds
    turn = 360 * np.round((west + east) / 2 / 360)
    return shapely.transform(shape, lambda points: points - [turn, 0]) if turn else shape


def _named(names: Sequence[str], likely: Sequence[str]) -> str | None:
    """The name among `names` that is the first of the likely ones."""
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[one] for one in likely if one in lower), None)


def _chosen(path: Path, table: Table, flag: str, name: str) -> str:
    if name not in table:
        raise UserError(f"--{flag}={name}: {path} has no such column; it has {', '.join(table)}")
    return name


def _ids(path: Path, table: Table, name: str, count: int) -> list[str]:
    """What each landslide is called: by a column without gaps; else by its number, from 1."""
    if name:
        found = table[_chosen(path, table, "id_column", name)]
        return [text or f"row {index + 1}" for index, text in enumerate(found)]
    for likely in _IDS:
        column = _named(list(table), [likely])
        if column is not None and all(table[column]) and len(set(table[column])) == count:
            return list(table[column])
    return [f"row {index + 1}" for index in range(count)]


def _dates(path: Path, table: Table, name: str, rows: Sequence[int]) -> tuple[list[Bracket], int]:
    """Brackets of some rows, and how many dates cannot be read: by the date, or by its bounds where it is empty."""
    date = _chosen(path, table, "date_column", name) if name else _named(list(table), _DATES)
    first, last = _named(list(table), _FIRST), _named(list(table), _LAST)
    found, unreadable = [], 0
    for row in rows:
        text = table[date][row] if date else ""
        known = brackets.parse(text)
        unreadable += known is None and not brackets.is_unknown(text)
        if known is None and not name and first and last:
            known = brackets.between(table[first][row] or None, table[last][row] or None)
        found.append(known or OPEN)
    return found, unreadable
