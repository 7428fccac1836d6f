"""`report.html`: one file with everything in it, which opens without a network.

Python says what is shown, `templates/` says how: a template for each section, all in `page.html`.
"""

from collections.abc import Sequence
from typing import Any

import jinja2

from tsmu_jax.evaluation.probabilities import BINS
from tsmu_jax.reporting.comparison import Comparison
from tsmu_jax.reporting.documents import said_once
from tsmu_jax.reporting.page import cases, choice, pixels, runs, scores, tables
from tsmu_jax.reporting.page.parts import OLDER
from tsmu_jax.reporting.reading import LeftOut
from tsmu_jax.reporting.table import Table

# Section, which is the name of its template, and how links to it are called; in the order of the page.
_SECTIONS = {
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


def page(comparison: Comparison, shown: Sequence[Table], left_out: Sequence[LeftOut]) -> str:
    """Renders the page; what comes from runs is escaped.

    Args:
      comparison: of the runs.
      shown: all tables.
      left_out: what was no finished run.

    Raises:
      UserError: a run's files are not what a run writes; names the file.
    """
    alone = len(comparison.runs) == 1
    blocks, missing = pixels.probabilities(comparison)
    shared, each = runs.configurations(comparison)
    content: dict[str, Any] = {
        "verdict": comparison.runs[0].verdict if alone else None,
        "facts": runs.summary(comparison),
        "left_out": left_out,
        "scatter": scores.old_against_new(comparison),
        "tables": said_once(shown),
        "matrices": scores.matrices(comparison),
        "curves": scores.curves(comparison),
        "probabilities": blocks,
        "uncounted": missing,
        "bins": BINS,
        "cases": cases.cases(comparison),
        "choices": choice.choices(comparison),
        "intensities": pixels.intensities(comparison),
        "shared": shared,
        "runs": each,
        "older": OLDER,
    }
    order = [name for name in _SECTIONS if name != "choice" or content["choices"]]
    if alone:  # nothing to compare: pictures come first
        order.sort(key=lambda name: name not in ("summary", "cases"))
    return environment().get_template("page.html").render(content, sections={name: _SECTIONS[name] for name in order})


def environment() -> jinja2.Environment:
    """Renders the templates: every value is escaped, and a missing one is an error."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("tsmu_jax.reporting.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {"heads": tables.heads, "rows": tables.rows}
    return found
