"""What QGIS shows of an inventory: colours, labels and forms of its layers, as data for `styles.py`."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from tsmu_jax.inventory import schema

LABEL_SCALE = 25_000  # labels are drawn at larger scales than 1:25,000
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
    Rule("unsure, to review", "\"review_status\" = 'unsure'", "204,121,167,70", "204,121,167,255"),
    Rule("disputed, to review", "\"review_status\" = 'disputed'", "0,158,115,70", "0,158,115,255", 0.8),
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
_JUDGED = "\"review_status\" IN ('accepted', 'edited', 'unsure', 'disputed')"
LABEL = f"CASE WHEN {_JUDGED} OR ({_OPEN}) THEN {_LINES} END"
# The queue, the view `review_queue`: what most needs a look is drawn boldest. People edit `landslides`: GDAL takes an
# update of a view for a failed one, since SQLite counts no rows.
QUEUE_RULES = (
    Rule("disputed", "\"review_status\" = 'disputed'", "0,158,115,70", "0,158,115,255", 0.9),
    Rule("unsure", "\"review_status\" = 'unsure'", "204,121,167,70", "204,121,167,255", 0.7),
    Rule("look first", '"review_status" = \'unreviewed\' AND "priority" >= 2', "213,94,0,70", "213,94,0,255", 0.7),
    Rule("look", '"review_status" = \'unreviewed\' AND "priority" < 2', "240,228,66,70", "240,228,66,255"),
)
QUEUE_LABEL = "concat(\"priority\", CASE WHEN \"why\" <> '' THEN '\\n' || \"why\" ELSE '' END)"
QUEUE_FORM = {
    "Review": {
        "review_status": "Review",
        "Confidence": "Confidence",
        "Notes": "Notes",
        "amalgamated": "Several landslides in one",
        "priority": "Priority",
        "why": "Why",
    },
    "Model": {
        "prob_mean": "Probability, mean",
        "threshold": "Threshold",
        "uncertainty": "Uncertainty",
        "selection_margin": "Margin of the choice",
        "decoder": "Decoder",
        "area_m2": "Area (m²)",
        "touches_edge": "Ends where nobody looked",
        "date_min": "Not earlier than",
        "date_max": "Not later than",
    },
}


def _escaped(expression: str) -> str:
    """A QGIS expression whose text is no HTML, which QGIS would take the values of a map tip for."""
    return f"replace(replace({expression}, '&', '&amp;'), '<', '&lt;')"


_FIRST, _LAST = (_escaped(f"coalesce(left(\"{name}\", 10), '?')") for name in ("date_min", "date_max"))
TIP = f"""<b>[% {_WORDS} %]</b> ([% {_escaped('"review_status"')} %])<br>[% {_SIZE} %]<br>
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
        "found_by": "Found by",
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
OTHERS = "Model"  # the tab of the columns that FORM does not name
EDITABLE = {"review_status", "Confidence", "Notes", "amalgamated", "reviewer", "Date", "Fatalities", "Info_source"}
EDITABLE |= {"Inventory", "InventoryURL", "LS_ID", "license"}
FLAGS = ("touches_edge", "amalgamated")
CHOICES = {
    "review_status": (
        ("not reviewed", "unreviewed"),
        ("accepted", "accepted"),
        ("edited", "edited"),
        ("rejected: no landslide", "rejected"),
        ("unsure", "unsure"),
        ("disputed by two reviewers", "disputed"),
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


@dataclasses.dataclass(frozen=True, eq=False)
class Look:
    """How a layer of landslides is shown. Attributes: form: tabs, columns, titles; edited: whether people change it."""

    layer: str
    rules: tuple[Rule, ...]
    label: str
    form: Mapping[str, Mapping[str, str]]
    edited: bool


LANDSLIDES = Look("landslides", RULES, LABEL, FORM, True)
QUEUE = Look(schema.QUEUE, QUEUE_RULES, QUEUE_LABEL, QUEUE_FORM, False)
