"""Inventories of older releases get columns, tables, triggers and styles that they lack; no value of theirs changes.

Rows that people drew get what they lack, too: a name and a state of their review.
"""

import sqlite3
import uuid

from tsmu_jax.inventory import furnishing, schema
from tsmu_jax.inventory.schema import TABLES, Table

_TYPES = {"text": "TEXT", "integer": "MEDIUMINT", "real": "REAL", "blob": "BLOB"}  # as GDAL calls them


def bring_up(database: sqlite3.Connection) -> None:
    """Adds what the current schema has more, within the transaction that is open.

    Args: database: of an inventory whose schema is an older one.
    """
    held = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in TABLES:
        if table.name not in held:
            _create(database, table)
            continue
        known = {row[1] for row in database.execute(f'PRAGMA table_info("{table.name}")')}
        for column in table.columns:
            if column.name not in known:
                database.execute(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {_TYPES[column.kind]}')
    _name(database)
    _remember(database)
    name_inventory(database)
    furnishing.furnish(database)
    database.execute("UPDATE tsmu_about SET value = ? WHERE name = 'schema'", (str(schema.SCHEMA),))


def _name(database: sqlite3.Connection) -> None:
    """Gives rows without a name what the trigger `landslides_drawn` gives those that people draw now.

    Args: database: without our triggers as yet, or with those of an older release.
    """
    unnamed = database.execute("SELECT OBJECTID FROM landslides WHERE coalesce(uuid, '') = ''").fetchall()
    database.executemany(
        """
        UPDATE landslides
        SET uuid = ?,
            review_status = CASE
              WHEN review_status IN ('rejected', 'edited') THEN review_status
              WHEN model_id IS NOT NULL THEN 'edited'
              ELSE 'accepted'
            END,
            reviewed_at = coalesce(reviewed_at, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))
        WHERE OBJECTID = ?
        """,
        [(str(uuid.uuid4()), row) for (row,) in unnamed],
    )


def name_inventory(database: sqlite3.Connection) -> None:
    """Gives an inventory the name by which files of decisions know it, and its copies: `tsmu_about.id`."""
    database.execute(
        "INSERT INTO tsmu_about (name, value) VALUES ('id', ?) ON CONFLICT (name) DO NOTHING", (str(uuid.uuid4()),)
    )


def _remember(database: sqlite3.Connection) -> None:
    """Writes what people have decided before decisions were kept, as far as the rows say so.

    Args: database: without the triggers on decisions as yet.
    """
    database.execute(
        "UPDATE landslides SET found_by = CASE WHEN model_id IS NULL THEN 'people' ELSE 'model' END "
        "WHERE found_by IS NULL"
    )
    names = "uuid, review_status, model_id, reviewer, reviewed_at, geometry, original_geometry"
    held = database.execute(
        f"SELECT {names} FROM landslides WHERE review_status IN ('accepted', 'edited', 'rejected') "
        "AND uuid NOT IN (SELECT landslide FROM decisions) ORDER BY OBJECTID"
    ).fetchall()
    for landslide, status, model, reviewer, reviewed_at, geometry, original in held:
        is_new = model is None or (status == "edited" and original is None)  # drawn, or split off
        is_reshaped = original is not None and geometry != original
        outlines = (original, geometry) if is_new or is_reshaped else (None, None)
        database.execute(
            "INSERT INTO decisions (uuid, landslide, verdict, seen, reviewer, decided_at, source, geometry_before, "
            "geometry_after) VALUES (?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', coalesce(julianday(?), 'now')), "
            "'qgis', ?, ?)",
            (
                str(uuid.uuid4()),
                landslide,
                "drawn" if model is None and status == "accepted" else status,
                None if is_new else "unreviewed",
                reviewer,
                reviewed_at,
                *outlines,
            ),
        )


def _create(database: sqlite3.Connection, table: Table) -> None:
    """Makes a table, and lists it as GDAL does: other programs would not see it otherwise."""
    shape = [f'"geometry" {table.geometry.upper()}'] if table.geometry else []
    columns = ", ".join([*shape, *(f'"{column.name}" {_TYPES[column.kind]}' for column in table.columns)])
    keys = ", ".join(f'"{name}"' for name in table.key)
    database.execute(f'CREATE TABLE "{table.name}" ("OBJECTID" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {columns})')
    database.execute(f'CREATE UNIQUE INDEX "{table.name}_key" ON "{table.name}" ({keys})')
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id) "
        "VALUES (?, ?, ?, '', strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?)",
        (table.name, *(("features", table.name, schema.SRS) if table.geometry else ("attributes", table.name, 0))),
    )
    if table.geometry:
        _place(database, table)
    database.execute("INSERT INTO gpkg_ogr_contents (table_name, feature_count) VALUES (?, 0)", (table.name,))
    for event, sign in (("insert", "+"), ("delete", "-")):
        database.execute(
            f'CREATE TRIGGER "trigger_{event}_feature_count_{table.name}" AFTER {event.upper()} ON "{table.name}" '
            f"BEGIN UPDATE gpkg_ogr_contents SET feature_count = feature_count {sign} 1 "
            f"WHERE lower(table_name) = lower('{table.name}'); END"
        )


def _place(database: sqlite3.Connection, table: Table) -> None:
    """Lists a table's geometry, and gives it the spatial index that GDAL gave `observed`, statement by statement."""
    database.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geometry', ?, ?, 0, 0)",
        (table.name, table.geometry.upper(), schema.SRS),
    )
    model = schema.OBSERVED.name
    statements = database.execute(
        "SELECT sql FROM sqlite_master WHERE name = :index OR (type = 'trigger' AND substr(name, 1, :length) = :index)",
        {"index": f"rtree_{model}_geometry", "length": len(f"rtree_{model}_geometry")},
    ).fetchall()
    for (statement,) in statements:
        database.execute(statement.replace(model, table.name))
    database.execute(
        "INSERT INTO gpkg_extensions SELECT ?, column_name, extension_name, definition, scope FROM gpkg_extensions "
        "WHERE table_name = ?",
        (table.name, model),
    )
