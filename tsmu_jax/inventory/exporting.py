"""Writes the landslides of an inventory for other programs: GeoJSON, GeoParquet, CSV."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax import cells
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import degrees, forms, geopackage, measures, reading, scene_rows, schema, writing
from tsmu_jax.inventory.forms import Form
from tsmu_jax.inventory.reading import Which

_DTYPES = {"text": "str", "integer": "Int64", "real": "Float64"}  # pandas', which know empty cells
_OF_SHAPE = ("area_m2", "perimeter_m", "Latitude", "Longitude")
_DIGITS = 7  # of degrees: about a centimetre, as RFC 7946 asks for


class Exported(NamedTuple):
    """What was written.

    Attributes:
      landslides: their number.
      without_geometry: rows that were left out, since a program had emptied their geometry.
      unrecorded: why the inventory does not say by which form it was exported; "" where it does, or needs not.
    """

    landslides: int
    without_geometry: int
    unrecorded: str


def export(inventory: Path, output: Path, *, form: str | None, which: Which, overwrite: bool = False) -> Exported:
    """Writes landslides to a file whose suffix names the format; the form is kept in the inventory.

    Args:
      form: one of `forms.NAMES`, or `forms.ALL`; by default the USGS's in CSV files, and all columns in others.
      overwrite: whether a file that is there may be replaced.

    Raises:
      UserError: the inventory cannot be read, the suffix is unknown, or the file cannot be written.
    """
    write = WRITERS.get(output.suffix.lower())
    if write is None:
        raise UserError(f"--output={output}: name a file that ends in {', '.join(WRITERS)}")
    writing.refuse(output, overwrite=overwrite)
    chosen = forms.load(form or ("usgs" if write is _csv else forms.ALL))
    with reading.opened(inventory) as database:
        names = {"uuid", geopackage.GEOMETRY, *chosen.needed}
        found = reading.columns(database, schema.LANDSLIDES, sorted(names - forms.OF_SCENE), reading.WHERE[which])
        found |= scene_rows.of_landslides(database, found["uuid"], sorted(names & forms.OF_SCENE))
        recorded = _is_recorded(database, chosen)
    shapes = reading.geometries(found.pop(geopackage.GEOMETRY), inventory)
    kept = [index for index, shape in enumerate(shapes) if shape is not None and not shape.is_empty]
    found = {name: [values[index] for index in kept] for name, values in found.items()}
    _measure(found, shapes[kept])
    with writing.whole(output, overwrite=overwrite) as partial:
        write(partial, chosen, found, shapes[kept])
    unrecorded = "" if recorded else _record(inventory, chosen)
    return Exported(len(kept), len(shapes) - len(kept), unrecorded)


def _measure(columns: dict[str, list[Any]], shapes: np.ndarray) -> None:
    """Fills what triggers empty where people edit or draw a shape: area, perimeter, a point inside."""
    for index, shape in enumerate(shapes):
        empty = [name for name in _OF_SHAPE if name in columns and columns[name][index] is None]
        found = (measures.measured(shape) if empty else None) or {}
        for name in found.keys() & empty:
            columns[name][index] = found[name]


def _table(form: Form, columns: Mapping[str, list[Any]], shapes: np.ndarray) -> Any:
    """A GeoDataFrame: the form's columns and geometries, outer rings against the clock."""
    import geopandas
    import pandas
    import shapely

    rows = list(form.rows(columns))
    data = {
        field.name: pandas.array([reading.typed(row[index], field.kind) for row in rows], dtype=_DTYPES[field.kind])
        for index, field in enumerate(form.fields)
    }
    cut = np.array([degrees.within_bounds(shape) for shape in shapes], object)
    return geopandas.GeoDataFrame(data, geometry=shapely.orient_polygons(cut), crs=schema.SRS)


def _geojson(path: Path, form: Form, columns: Mapping[str, list[Any]], shapes: np.ndarray) -> None:
    """As RFC 7946 says: no other coordinate system, so no member that names one."""
    table = _table(form, columns, shapes)
    options = {"layer": "landslides", "engine": "pyogrio", "RFC7946": "YES", "COORDINATE_PRECISION": str(_DIGITS)}
    if len(table):
        table.to_file(path, driver="GeoJSON", index=False, **options)
    else:
        path.write_text('{"type": "FeatureCollection", "name": "landslides", "features": []}\n')


def _geoparquet(path: Path, form: Form, columns: Mapping[str, list[Any]], shapes: np.ndarray) -> None:
    _table(form, columns, shapes).to_parquet(path, index=False, schema_version="1.1.0", write_covering_bbox=True)


def _csv(path: Path, form: Form, columns: Mapping[str, list[Any]], shapes: np.ndarray) -> None:
    """Without geometry; no text is a formula to a spreadsheet program."""
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in form.fields])
        for row in form.rows(columns):
            writer.writerow([cells.safe(value) if isinstance(value, str) else value for value in row])


Writer = Callable[[Path, Form, Mapping[str, list[Any]], np.ndarray], None]
WRITERS: Mapping[str, Writer] = {".geojson": _geojson, ".parquet": _geoparquet, ".csv": _csv}


def _is_recorded(database: Any, form: Form) -> bool:
    held = reading.columns(database, schema.COLUMN_MAPS, ("name", "version", "columns"))
    known = zip(held["name"], held["version"], held["columns"], strict=True)
    return form.name == forms.ALL or (form.name, form.version, _plain(form)) in known


def _plain(form: Form) -> str:
    return json.dumps(form.plain, ensure_ascii=False)


def _record(inventory: Path, form: Form) -> str:
    """Keeps a form in the inventory. Returns why it could not: the export itself is finished."""
    try:
        with geopackage.transaction(inventory) as database:
            row = {"name": form.name, "version": form.version, "columns": _plain(form)}
            geopackage.upsert(database, schema.COLUMN_MAPS, row)
    except UserError as error:
        return str(error)
    return ""
