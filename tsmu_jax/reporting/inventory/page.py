"""`summary.html`: one file with everything in it, which opens without a network."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.inventory import numbers
from tsmu_jax.reporting.inventory.contents import REJECTED, SUPERSEDED, Contents
from tsmu_jax.reporting.inventory.distribution import Distribution
from tsmu_jax.reporting.inventory.figures import Drawn
from tsmu_jax.reporting.page import document, parts
from tsmu_jax.reporting.table import Table, number

MOST_ROWS = 200  # of a table on the page; its CSV file has all
# Section -> its title, its figures, its tables.
_SECTIONS = {
    "map": ("Map", ("map",), ()),
    "size": ("Size", ("frequency_area",), ("frequency_area",)),
    "counts": ("Counts", ("counts",), ("ecoregions", "confidence", "review")),
    "review": ("Review", (), ("reviewers", "agreement", "precision", "models")),
    "completeness": ("Completeness", ("dates",), ("dates",)),
    "sources": ("Sources", ("sources",), ("scenes",)),
}


def page(contents: Contents, known: Distribution, figures: Sequence[Drawn], tables: Sequence[Table]) -> str:
    """Renders the page; what comes from the inventory is escaped."""
    drawn = {one.name: _shown(one) for one in figures}
    listed = {table.name: table for table in tables}
    found = document.environment()
    sheet = found.get_template("style.css").render()
    sections: dict[str, Any] = {
        name: {
            "title": title,
            "facts": completeness(contents) if name == "completeness" else {},
            "figures": [drawn[one] for one in shown],
            "tables": [listed[one] for one in rows if listed[one].rows],
        }
        for name, (title, shown, rows) in _SECTIONS.items()
        if shown or any(listed[one].rows for one in rows)
    }
    return found.get_template("inventory.html").render(
        name=contents.name,
        facts=facts(contents, known),
        sections=sections,
        most=MOST_ROWS,
        policy=document.policy(sheet),
        style=Markup(sheet),
    )


def _shown(one: Drawn) -> dict[str, Any]:
    said = f"{one.caption}. {' '.join(one.notes)}"
    address = parts.data_address("image/svg+xml", canvas.svg(one.figure))
    return {"caption": one.caption, "address": address, "label": said, "notes": one.notes}


def facts(contents: Contents, known: Distribution) -> Mapping[str, str]:
    """What the inventory holds, in a few lines."""
    status = numbers.by_status(contents)
    current = contents.area_m2[contents.current]
    found = {"Inventory": contents.name, "Landslides": f"{len(current):,}"}
    if not len(current):
        found["Landslides"] = "none: nothing was found, or all was rejected or superseded"
    else:
        middle, most = float(sorted(current)[len(current) // 2]), float(current.max())
        found["Area"] = f"median {middle:,.0f} m², greatest {most:,.0f} m²"
    found["Reviewed"] = f"{status['accepted']:,} accepted, {status['edited']:,} edited"
    if status["unsure"] or status["disputed"]:
        found["Undecided"] = f"{status['unsure']:,} unsure, {status['disputed']:,} disputed by two reviewers"
    found["Counted apart"] = f"{status[REJECTED]:,} rejected, {status[SUPERSEDED]:,} superseded"
    if contents.without_geometry:
        found["Left out"] = f"{contents.without_geometry:,} without geometry"
    if known.rollover is not None:
        low, high = known.low_m2[known.rollover], known.high_m2[known.rollover]
        found["Rollover"] = f"between {low:,.0f} and {high:,.0f} m²"
    found["Scenes"] = f"{len(contents.scenes['scene']):,}"
    return found


def completeness(contents: Contents) -> Mapping[str, str]:
    """What was found, by what was looked at."""
    one = numbers.completeness(contents)
    found = {
        "Observed ground": f"{number(one.observed_km2, None)} km², ground in several scenes once",
        "Reviewed ground": f"{number(one.reviewed_km2, None)} km² that people have looked at wholly",
        "Landslide": f"{number(one.landslide_km2, None)} km²",
    }
    if one.a_km2 is not None and one.share is not None:
        found["Landslides a km²"] = number(one.a_km2, 2)
        found["Share of landslide"] = f"{one.share:.2%} of the observed ground"
    if least := sorted({area for area in contents.observed["min_area_m2"] if area}):
        first, *others = (f"under {area:,.0f} m²" for area in least)
        found["Left out"] = ", ".join([f"landslides {first} on some maps", *(f"{one} on others" for one in others)])
    found |= {
        "At edges": f"{one.at_edges:,} end at ground that was not looked at: they may be larger",
        "Amalgamated": f"{one.amalgamated:,} marked as several landslides in one shape",
        "Undated": f"{one.undated:,}",
        "Matched": f"{one.matched:,} with a landslide of another inventory",
    }
    return found
