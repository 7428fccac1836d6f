"""How QGIS shows an inventory: colours, labels and forms, in the table `layer_styles`, where QGIS looks for them."""

import dataclasses
import functools
import hashlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

from tsmu_jax.inventory import schema
from tsmu_jax.inventory.schema import Column

NAME = "tsmu_jax"  # of the styles in the database
LABEL_SCALE = 25_000  # labels are drawn at larger scales than 1:25,000
_FOLDER = Path(__file__).parent / "qgis"
_NULL = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"  # stands for NULL in the value maps of QGIS


class Rule(NamedTuple):
    """Rows that are drawn alike. Attributes: fill, outline: "red,green,blue,alpha"; dash: a Qt pen style."""

    label: str
    filter: str
    fill: str
    outline: str
    width_mm: float = 0.5
    dash: str = "solid"


_SUPERSEDED = "coalesce(\"superseded_by\", '') <> ''"  # as in reading.WHERE
_OPEN = f"\"review_status\" = 'unreviewed' AND NOT {_SUPERSEDED}"
# Colours of Okabe and Ito, which colour-blind people tell apart; fills let the image through.
RULES = (
    Rule("likely, to review", f'{_OPEN} AND "Confidence" = 3', "213,94,0,70", "213,94,0,255"),
    Rule("probable, to review", f'{_OPEN} AND "Confidence" = 2', "230,159,0,70", "230,159,0,255"),
    Rule(
        "possible, to review",
        f'{_OPEN} AND ("Confidence" IS NULL OR "Confidence" NOT IN (2, 3))',
        "240,228,66,70",
        "240,228,66,255",
    ),
    Rule("accepted", "\"review_status\" = 'accepted'", "0,114,178,70", "0,114,178,255"),
    Rule("edited", "\"review_status\" = 'edited'", "86,180,233,70", "86,180,233,255"),
    Rule("rejected", "\"review_status\" = 'rejected'", "0,0,0,0", "90,90,90,255", 0.3, "dot"),
    Rule(
        "superseded by a later map",
        f"\"review_status\" = 'unreviewed' AND {_SUPERSEDED}",
        "0,0,0,0",
        "150,150,150,160",
        0.2,
        "dash",
    ),
)

_WORDS = "map_get(map('1', 'possible', '2', 'probable', '3', 'likely', '5', 'confident', '8', 'high confidence'), "
_WORDS += 'to_string("Confidence"))'
_SIZE = 'CASE WHEN "area_m2" >= 10000 THEN format_number("area_m2" / 10000, 1) || \' ha\' '
_SIZE += 'WHEN "area_m2" IS NOT NULL THEN format_number("area_m2", 0) || \' m²\' END'
_SEVERAL = "CASE WHEN \"amalgamated\" = 1 THEN 'several in one?' END"
_LINES = f"array_to_string(array_filter(array({_WORDS}, {_SIZE}, {_SEVERAL}), @element IS NOT NULL), '\\n')"
LABEL = f"CASE WHEN \"review_status\" IN ('accepted', 'edited') OR ({_OPEN}) THEN {_LINES} END"


def _escaped(expression: str) -> str:
    """A QGIS expression whose text is no HTML, which QGIS would take the values of a map tip for."""
    return f"replace(replace({expression}, '&', '&amp;'), '<', '&lt;')"


_FIRST, _LAST = (_escaped(f"coalesce(left(\"{name}\", 10), '?')") for name in ("date_min", "date_max"))
_TIP = f"""<b>[% {_WORDS} %]</b> ([% {_escaped('"review_status"')} %])<br>[% {_SIZE} %]<br>
between [% {_FIRST} %] and [% {_LAST} %]<br>
[% {_escaped('"Notes"')} %]"""

