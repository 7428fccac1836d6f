"""Writes a table as Markdown, CSV, LaTeX or HTML."""

import csv
import io
import itertools
import math
from collections.abc import Sequence

from tsmu_jax.evaluation.intervals import Interval, Spread
from tsmu_jax.reporting.page.markup import Html, element, joined
from tsmu_jax.reporting.table import Cell, Column, Table, ranking, text

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


def escaped_markdown(words: str) -> str:
    """Underscores within words are safe in Markdown; bars in tables, stars and tags are not."""
    return " ".join(words.split()).replace("*", "\\*").replace("|", "\\|").replace("<", "&lt;")


def comma_separated(table: Table) -> str:
    """Numbers in full; means and differences take several columns each. Nothing where a cell is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    parts = [_parts([row[index] for row in table.rows]) for index in range(len(table.columns))]
    columns = list(zip(table.columns, parts, strict=True))
    writer.writerow([column.name + part for column, names in columns for part in names])
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


def hypertext(table: Table) -> Html:
    """A table that scrolls where it does not fit, its title a heading of level 3, its notes below.

    Columns of a group share a title above theirs; the first cell of a row is its head.
    """
    heading = f"table-{table.name}"
    caption = element("caption", element("h3", table.title, id=heading))
    body = [
        element("tr", *(_cell(cell, column, first=not index) for index, (cell, column) in enumerate(cells)))
        for cells in (list(zip(row, table.columns, strict=True)) for row in table.rows)
    ]
    whole = element("table", caption, element("thead", *_head(table)), element("tbody", *body))
    notes = element("ul", *(element("li", note) for note in table.notes), class_="notes") if table.notes else None
    return joined([element("div", whole, class_="scroll", role="region", aria_labelledby=heading, tabindex="0"), notes])


def _head(table: Table) -> list[Html]:
    grouped = any(column.group for column in table.columns)
    upper, lower = [], []
    for _, group in itertools.groupby(enumerate(table.columns), lambda item: item[1].group or item[0]):
        members = list(group)
        kinds = ["number" if table.is_numeric(index) else None for index, _ in members]
        titles = [column.title for _, column in members]
        if name := members[0][1].group:
            upper.append(element("th", name, scope="colgroup", colspan=len(members)))
            lower += [element("th", title, scope="col", class_=kind) for title, kind in zip(titles, kinds, strict=True)]
        else:
            upper.append(element("th", *titles, scope="col", rowspan=2 if grouped else None, class_=kinds[0]))
    return [element("tr", *cells) for cells in (upper, lower) if cells]


def _cell(cell: Cell, column: Column, *, first: bool) -> Html:
    words = text(cell, column.digits)
    if first:
        return element("th", words, scope="row")
    kind = None if isinstance(cell, str) else " ".join(["number", ranking(cell) if isinstance(cell, Interval) else ""])
    return element("td", words, class_=kind and kind.strip())


def _texts(table: Table) -> list[list[str]]:
    return [[text(cell, column.digits) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]


def _parts(cells: Sequence[Cell]) -> tuple[str, ...]:
    """What the columns of a column's parts are called, beside its own name."""
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
        values = [cell] if isinstance(cell, str) else _known(math.nan if cell is None else cell)
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
