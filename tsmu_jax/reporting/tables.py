"""Tables of a run: on the terminal by Rich, and the same numbers as Markdown."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from tsmu_jax.reporting.results import GROUPS, ecoregions, names, number, phases
from tsmu_jax.reporting.writers import markdown_row
from tsmu_jax.runs.progress import duration
from tsmu_jax.words import escaped_markdown

_COSTS = (
    ("epochs", "epochs"),
    ("images", "images"),
    ("seconds", "time"),
    ("trainable_parameters", "trainable"),
)
_NAMED_SKIPPED = 5  # files that the notes name; the others are counted


class ParameterRow(NamedTuple):
    """A line of `--summarize`."""

    part: str  # what is counted, such as "encoder" or "two decoders"
    trainable: int  # weights
    total: int  # weights and BatchNorm's moving statistics
    paper: int | None = None  # what Table IX prints, where it prints something
    subtrees: str = ""  # which of `shared`, `old`, `new` it comprises


class ResultsTable:
    """Prints itself as one table where the console is wide enough, else as two: IoU, then costs."""

    def __init__(self, results: Mapping[str, object]) -> None:
        self._header, self._rows = _cells(results)
        self._title = Text(_title(results), style="bold")
        self._notes = notes(results)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._title
        every = range(1, len(self._header))
        scores, costs = every[: -len(_COSTS)], every[-len(_COSTS) :]
        whole = self._table(every)
        unbounded = options.update(max_width=10_000)  # a measurement never exceeds its options
        if Measurement.get(console, unbounded, whole).maximum <= options.max_width:
            yield whole
        else:
            yield self._table(scores)
            yield self._table(costs)
        for note in self._notes:
            yield Text(note)

    def _table(self, columns: Sequence[int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("phase", vertical="bottom", overflow="fold")
        for column in columns:
            table.add_column(Text(_broken(self._header[column])), justify="right", vertical="bottom", overflow="fold")
        for row in self._rows:
            table.add_row(Text(_broken(row[0], 18)), *(Text(row[column]) for column in columns))
        return table


def results_table(results: Mapping[str, object]) -> ResultsTable:
    """The closing table: a row a phase, with IoU of old, new, all and each ecoregion, and what it cost.

    Args:
      results: as in `results.json`; also read, where present: `skipped`, the bad files left out
        (`{"ecoregion", "path", "reason"}` each).

    Returns:
      What `rich.console.Console.print` prints.
    """
    return ResultsTable(results)


def results_markdown(results: Mapping[str, object]) -> str:
    """The same table in Markdown, its notes as a list below."""
    header, rows = _cells(results)
    lines = [
        markdown_row(header),
        "|---|" + "---:|" * (len(header) - 1),
        *(markdown_row(row) for row in rows),
    ]
    lines += ["", *(_markdown_note(note) for note in notes(results))] if notes(results) else []
    return "\n".join(lines) + "\n"


def notes(results: Mapping[str, object]) -> list[str]:
    """Notes for the reader of the table: images empty in truth and prediction, unscored images, decoders, bad files."""
    lines = []
    empty = {name: _last(results, name, "empty") for name in ecoregions(results)}
    empty = {name: count for name, count in empty.items() if count > 0}
    if empty:
        counts = ", ".join(f"{name} {count:.0f}" for name, count in empty.items())
        lines.append(f"Images empty in truth and prediction, counted as IoU 1, after the last phase: {counts}.")
    unscored = results.get("unscored")
    if isinstance(unscored, Mapping) and unscored:
        counts = ", ".join(f"{name} {len(ids)}" for name, ids in unscored.items())
        lines.append(f"Test images without known ground at the network's size, not scored: {counts}.")
    lines += _selection(results)
    skipped = results.get("skipped")
    if isinstance(skipped, Sequence) and not isinstance(skipped, str) and skipped:
        lines.append(f"Bad files skipped: {len(skipped)}.")
        lines += [f"  {_skipped(entry)}" for entry in skipped[:_NAMED_SKIPPED]]
        if len(skipped) > _NAMED_SKIPPED:
            lines.append(f"  and {len(skipped) - _NAMED_SKIPPED} more.")
    return lines


def parameters_table(rows: Sequence[ParameterRow]) -> Table:
    """Parameters of parts and totals; the paper's numbers and the subtrees where any row has them."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("part")
    with_subtrees = any(row.subtrees for row in rows)
    with_paper = any(row.paper is not None for row in rows)
    if with_subtrees:
        table.add_column("subtrees", overflow="fold")
    for name in ("trainable", "total", *(["paper prints"] if with_paper else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [row.part, *([row.subtrees] if with_subtrees else []), f"{row.trainable:,}", f"{row.total:,}"]
        if with_paper:
            cells.append("" if row.paper is None else f"{row.paper:,}")
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _cells(results: Mapping[str, object]) -> tuple[list[str], list[list[str]]]:
    regions = ecoregions(results)
    new_ecoregions = set(names(results, "new"))
    groups = [group for group in GROUPS if any(math.isfinite(number(p, "iou", group)) for p in phases(results))]
    header = ["phase", *groups, *(f"{name} (new)" if name in new_ecoregions else name for name in regions)]
    header += [title for _, title in _COSTS]
    rows = []
    for phase in phases(results):
        scores = [number(phase, "iou", group) for group in groups]
        scores += [number(phase, "ecoregions", name, "iou") for name in regions]
        costs = [_cost(key, number(phase, key)) for key, _ in _COSTS]
        rows.append([str(phase.get("name", "?")), *(_score(score) for score in scores), *costs])
    return header, rows


def _score(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _cost(key: str, value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return duration(value) if key == "seconds" else f"{value:,.0f}"


def _broken(name: str, width: int = 10) -> str:
    """Lines of about `width` characters, broken after underscores and spaces only."""
    lines = [""]
    for part in re.findall(r"[^_ ]*[_ ]?", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def _title(results: Mapping[str, object]) -> str:
    method = str(results.get("method", "")).strip()
    return f"{method}: mean IoU of the test images after each phase" if method else "mean IoU of the test images"


def _last(results: Mapping[str, object], name: str, key: str) -> float:
    run = phases(results)
    value = number(run[-1], "ecoregions", name, key) if run else math.nan
    return value if math.isfinite(value) else 0.0


def _selection(results: Mapping[str, object]) -> list[str]:
    """How well the autoencoders choose, in a sentence or two."""

    def of(*keys: str) -> float:
        return number(results, "selection", *keys)

    images = of("images")
    if not images > 0:
        return []
    return [
        f"Decoder chosen by reconstruction: the right ecoregion for {images * of('accuracy'):.0f} of {images:.0f} "
        f"images, the right decoder for {images * of('decoder_accuracy'):.0f}. IoU {of('iou', 'oracle'):.3f} with the "
        f"true ecoregion's decoder, {of('iou', 'chosen'):.3f} with the chosen one, {of('iou', 'mean'):.3f} with the "
        f"mean of all.",
        f"Margin below {of('margin', 'threshold'):g}, for review: {of('margin', 'review'):.0f} images; IoU "
        f"{of('iou', 'fallback'):.3f} with the mean for these.",
    ]


def _skipped(entry: object) -> str:
    if isinstance(entry, Mapping):
        where = "/".join(str(entry[key]) for key in ("ecoregion", "path") if entry.get(key))
        return f"{where}: {entry['reason']}" if entry.get("reason") else where
    return str(entry)


def _markdown_note(note: str) -> str:
    indent = note[: len(note) - len(note.lstrip())]
    return f"{indent}- {escaped_markdown(note)}"
