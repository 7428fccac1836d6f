"""Writes how QGIS shows an inventory into its table `layer_styles`, where QGIS looks for it."""

import dataclasses
import functools
import hashlib
import sqlite3
from pathlib import Path

from tsmu_jax.inventory import looks, schema
from tsmu_jax.inventory.looks import Look
from tsmu_jax.inventory.schema import Column

NAME = "tsmu_jax"  # of the styles in the database
_FOLDER = Path(__file__).parent / "qgis"
_OF_QUEUE = (Column("priority", "real", ""), Column("why", "text", ""))


@dataclasses.dataclass(frozen=True)
class Field:
    """A column in the form. Attributes: index: among the layer's columns; default, on_update: see looks.DEFAULTS."""

    name: str
    kind: str
    index: int
    title: str
    choices: tuple[tuple[str, str], ...]
    default: str
    on_update: bool

    @property
    def is_flag(self) -> bool:
        """Whether the column is 0 or 1."""
        return self.name in looks.FLAGS

    @property
    def is_long(self) -> bool:
        """Whether its text takes several lines."""
        return self.name == "Notes"

    @property
    def is_editable(self) -> bool:
        """Whether people fill it in."""
        return self.name in looks.EDITABLE


def write(database: sqlite3.Connection) -> None:
    """Writes the styles into an inventory, as its default ones; a style that somebody has changed stays as it is."""
    database.execute(_TABLE)
    database.execute(
        "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', 0)"
    )
    texts = {name: (_FOLDER / f"{name}.qml").read_text() for name in ("observed", "reviewed")}
    for look in (looks.LANDSLIDES, looks.QUEUE):
        columns = [row[1] for row in database.execute(f'PRAGMA table_info("{look.layer}")')]
        texts[look.layer] = _rendered(look, tuple(columns))
    for table, text in sorted(texts.items()):
        found = database.execute(
            'SELECT id, "styleQML", description FROM layer_styles WHERE f_table_name = ? AND "styleName" = ?',
            (table, NAME),
        ).fetchone()
        if found and found[2] != _described(found[1]):
            continue
        values = (text, _described(text))
        if found:
            if found[1] != text:
                database.execute(
                    'UPDATE layer_styles SET "styleQML" = ?, description = ? WHERE id = ?', (*values, found[0])
                )
            continue
        is_first = not database.execute(
            'SELECT 1 FROM layer_styles WHERE f_table_name = ? AND "useAsDefault"', (table,)
        ).fetchone()
        database.execute(
            'INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "styleName", '
            '"styleQML", "styleSLD", "useAsDefault", description, owner) '
            "VALUES ('', '', ?, 'geometry', ?, ?, '', ?, ?, '')",
            (table, NAME, values[0], is_first, values[1]),
        )


def _described(text: str) -> str:
    """What the description of an unchanged style says."""
    return f"of tsmu_jax, SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


@functools.cache
def _rendered(look: Look, columns: tuple[str, ...]) -> str:
    """The QML of a layer of landslides. Args: columns: of the layer, in their order."""
    import jinja2

    loader = jinja2.FileSystemLoader(_FOLDER)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    kinds = {column.name: column for column in (*_OF_QUEUE, *schema.LANDSLIDES.columns)}
    titles = {name: title for names in look.form.values() for name, title in names.items()}
    known = [name for name in columns if name not in ("geometry", "OGC_FID")]
    fields = [
        _field(kinds[name], index, titles.get(name, name), look) for index, name in enumerate(known) if name in kinds
    ]
    by_name = {field.name: field for field in fields}
    others = [field for field in fields if field.name not in titles and field.kind != "blob"]
    tabs = []
    for tab, names in look.form.items():
        shown = [by_name[name] for name in names if name in by_name]
        tabs.append({"name": tab, "fields": [*shown, *(others if tab == looks.OTHERS else ())]})
    values = {"look": look, "fields": fields, "tabs": tabs, "label_scale": looks.LABEL_SCALE, "tip": looks.TIP}
    return environment.get_template("landslides.qml").render(values)


def _field(column: Column, index: int, title: str, look: Look) -> Field:
    default, on_update = looks.DEFAULTS.get(column.name, ("", False)) if look.edited else ("", False)
    return Field(column.name, column.kind, index, title, looks.CHOICES.get(column.name, ()), default, on_update)


# As QGIS creates it.
_TABLE = """
CREATE TABLE IF NOT EXISTS layer_styles (
  "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  "f_table_catalog" TEXT(256), "f_table_schema" TEXT(256), "f_table_name" TEXT(256), "f_geometry_column" TEXT(256),
  "styleName" TEXT(30), "styleQML" TEXT, "styleSLD" TEXT, "useAsDefault" BOOLEAN, "description" TEXT,
  "owner" TEXT(30), "ui" TEXT(30), "update_time" DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""
