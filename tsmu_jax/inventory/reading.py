"""Reads an inventory without changing it: a file on a read-only disk, too, and one of an older release."""

import contextlib
import enum
import math
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.schema import Table

FID = "OBJECTID"  # of every table, beside its columns
_WRITE_VERSION_AT, _WAL = 18, 2  # of SQLite's file format: byte 18 is 2 in files that QGIS has had open


class Which(enum.StrEnum):
    """Rows of the table `landslides`, as flags name them."""

    CURRENT = "current"
    REVIEWED = "reviewed"
    ALL = "all"


REJECTED = "rejected"
REVIEWED = ("accepted", "edited")  # landslides that a person accepted, as they were or with another shape
# As SQL. What a person accepted counts whatever other models have mapped.
WHERE = {
    Which.CURRENT: f"(coalesce(review_status, '') IN {REVIEWED} "
    f"OR (coalesce(superseded_by, '') = '' AND coalesce(review_status, '') != '{REJECTED}'))",
    Which.REVIEWED: f"review_status IN {REVIEWED}",
    Which.ALL: "1",
}


def is_superseded(status: str | None, superseded_by: str | None) -> bool:
    """Whether a row does not count since a later map shows its ground, or more of it, and no person has judged it."""
    return bool(superseded_by) and status not in (REJECTED, *REVIEWED)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens an inventory for reading: what is read is one state, whoever writes meanwhile.

    No other library of this process may have the file open: GDAL gives up SQLite's locks when it closes a file.

    Raises:
      UserError: there is no such file, it is no inventory, of a newer release, or was written meanwhile on a disk
        where it cannot be locked.
    """
    if not path.is_file():
        raise UserError(f"--inventory={path}: there is no such file; name one that tsmu_jax.predict --inventory made")
    real = path.resolve()  # SQLite keeps its log beside the file, not beside a link
    log = real.with_name(f"{real.name}-wal")
    unlocked, before = _cannot_be_locked(real, log), real.stat()

    def check_unchanged() -> None:
        now = real.stat()
        if unlocked and (_is_in_use(log) or (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size)):
            raise UserError(f"--inventory={path}: was written while it was read; run the same command again")

    try:
        address = f"{real.as_uri()}?mode=ro{'&immutable=1' if unlocked else ''}"
        with contextlib.closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database:
            database.execute("BEGIN")
            geopackage.checked(database, path)
            yield database
            check_unchanged()
    except sqlite3.Error as error:
        check_unchanged()
        if _is_in_use(log) and not os.access(real.parent, os.W_OK):
            said = f"its last changes are in {log.name}, which cannot be read where nothing can be written"
            raise UserError(f"--inventory={path}: {said}; copy both files to another directory") from error
        raise UserError(f"--inventory={path}: {geopackage.explained(error, path)}") from error


def _cannot_be_locked(path: Path, log: Path) -> bool:
    """Whether SQLite can read a file only as one that nobody changes.

    In its WAL mode, in which QGIS may leave a file, it keeps even a reader's locks in a file of their own.
    """
    with path.open("rb") as file:
        mode = file.read(_WRITE_VERSION_AT + 1)[_WRITE_VERSION_AT:]
    return mode == bytes([_WAL]) and not _is_in_use(log) and not os.access(path.parent, os.W_OK)


def _is_in_use(log: Path) -> bool:
    """Whether changes are in it that the inventory's file lacks."""
    return log.exists() and log.stat().st_size > 0


def columns(database: sqlite3.Connection, table: Table, names: Sequence[str], where: str = "1") -> dict[str, list[Any]]:
    """Columns of a table, in the order of its rows.

    Args:
      names: of columns of the current schema, or OBJECTID; those that an older inventory lacks are None in every row.
        Values that are not of a column's kind are None, too: SQLite keeps what other programs write.
      where: which rows, as SQL.
    """
    held = {row[1] for row in database.execute(f'PRAGMA table_info("{table.name}")')}
    if not held:  # an older inventory lacks the table
        return {name: [] for name in names}
    asked = ", ".join(f'"{name}"' if name in held else "NULL" for name in names)
    found = database.execute(f'SELECT {asked} FROM "{table.name}" WHERE {where} ORDER BY OBJECTID').fetchall()
    kinds = {column.name: column.kind for column in table.columns} | {FID: "integer"}
    return {name: [typed(row[index], kinds.get(name, "")) for row in found] for index, name in enumerate(names)}


def typed(value: Any, kind: str) -> Any:
    """A value as its column's kind has it; None where it is no such value.

    Args: kind: "text", "integer" or "real"; values of others stay as they are.
    """
    if value is None or kind not in ("text", "integer", "real"):
        return value
    if kind == "text":
        return str(value)
    try:
        number = float(value)
        if not math.isfinite(number) or (kind == "integer" and number != int(number)):
            return None
    except (TypeError, ValueError):
        return None
    return int(number) if kind == "integer" else number


def geometries(blobs: Sequence[bytes | None], path: Path) -> np.ndarray:
    """Shapely geometries, one for each blob of a table's geometry; None where a row has none.

    An outline that crosses itself, as people may draw it, becomes polygons that do not.

    Raises:
      UserError: a blob is no geometry.
    """
    found = np.empty(len(blobs), object)
    for index, blob in enumerate(blobs):
        try:
            found[index] = None if blob is None else geopackage.decoded_valid(blob)
        except Exception as error:  # GEOS raises errors of its own
            raise UserError(f"--inventory={path}: geometry {index + 1} cannot be read ({error})") from error
    return found
