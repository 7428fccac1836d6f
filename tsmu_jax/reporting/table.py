"""A table as data: what it says, and nothing of how it is written. Writers: Markdown, CSV, LaTeX."""

import dataclasses
import math
from typing import NamedTuple

from tsmu_jax.evaluation.intervals import Interval, Spread

Cell = str | int | float | Spread | Interval | None  # None: not run, a dash

DASH = "–"


class Column(NamedTuple):
    """A column.

    Attributes:
      group: what neighbouring columns share, such as the phase; printed once above them.
      digits: behind the point; None writes numbers of any size, as costs are.
    """

    title: str
    group: str = ""
    digits: int | None = 3

    @property
    def name(self) -> str:
        """Group and title, for formats with one line of titles."""
        return f"{self.group}: {self.title}" if self.group else self.title


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under columns.

    Attributes:
      name: of its files, without suffix.
      notes: what a reader must know, a sentence or two each.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.name}: a row has {len(row)} cells for {len(self.columns)} columns: {row}")

    def is_numeric(self, index: int) -> bool:
        """Whether a column holds numbers, which belong to the right."""
        cells = [row[index] for row in self.rows if row[index] is not None]
        return bool(cells) and not any(isinstance(cell, str) for cell in cells)


def text(cell: Cell, digits: int | None) -> str:
    """A cell as people read it: "0.638 ± 0.012", "+0.031 [0.010, 0.052] better", "–"."""
    if cell is None:
        return DASH
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Spread):
        spread = "" if math.isnan(cell.std) else f" ± {number(cell.std, digits)}"
        return number(cell.mean, digits) + spread
    if isinstance(cell, Interval):
        bounds = "" if math.isnan(cell.low) else f" [{number(cell.low, digits)}, {number(cell.high, digits)}]"
        sign = "+" if cell.difference > 0 else ""
        return f"{sign}{number(cell.difference, digits)}{bounds} {ranking(cell)}".rstrip()
    return number(cell, digits)


def number(value: float, digits: int | None) -> str:
    """Args: digits: behind the point; None: whole numbers in full, others to about four places."""
    if not math.isfinite(value):
        return DASH
    if digits is not None:
        rounded = f"{value:.{digits}f}"
        return rounded.removeprefix("-") if float(rounded) == 0 else rounded
    if value == round(value):
        return f"{round(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def ranking(cell: Interval) -> str:
    """The word for a difference whose interval excludes 0; nothing for one that may be chance."""
    if not cell.excludes_zero:
        return ""
    return "better" if cell.difference > 0 else "worse"
