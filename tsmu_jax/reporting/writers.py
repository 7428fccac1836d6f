"""Writes a table as Markdown, CSV or LaTeX."""

import csv
import io
import math
from collections.abc import Sequence

from tsmu_jax import cells
from tsmu_jax.evaluation.intervals import Interval, Spread
from tsmu_jax.reporting.table import Cell, Column, Table, ranking, text
from tsmu_jax.words import escaped_markdown

_LATEX = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "λ": r"$\lambda$",
    "→": r"$\to$",
}


def markdown(table: Table, *, level: int = 2) -> str:
    """A heading, a pipe table, its notes as a list."""
    columns = range(len(table.columns))
    lines = [
        f"{'#' * level} {escaped_markdown(table.title)}",
        "",
        markdown_row([column.name for column in table.columns]),
        "|" + "".join("---:|" if table.is_numeric(index) else "---|" for index in columns),
        *(markdown_row(cells) for cells in _texts(table)),
    ]
    lines += ["", *(f"- {escaped_markdown(note)}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def markdown_row(cells: Sequence[str]) -> str:
    """One line of a pipe table."""
    return "| " + " | ".join(escaped_markdown(cell) for cell in cells) + " |"


def comma_separated(table: Table) -> str:
    """Numbers in full; means and differences take several columns each. Nothing where a cell is empty.

    Texts are written so that spreadsheet programs take none of them for a formula, see `cells.py`.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    parts = [_parts([row[index] for row in table.rows]) for index in range(len(table.columns))]
    columns = list(zip(table.columns, parts, strict=True))
    writer.writerow([cells.safe(column.name + part) for column, names in columns for part in names])
    for row in table.rows:
        writer.writerow([value for cell, names in zip(row, parts, strict=True) for value in _values(cell, len(names))])
    return file.getvalue()


def latex(table: Table) -> str:
    """A `table` environment that needs no package; columns of a group share a title above theirs."""
    align = "".join("r" if table.is_numeric(index) else "l" for index in range(len(table.columns)))
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_escaped_latex(table.title)}}}"]
    lines += [rf"\label{{tab:{table.name}}}", rf"\begin{{tabular}}{{{align}}}", r"\hline"]
    if any(column.group for column in table.columns):
        lines.append(_latex_groups(table.columns))
    lines += [_latex_row([column.title for column in table.columns]), r"\hline"]
    lines += [_latex_row(cells) for cells in _texts(table)]
    lines += [r"\hline", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {_escaped_latex(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _texts(table: Table) -> list[list[str]]:
    return [[text(cell, column.digits) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]


def _parts(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Returns the names of a column's parts, beside its own name."""
    if any(isinstance(cell, Interval) for cell in cells):
        return ("", " low", " high", " ranking")
    return ("", " std") if any(isinstance(cell, Spread) for cell in cells) else ("",)


def _values(cell: Cell, length: int) -> list[str | int | float]:
    values: list[str | int | float]
    if isinstance(cell, Interval):
        values = [*_known(cell.difference, cell.low, cell.high), ranking(cell)]
    elif isinstance(cell, Spread):
        values = _known(cell.mean, cell.std)
    else:
        values = [cells.safe(cell)] if isinstance(cell, str) else _known(math.nan if cell is None else cell)
    return values + [""] * (length - len(values))


def _known(*values: float) -> list[str | int | float]:
    return ["" if math.isnan(value) else value for value in values]


def _latex_groups(columns: Sequence[Column]) -> str:
    spans: list[list[str]] = []
    for column in columns:
        if spans and spans[-1][0] == column.group:
            spans[-1].append(column.group)
        else:
            spans.append([column.group])
    return " & ".join(rf"\multicolumn{{{len(span)}}}{{c}}{{{_escaped_latex(span[0])}}}" for span in spans) + r" \\"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_escaped_latex(cell) for cell in cells) + r" \\"


def _escaped_latex(words: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(words.split()))
