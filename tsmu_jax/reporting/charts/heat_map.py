"""A grid of shares: the larger, the darker."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tsmu_jax.reporting.charts import canvas

_CELL = (0.62, 0.36)  # width and height, inches
_LEAST = 1.2  # of a side, so that the name of its axis fits, inches
_LONGEST = 20  # characters of a name
_DARKEST = 0.6  # opacity of 1: dark text can still be read on it


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """Values of rows and columns.

    Attributes:
      rows, columns: what they are, and the names of each.
      values: f64[rows, columns] in [0, 1].
      texts: what the cells say.
      framed: bool[rows, columns], cells that stand out; None for no cell.
    """

    rows: tuple[str, Sequence[str]]
    columns: tuple[str, Sequence[str]]
    values: np.ndarray
    texts: Sequence[Sequence[str]]
    framed: np.ndarray | None = None

    @property
    def size(self) -> tuple[float, float]:
        """Width and height that the cells take, inches."""
        return max(_CELL[0] * len(self.columns[1]), _LEAST), max(_CELL[1] * len(self.rows[1]), _LEAST)

    @property
    def margins(self) -> canvas.Margins:
        """Room for the names, those of columns turned."""
        sides = (self.rows, self.columns)
        rows, columns = (0.08 * min(max(map(len, names)), _LONGEST) for _, names in sides)
        return canvas.Margins(left=0.4 + rows, bottom=0.5 + 0.5 * columns)

    @property
    def said(self) -> str:
        """All cells, for those who do not see them: "etf: etf 3, nad 1"."""
        cells = [[f"{name} {words}" for name, words in zip(self.columns[1], row, strict=True)] for row in self.texts]
        return "; ".join(f"{name}: {', '.join(row)}" for name, row in zip(self.rows[1], cells, strict=True))


def heat_map(grid: Grid) -> Figure:
    """Draws a grid alone."""
    width, height = grid.size
    margins = grid.margins
    figure = canvas.new_figure(margins.left + width + margins.right, margins.bottom + height + margins.top, margins)
    draw_heat_map(figure.add_subplot(), grid)
    return figure


def draw_heat_map(axes: Axes, grid: Grid) -> None:
    """Draws a grid into `axes`, whose y axis then goes down."""
    for (row, column), value in np.ndenumerate(grid.values):
        opacity = _DARKEST * float(value)
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=(canvas.BLUE, opacity), linewidth=0))
        if grid.framed is not None and grid.framed[row, column]:
            frame = Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, edgecolor=canvas.INK, linewidth=1.2)
            axes.add_patch(frame)
        axes.text(column, row, grid.texts[row][column], ha="center", va="center", fontsize=8, color=canvas.INK)
    for axis, (title, names), turned in ((axes.xaxis, grid.columns, 30), (axes.yaxis, grid.rows, 0)):
        axis.set_ticks(range(len(names)), [canvas.shortened(name, _LONGEST) for name in names], rotation=turned)
        axis.set_label_text(title, fontsize=9, color=canvas.INK)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    axes.set_xlim(-0.5, len(grid.columns[1]) - 0.5)
    axes.set_ylim(len(grid.rows[1]) - 0.5, -0.5)
    axes.tick_params(length=0, labelsize=8, colors=canvas.INK)
    axes.spines[:].set_visible(False)
