"""An inventory's GeoPackage: made by GDAL, changed by SQLite in one transaction, so that nothing is half-written."""

import contextlib
import errno
import os
import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.inventory import furnishing, migrating, schema
from tsmu_jax.inventory.schema import TABLES, Table

GEOMETRY = "geometry"
_HEADER = struct.Struct("<2sBBi4d")  # magic, version, flags, SRS, min x, max x, min y, max y
_FLAGS = 0b011  # little-endian, an envelope of x and y
_WAIT_SECONDS = 10.0  # for another program that writes
_FREE_BYTE = 2**31  # SQLite locks bytes from 2**30 on
_DTYPES = {"text": object, "integer": np.int32, "real": np.float64}


def create(path: Path) -> None:
    """Makes an empty inventory where there is none, whole or not at all; several processes may do so at once.

    Raises:
      UserError: it cannot be written.
    """
    held, partial = path.with_name(f".{path.name}.lock"), path.with_name(f".{path.stem}.partial.gpkg")
    leftovers = partial, partial.with_name(f"{partial.name}-journal")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(held, timeout=_WAIT_SECONDS, fallback_to_soft=False):
            for leftover in leftovers:
                leftover.unlink(missing_ok=True)
            try:
                if not path.exists():
                    _write_empty(partial)
                    partial.replace(path)
                held.unlink(missing_ok=True)  # whoever waits for it finds the inventory
            finally:
                for leftover in leftovers:
                    leftover.unlink(missing_ok=True)
    except filelock.Timeout as error:
        raise UserError(f"--inventory={path}: another process makes it; run the same command again") from error
    except (OSError, sqlite3.Error, RuntimeError) as error:  # the last one is GDAL's
        said = getattr(error, "strerror", None) or str(error)
        raise UserError(f"--inventory={path}: cannot be written ({said}); name another file") from error


def _write_empty(path: Path) -> None:
    from pyogrio import raw

    for table in TABLES:
        plain = [column for column in table.columns if column.kind != "blob"]
        raw.write(
            path,
            geometry=np.array([], object) if table.geometry else None,
            field_data=[np.array([], _DTYPES[column.kind]) for column in plain],
            fields=[column.name for column in plain],
            layer=table.name,
            driver="GPKG",
            dataset_options={"VERSION": "1.2"},  # which QGIS 3.22 knows, too
            geometry_type=table.geometry or None,
            crs=f"EPSG:{schema.SRS}" if table.geometry else None,
            layer_options={"GEOMETRY_NAME": GEOMETRY, "FID": "OBJECTID"},
        )
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for table in TABLES:
            for column in table.columns:
                if column.kind == "blob":
                    database.execute(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" BLOB')
            keys = ", ".join(f'"{name}"' for name in table.key)
            database.execute(f'CREATE UNIQUE INDEX "{table.name}_key" ON "{table.name}" ({keys})')
        furnishing.furnish(database)
        migrating.name_inventory(database)
        database.execute("INSERT INTO tsmu_about (name, value) VALUES ('schema', ?)", (str(schema.SCHEMA),))


@contextlib.contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens an inventory for one change: all of it is written, or nothing.

    The same change brings an inventory of an older release up to date (`migrating`).

    No other library of this process may have the file open: GDAL gives up SQLite's locks when it closes a file.

    Raises:
      UserError: it is none, of a newer release, cannot be written, or another program writes it.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)) as database:
            for name, function in _FUNCTIONS.items():
                database.create_function(name, 1, function, deterministic=True)
            database.execute("PRAGMA foreign_keys = ON")
            database.execute("BEGIN IMMEDIATE")
            try:
                if checked(database, path) < schema.SCHEMA:
                    migrating.bring_up(database)
                yield database
                database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise
    except sqlite3.Error as error:
        raise UserError(f"--inventory={path}: {explained(error, path)}") from error


def try_writing(path: Path) -> None:
    """Raises UserError where `transaction` would, or SQLite could not write. Leaves the file as it is, to the byte."""
    with contextlib.suppress(_Enough), transaction(path) as database:
        database.execute("INSERT INTO tsmu_about (name) VALUES ('writing')")
        raise _Enough


class _Enough(Exception):
    """Takes a transaction back."""


