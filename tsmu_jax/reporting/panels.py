"""Fig. 8: images beside truth and prediction, and the one picture that sums up a run."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tsmu_jax.mask import LANDSLIDE, UNKNOWN
from tsmu_jax.reporting.charts import canvas
from tsmu_jax.reporting.charts.phase_bars import draw_phase_bars

CELL = 2.2  # width of an image, inches
SMALL_CELL = 1.65  # in the overview, which has more columns
GAP = 0.07
LABEL = 0.42  # the row's name, left of its images
TITLE = 0.24  # above each image
HEADER = 0.12
LEGEND = 0.34
BARS = 2.9
MOST_ROWS = 12  # of one picture: more take seconds to draw, and viewers refuse large sizes
ASPECTS = (0.4, 1.6)  # height / width of a cell; an image outside of it is drawn narrower

_MISS, _HIT, _ALARM, _BACKGROUND, _UNKNOWN = (
    (0x56, 0xB4, 0xE9),
    (0xFF, 0xFF, 0xFF),
    (0xE6, 0x9F, 0x00),
    (0x1E, 0x1E, 0x1E),
    (0x80, 0x80, 0x80),
)


@dataclasses.dataclass(frozen=True)
class PanelRow:
    """One test image with what the model made of it.

    Attributes:
      title: names the row: the ecoregion and, on a second line, the id; shortened where they do not fit.
      pre: u8[h, w, 3], or None in single-date ecoregions.
      post: u8[h, w, 3].
      truth: [h, w] of the values in mask.py.
      prediction: [h, w], 1 = landslide, 0 = background.
      iou: of the prediction, in [0, 1].
    """

    title: str
    pre: np.ndarray | None
    post: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray
    iou: float


@dataclasses.dataclass(frozen=True)
class _Cell:
    image: np.ndarray | None  # u8[h, w, 3]; None leaves the cell empty
    title: str
    outline: np.ndarray | None = None  # bool[h, w]


def panels(rows: Sequence[PanelRow], path: Path) -> None:
    """Writes pre | post | truth | prediction, one row an image; without any `pre` that column is left out.

    The truth is outlined on the post-event image; the prediction is coloured by `agreement`. It shows at most MOST_ROWS
    rows, evenly spread, and says so.

    Raises:
      ValueError: there are no rows, or an image and its masks differ in size.
    """
    _check(rows)
    given, rows = len(rows), _spread(rows)
    dated = any(row.pre is not None for row in rows)
    grid = [
        [*_images(row, dated), _Cell(agreement(row.truth, row.prediction), f"prediction, IoU {row.iou:.3f}")]
        for row in rows
    ]
    width, height = _extent(grid, CELL)
    figure = canvas.new_figure(width, height + LEGEND, canvas.Margins())
    _draw_grid(figure, [row.title for row in rows], grid, CELL)
    _legend(figure, width, rows)
    if len(rows) < given:
        figure.text(0.01, 0.01, f"{len(rows)} of {given} images", fontsize=8, color=canvas.GREY, va="bottom")
    canvas.save(figure, path)


def overview(rows: Sequence[PanelRow], before: Sequence[PanelRow], results: Mapping[str, object], path: Path) -> None:
    """Writes the picture to look at first: what the update changed in a few images, and in all of them.

    Args:
      rows: predictions after the last phase, for a few test images of each ecoregion.
      before: the same images with the predictions after the first phase; empty after a single phase.
      results: as in `results.json`.

    Raises:
      ValueError: there are no rows, `before` shows other images, or an image and its masks differ in size.
    """
    _check(rows)
    _check(before or rows)
    if before and [row.title for row in before] != [row.title for row in rows]:
        raise ValueError("before and after must show the same images in the same order")
    dated = any(row.pre is not None for row in rows)
    names = ("before", "after") if before else ("prediction",)
    predictions = [(first, last) for first, last in zip(before, rows, strict=True)] if before else [(r,) for r in rows]
    grid = []
    for row, shown in zip(rows, predictions, strict=True):
        cells = [
            _Cell(agreement(row.truth, one.prediction), f"{name}, IoU {one.iou:.3f}")
            for name, one in zip(names, shown, strict=True)
        ]
        grid.append([*_images(row, dated), *cells])
    width, height = _extent(grid, SMALL_CELL)
    total = height + LEGEND + BARS
    figure = canvas.new_figure(width, total, canvas.Margins())
    _draw_grid(figure, [row.title for row in rows], grid, SMALL_CELL)
    _legend(figure, width, rows, bottom=BARS)
    axes = figure.add_axes((0.62 / width, 0.4 / total, 1 - 0.72 / width, (BARS - 0.85) / total))
    draw_phase_bars(axes, results)
    canvas.save(figure, path)


def agreement(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """u8[h, w, 3]: white where both masks say landslide, orange a false alarm, blue missed, grey unknown, else dark."""
    colours = np.array([[_BACKGROUND, _ALARM], [_MISS, _HIT], [_UNKNOWN, _UNKNOWN]], np.uint8)
    return colours[truth.astype(np.intp), (prediction != 0).astype(np.intp)]


def _images(row: PanelRow, dated: bool) -> list[_Cell]:
    truth = row.truth == LANDSLIDE
    cells = [
        _Cell(row.post, "post-event" if dated else "image", truth),
        _Cell(agreement(row.truth, row.truth), "truth"),
    ]
    return [_Cell(row.pre, "pre-event" if row.pre is not None else "no pre-event image"), *cells] if dated else cells


def _spread(rows: Sequence[PanelRow]) -> Sequence[PanelRow]:
    if len(rows) <= MOST_ROWS:
        return rows
    return [rows[index] for index in np.linspace(0, len(rows) - 1, MOST_ROWS).round().astype(int)]


def _check(rows: Sequence[PanelRow]) -> None:
    if not rows:
        raise ValueError("no images to draw")
    for row in rows:
        sizes = {row.post.shape[:2], row.truth.shape, row.prediction.shape}
        if row.pre is not None:
            sizes.add(row.pre.shape[:2])
        if len(sizes) != 1:
            raise ValueError(f"{row.title!r}: images and masks of different sizes: {sorted(sizes)}")


def _aspect(row: Sequence[_Cell]) -> float:
    height, width = next(cell.image for cell in row if cell.image is not None).shape[:2]
    return min(max(height / width, ASPECTS[0]), ASPECTS[1])


def _extent(grid: Sequence[Sequence[_Cell]], cell: float) -> tuple[float, float]:
    """Inches that the grid takes: width of the figure, height from its top; `cell`: width of an image."""
    width = LABEL + len(grid[0]) * (cell + GAP) + GAP
    return width, HEADER + sum(TITLE + cell * _aspect(row) + GAP for row in grid)


def _draw_grid(figure: Figure, titles: Sequence[str], grid: Sequence[Sequence[_Cell]], cell_width: float) -> None:
    """Lays the cells out by the inch, from the top left corner; rows may differ in height."""
    width, height = figure.get_size_inches()
    top = height - HEADER
    for title, row in zip(titles, grid, strict=True):
        cell_height = cell_width * _aspect(row)
        bottom = top - TITLE - cell_height
        figure.text(
            (LABEL - 0.08) / width,
            (bottom + cell_height / 2) / height,
            canvas.shortened(title, int(cell_height * 72 / 5)),
            rotation=90,
            ha="right",
            va="center",
            multialignment="center",
            fontsize=8,
            color=canvas.INK,
            linespacing=1.15,
        )
        for column, cell in enumerate(row):
            left = LABEL + column * (cell_width + GAP)
            box = (left / width, bottom / height, cell_width / width, cell_height / height)
            _draw_cell(figure.add_axes(box), cell)
        top = bottom - GAP


def _draw_cell(axes: Axes, cell: _Cell) -> None:
    canvas.frameless(axes)
    if cell.image is None:
        return canvas.message(axes, cell.title)
    axes.imshow(cell.image, aspect="equal")
    axes.set_title(cell.title, fontsize=8, color=canvas.INK, pad=3)
    outline = cell.outline
    if outline is not None and outline.any() and not outline.all() and min(outline.shape) > 1:
        axes.contour(outline.astype(np.float32), levels=[0.5], colors=[canvas.YELLOW], linewidths=0.9)
    return None


def _legend(figure: Figure, width: float, rows: Sequence[PanelRow], bottom: float = 0.0) -> None:
    height = figure.get_size_inches()[1]
    entries = [("landslide found", _HIT), ("false alarm", _ALARM), ("missed", _MISS)]
    if any((row.truth == UNKNOWN).any() for row in rows):
        entries.append(("unknown ground", _UNKNOWN))
    handles = [
        Patch(
            facecolor="#{:02x}{:02x}{:02x}".format(*colour),
            edgecolor=canvas.GREY,
            linewidth=0.6,
            label=name,
        )
        for name, colour in entries
    ]
    handles.append(Patch(facecolor="none", edgecolor="#C9BC00", linewidth=1.4, label="truth, outlined"))
    figure.legend(
        handles=handles,
        loc="center",
        bbox_to_anchor=((LABEL / 2 + width / 2) / width, (bottom + LEGEND / 2) / height),
        ncols=len(handles),
        fontsize=8,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.4,
    )
