"""`report.html`: one file with everything in it, which opens without a network.

Python says what is shown, `templates/` says how: a template for each section, all in `page.html`.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from tsmu_jax.evaluation.probabilities import BINS
from tsmu_jax.reporting.charts import canvas
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
    found, sections = environment(), {name: _SECTIONS[name] for name in order}
    sheet, script = style(found, content["cases"]), found.get_template("script.js").render()
    return found.get_template("page.html").render(
        content, sections=sections, policy=policy(sheet, script), style=Markup(sheet), script=Markup(script)
    )


def style(found: jinja2.Environment, shown: cases.Cases) -> str:
    """The style sheet: the template, the line styles of legends, and the shapes of the images, all of our own making.

    The page forbids attributes of style, so that nothing from a run can bring any.
    """
    lines = [canvas.line_style(number) for number in range(canvas.LINE_STYLES)]
    rules = [f".line-{number} {{ border-top: 2px {dash} {colour}; }}" for number, (colour, dash) in enumerate(lines)]
    pictures = [picture for block in shown.blocks.values() for picture in block]
    shapes = {picture.shape: f"{int(picture.width)}/{int(picture.height)}" for picture in pictures}
    rules += [f".{name} {{ aspect-ratio: {ratio}; }}" for name, ratio in shapes.items()]
    return found.get_template("style.css").render() + "\n".join(rules)


def policy(sheet: str, script: str = "") -> str:
    """The page's Content-Security-Policy: these two texts and images in the page itself, and nothing else."""
    runs = f"script-src '{_digest(script)}'; " if script else ""  # without one, the default forbids all
    return f"default-src 'none'; img-src data:; style-src '{_digest(sheet)}'; {runs}base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def environment(loader: jinja2.BaseLoader | None = None) -> jinja2.Environment:
    """Renders the templates: every value is escaped, and a missing one is an error.

    Args: loader: of other templates than this package's.
    """
    found = jinja2.Environment(
        loader=loader or jinja2.PackageLoader("tsmu_jax.reporting.page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {"heads": tables.heads, "rows": tables.rows}
    return found