# The tabs of the form, and how their columns are called there.
FORM = {
    "Review": {
        "review_status": "Review",
        "Confidence": "Confidence",
        "Notes": "Notes",
        "amalgamated": "Several landslides in one",
        "reviewer": "Reviewer",
        "reviewed_at": "Reviewed at (UTC)",
    },
    "Event": {
        "Date": "Date of the event",
        "date_min": "Not earlier than",
        "date_max": "Not later than",
        "Fatalities": "Fatalities",
        "Info_source": "Source",
        "pre_image": "Image before",
        "post_image": "Image after",
    },
    "Place and size": {
        "area_m2": "Area (m²)",
        "perimeter_m": "Perimeter (m)",
        "Latitude": "Latitude",
        "Longitude": "Longitude",
        "height_m": "Height (m)",
        "slope_deg": "Slope (°)",
        "aspect_deg": "Slope faces (° from north)",
        "na_l1name": "Ecoregion (CEC, Level I)",
        "touches_edge": "Ends where nobody looked",
    },
    "Model": {
        "prob_mean": "Probability, mean",
        "prob_max": "Probability, largest",
        "uncertainty": "Uncertainty",
        "threshold": "Threshold",
        "gsd_m": "Pixel (m)",
        "ecoregion": "Ecoregion of the model",
        "ecoregion_source": "Ecoregion chosen by",
        "decoder": "Decoder",
        "selection_margin": "Margin of the choice",
        "superseded_by": "Superseded by model",
        "model_id": "Model",
    },
    "Publication": {
        "Inventory": "Inventory",
        "InventoryURL": "Address",
        "LS_ID": "Number in the inventory",
        "license": "License",
        "matched_usgs_id": "Same landslide in another inventory",
        "match_distance_m": "Distance to that (m)",
    },
}
_OTHERS = "Model"  # the tab of the columns that FORM does not name
EDITABLE = {"review_status", "Confidence", "Notes", "amalgamated", "reviewer", "Date", "Fatalities", "Info_source"}
EDITABLE |= {"Inventory", "InventoryURL", "LS_ID", "license"}
FLAGS = ("touches_edge", "amalgamated")
CHOICES = {
    "review_status": (
        ("not reviewed", "unreviewed"),
        ("accepted", "accepted"),
        ("edited", "edited"),
        ("rejected: no landslide", "rejected"),
    ),
    "Confidence": (
        ("1 possible", "1"),
        ("2 probable", "2"),
        ("3 likely", "3"),
        ("5 confident (reviewed only)", "5"),
        ("8 high confidence (reviewed only)", "8"),
        ("not stated", _NULL),
    ),
}
# QGIS fills these in: (expression, whether again at every edit).
DEFAULTS = {
    "uuid": ("uuid('WithoutBraces')", False),
    "review_status": ("'accepted'", False),
    "reviewer": ("coalesce(nullif(@user_full_name, ''), @user_account_name)", True),
}


@dataclasses.dataclass(frozen=True)
class Field:
    """A column in the form. Attributes: index: among the layer's columns; default, on_update: see DEFAULTS."""

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
        return self.name in FLAGS

    @property
    def is_long(self) -> bool:
        """Whether its text takes several lines."""
        return self.name == "Notes"

    @property
    def is_editable(self) -> bool:
        """Whether people fill it in."""
        return self.name in EDITABLE


def write(database: sqlite3.Connection) -> None:
    """Writes the styles into an inventory, as its default ones; a style that somebody has changed stays as it is."""
    database.execute(_TABLE)
    database.execute(
        "INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', 0)"
    )
    columns = [row[1] for row in database.execute("PRAGMA table_info(landslides)")]
    landslides = _landslides(tuple(columns))
    for table, text in (("landslides", landslides), ("observed", (_FOLDER / "observed.qml").read_text())):
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
def _landslides(columns: tuple[str, ...]) -> str:
    """The QML of `landslides`. Args: columns: of the layer, in their order, without the geometry."""
    import jinja2

    loader = jinja2.FileSystemLoader(_FOLDER)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    known = {column.name: column for column in schema.LANDSLIDES.columns}
    titles = {name: title for tab in FORM.values() for name, title in tab.items()}
    fields = [
        _field(known[name], index, titles.get(name, name))
        for index, name in enumerate(name for name in columns if name != "geometry")
        if name in known
    ]
    by_name = {field.name: field for field in fields}
    tabs = []
    for tab, names in FORM.items():
        others = [each for each in fields if each.name not in titles and each.kind != "blob"] if tab == _OTHERS else []
        tabs.append({"name": tab, "fields": [by_name[name] for name in names if name in by_name] + others})
    values = {"rules": RULES, "fields": fields, "tabs": tabs, "label": LABEL, "label_scale": LABEL_SCALE, "tip": _TIP}
    return environment.get_template("landslides.qml").render(values)


def _field(column: Column, index: int, title: str) -> Field:
    default, on_update = DEFAULTS.get(column.name, ("", False))
    return Field(column.name, column.kind, index, title, CHOICES.get(column.name, ()), default, on_update)


# As QGIS creates it.
_TABLE = """
CREATE TABLE IF NOT EXISTS layer_styles (
  "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  "f_table_catalog" TEXT(256), "f_table_schema" TEXT(256), "f_table_name" TEXT(256), "f_geometry_column" TEXT(256),
  "styleName" TEXT(30), "styleQML" TEXT, "styleSLD" TEXT, "useAsDefault" BOOLEAN, "description" TEXT,
  "owner" TEXT(30), "ui" TEXT(30), "update_time" DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""
