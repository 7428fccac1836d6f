"""`report.html`: one file with everything in it, which opens without a network."""

from collections.abc import Sequence
from pathlib import Path

from tsmu_jax.reporting.comparison import Comparison
from tsmu_jax.reporting.documents import said_once
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.cases import cases_section
from tsmu_jax.reporting.page.choice import choice_section
from tsmu_jax.reporting.page.markup import Html, element
from tsmu_jax.reporting.page.pixels import intensities_section, probabilities_section
from tsmu_jax.reporting.page.runs import runs_section, summary_section
from tsmu_jax.reporting.page.scores import curves_section, matrix_section, scatter_section
from tsmu_jax.reporting.reading import LeftOut
from tsmu_jax.reporting.table import Table
from tsmu_jax.reporting.writers import hypertext

_LINKS = {
    "summary": "Summary",
    "scatter": "Old against new",
    "tables": "Tables",
    "matrix": "Phases",
    "curves": "Curves",
    "probabilities": "Calibration",
    "cases": "Images",
    "choice": "Decoder",
    "intensities": "Intensities",
    "runs": "Runs",
}


def page(comparison: Comparison, tables: Sequence[Table], left_out: Sequence[LeftOut]) -> str:
    """The page; what comes from runs is escaped.

    Raises:
      UserError: a run's files are not what a run writes; names the file.
    """
    sections = {
        "summary": summary_section(comparison, tuple(left_out)),
        "scatter": scatter_section(comparison),
        "tables": parts.section("tables", "Tables", *(hypertext(table) for table in said_once(tables))),
        "matrix": matrix_section(comparison),
        "curves": curves_section(comparison),
        "probabilities": probabilities_section(comparison),
        "cases": cases_section(comparison),
        "choice": choice_section(comparison),
        "intensities": intensities_section(comparison),
        "runs": runs_section(comparison),
    }
    order = list(sections)
    if len(comparison.runs) == 1:  # nothing to compare: pictures come first
        order = ["summary", "cases", *(name for name in order if name not in ("summary", "cases"))]
    shown = {name: content for name in order if (content := sections[name]) is not None}
    links = [element("li", element("a", _LINKS[name], href=f"#{name}")) for name in shown]
    navigation = element("nav", element("ul", *links), aria_label="Sections")
    script = element("script", Html(_beside("script.js")))
    body = element(
        "body",
        element("a", "Skip to the content", href="#content", class_="skip"),
        element("header", element("h1", "Task-Specific Model Updates: report")),
        navigation,
        element("main", *shown.values(), id="content", tabindex="-1"),
        script,
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", "Task-Specific Model Updates: report"),
        element("style", Html(_beside("style.css"))),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _beside(name: str) -> str:
    return Path(__file__).with_name(name).read_text()
