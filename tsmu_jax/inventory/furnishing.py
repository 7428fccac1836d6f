"""What an inventory holds beside its rows: triggers that audit edits, styles, and the meaning of each column."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tsmu_jax.inventory import schema, styles

_AUDIT = Path(__file__).parent / "qgis" / "audit.sql"


def furnish(database: sqlite3.Connection) -> None:
    """Brings triggers, styles and descriptions of an inventory to this release. Doing so again changes nothing.

    Args: database: within a transaction; all of the schema's tables and columns are there.
    """
    for name, statement in _triggers():
        held = database.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?", (name,)).fetchone()
        if held is None or held[0] != statement:
            database.execute(f'DROP TRIGGER IF EXISTS "{name}"')
            database.execute(statement)
    _describe(database)
    styles.write(database)


def _triggers() -> Iterator[tuple[str, str]]:
    """Names of the triggers, and the statements that create them as SQLite keeps them."""
    statement = ""
    for line in _AUDIT.read_text().splitlines(keepends=True):
        if not statement and not line.startswith("CREATE TRIGGER"):
            continue  # comments and blank lines between triggers
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.split()[2], statement.strip().removesuffix(";")
            statement = ""


def _describe(database: sqlite3.Connection) -> None:
    """Writes the columns' meanings where GeoPackage's extension `gpkg_schema` keeps them, and QGIS shows them."""
    database.execute(_DATA_COLUMNS)
    if not database.execute("SELECT 1 FROM gpkg_extensions WHERE table_name = 'gpkg_data_columns'").fetchone():
        link = "http://www.geopackage.org/spec121/#extension_schema"
        database.execute(
            "INSERT INTO gpkg_extensions VALUES ('gpkg_data_columns', NULL, 'gpkg_schema', ?, 'read-write')", (link,)
        )
    for table in schema.TABLES:
        described = {column.name: column.meaning for column in table.columns if column.meaning}
        held = database.execute(
            "SELECT column_name, description FROM gpkg_data_columns WHERE table_name = ?", (table.name,)
        )
        if dict(held.fetchall()) != described:
            database.execute("DELETE FROM gpkg_data_columns WHERE table_name = ?", (table.name,))
            database.executemany(
                "INSERT INTO gpkg_data_columns (table_name, column_name, description) VALUES (?, ?, ?)",
                [(table.name, name, meaning) for name, meaning in described.items()],
            )


_DATA_COLUMNS = """
CREATE TABLE IF NOT EXISTS gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, mime_type TEXT,
  constraint_name TEXT,
  CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name), CONSTRAINT gdc_tn UNIQUE (table_name, name)
)
"""