def upsert(database: sqlite3.Connection, table: Table, row: Mapping[str, Any], *, replace: bool = True) -> bool:
    """Writes a row, in the place of the one with the same key.

    Args: replace: otherwise a row that is there stays as it is.

    Returns:
      Whether a row was written.
    """
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    keys = ", ".join(f'"{name}"' for name in table.key)
    others = ", ".join(f'"{name}" = excluded."{name}"' for name in row if name not in table.key)
    action = f"UPDATE SET {others}" if replace and others else "NOTHING"
    done = database.execute(
        f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) ON CONFLICT ({keys}) DO {action}', list(row.values())
    )
    return done.rowcount > 0


def rows(
    database: sqlite3.Connection, table: Table, where: str = "1", values: Sequence[Any] = ()
) -> Iterator[dict[str, Any]]:
    """Rows of a table as dictionaries, in the order in which they came."""
    found = database.execute(f'SELECT * FROM "{table.name}" WHERE {where} ORDER BY OBJECTID', list(values))
    names = [column[0] for column in found.description]
    for values_ in found:
        yield dict(zip(names, values_, strict=True))


def encoded(geometry: Any) -> bytes:
    """A shapely geometry as a GeoPackage holds it; a polygon becomes a multipolygon."""
    import shapely

    whole = shapely.MultiPolygon([geometry]) if geometry.geom_type == "Polygon" else geometry
    west, south, east, north = whole.bounds
    header = _HEADER.pack(b"GP", 0, _FLAGS, schema.SRS, west, east, south, north)
    return header + shapely.to_wkb(whole, byte_order=1, output_dimension=2)


def decoded(blob: bytes) -> Any:
    """The shapely geometry of a blob. Raises ValueError where it is none."""
    import shapely

    if blob[:2] != b"GP" or len(blob) < 8:
        raise ValueError("no geometry of a GeoPackage")
    envelope = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}.get(blob[3] >> 1 & 0b111)
    if envelope is None:
        raise ValueError("a geometry with an unknown envelope")
    return shapely.from_wkb(blob[8 + envelope :])


def decoded_valid(blob: bytes) -> Any:
    """As `decoded`; an outline that crosses itself, as people may draw it, becomes polygons that do not."""
    import shapely

    geometry = decoded(blob)
    return geometry if geometry.is_valid else shapely.make_valid(geometry, method="structure", keep_collapsed=False)


def _bound(number: int) -> Any:
    def bound(blob: bytes | None) -> float | None:
        return None if blob is None else float(decoded(blob).bounds[number])

    return bound


# What the triggers of the spatial index call; GDAL and QGIS bring their own.
_FUNCTIONS = {
    "ST_IsEmpty": lambda blob: None if blob is None else int(decoded(blob).is_empty),
    "ST_MinX": _bound(0),
    "ST_MinY": _bound(1),
    "ST_MaxX": _bound(2),
    "ST_MaxY": _bound(3),
}


def checked(database: sqlite3.Connection, path: Path) -> int:
    """The schema of an inventory. Raises UserError where it is no inventory, or of a newer release."""
    found = database.execute("SELECT value FROM tsmu_about WHERE name = 'schema'").fetchone()
    if found is None or not str(found[0]).isdecimal():
        raise UserError(f"--inventory={path}: is no inventory of tsmu_jax; name another file")
    if int(found[0]) > schema.SCHEMA:
        raise UserError(f"--inventory={path}: is of a newer release; update tsmu_jax")
    return int(found[0])


def explained(error: sqlite3.Error, path: Path) -> str:
    """What a user can do about an error of SQLite's."""
    said = str(error)
    if "locked" in said or "busy" in said:
        if _has_locks(path):
            return "another program is writing it; close its edits there, and run the same command again"
        return "its file system has no locks, so two programs may spoil it; put it on a local disk"
    if path.exists() and not os.access(path, os.W_OK):
        return "cannot be written; make it writable, or name another file"
    if not os.access(path.parent, os.W_OK):
        return f"its directory {path.parent} cannot be written, where SQLite keeps its journal; make it writable"
    if "not a database" in said or "no such table" in said or "malformed" in said:
        return f"is no inventory of tsmu_jax ({said}); name another file"
    if "disk I/O" in said or "locking protocol" in said or "unable to open" in said:
        return f"its file system does not let SQLite lock or write it ({said}); put it on a local disk"
    return f"{said}; nothing was written"


def _has_locks(path: Path) -> bool:
    """Whether the file system locks files: SQLite says "locked" where it does not, too."""
    try:
        import fcntl
    except ImportError:  # Windows, whose file systems do
        return True
    try:
        with path.open("r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _FREE_BYTE)
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EAGAIN)
    return True
