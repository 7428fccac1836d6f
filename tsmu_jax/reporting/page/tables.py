"""A table as its template needs it: words of each cell, and their HTML attributes."""

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tsmu_jax.evaluation.intervals import Interval
from tsmu_jax.reporting.table import Cell, Column, Table, ranking, text


class Words(NamedTuple):
    """A cell; attributes that are None are left out."""

    words: str
    attributes: Mapping[str, str | int | None]


def heads(table: Table) -> list[list[Words]]:
    """One or two rows: columns of a group share a title above theirs."""
    grouped = any(column.group for column in table.columns)
    upper, lower = [], []
    for _, group in itertools.groupby(enumerate(table.columns), lambda item: item[1].group or item[0]):
        members = list(group)
        titles = [
            Words(column.title, {"scope": "col", "class": "number" if table.is_numeric(index) else None})
            for index, column in members
        ]
        if name := members[0][1].group:
            upper.append(Words(name, {"scope": "colgroup", "colspan": len(members)}))
            lower += titles
        else:
            (title,) = titles
            rows = 2 if grouped else None
            upper.append(Words(title.words, {"scope": "col", "rowspan": rows, "class": title.attributes["class"]}))
    return [row for row in (upper, lower) if row]


def rows(table: Table) -> Iterator[list[Words]]:
    """The first cell of each row is its head."""
    for row in table.rows:
        yield [_cell(*pair) for pair in zip(row, table.columns, strict=True)]


def _cell(cell: Cell, column: Column) -> Words:
    kinds = [] if isinstance(cell, str) else ["number"]
    if isinstance(cell, Interval) and ranking(cell):
        kinds.append(ranking(cell))
    return Words(text(cell, column.digits), {"class": " ".join(kinds) or None})
