"""What an inventory holds beside its rows: triggers that audit edits, views, styles, and the meaning of each column."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tsmu_jax.inventory import schema, styles

_VIEWS, _AUDIT = (Path(__file__).parent / "qgis" / name for name in ("views.sql", "audit.sql"))


def furnish(database: sqlite3.Connection) -> None:
    """Brings triggers, views, styles and descriptions of an inventory to this release. Doing so again changes nothing.

    Args: database: within a transaction; all of the schema's tables and columns are there.
    """
    for kind, name, statement in _statements():
        held = database.execute("SELECT sql FROM sqlite_master WHERE type = ? AND name = ?", (kind, name)).fetchone()
        if held is None or held[0] != statement:
            database.execute(f'DROP {kind.upper()} IF EXISTS "{name}"')  # with a view go its triggers, which come later
            database.execute(statement)
    database.execute("CREATE INDEX IF NOT EXISTS decisions_landslide ON decisions (landslide)")
    _register(database)
    _describe(database)
    styles.write(database)


def _register(database: sqlite3.Connection) -> None:
    """Lists the queue as a layer, so that other programs show it."""
    database.execute(
        "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
        "VALUES (?, 'features', ?, 'what waits for a person, the largest priority first', ?)",
        (schema.QUEUE, schema.QUEUE, schema.SRS),
    )
    database.execute(
        "INSERT OR IGNORE INTO gpkg_geometry_columns VALUES (?, 'geometry', 'MULTIPOLYGON', ?, 0, 0)",
        (schema.QUEUE, schema.SRS),
    )


def _statements() -> Iterator[tuple[str, str, str]]:
    """Views and triggers: "view" or "trigger", the name, and the statement that creates it as SQLite keeps it."""
    statement = ""
    for line in (_VIEWS.read_text() + _AUDIT.read_text()).splitlines(keepends=True):
        if not statement and not line.startswith("CREATE "):
            continue  # comments and blank lines between statements
        statement += line
        if sqlite3.complete_statement(statement):
            _, kind, name, *_ = statement.split()
            yield kind.lower(), name, statement.strip().removesuffix(";")
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
