"""Old against new for all methods, R[i, j] as a heat map, learning curves."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tsmu_jax.methods import METHODS
from tsmu_jax.reporting.comparison import Comparison, Setting, Variant
from tsmu_jax.reporting.costs import update_costs
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.charts import Axis, Entry, Plane, figure, padded
from tsmu_jax.reporting.page.markup import Html, element, joined
from tsmu_jax.reporting.runs import Run
from tsmu_jax.reporting.table import number

_SMALLEST, _LARGEST = 8.0, 20.0  # radius of a dot
_POINTS = 80  # of a curve in a phase


def scatter_section(comparison: Comparison) -> Html:
    """Mean IoU on old and on new ecoregions of each method, averaged and by setting."""
    known = comparison.settings
    groups: list[tuple[str, Sequence[Setting]]] = [(parts.setting_title(one), (one,)) for one in known if one.new]
    if len(known) > 1:
        groups.insert(0, ("average over the ecoregions held out, of methods run on all of them", known))
    drawn = [_scatter(comparison, title, members) for title, members in groups]
    if not any(drawn):
        drawn = [parts.paragraph("No run has both old and new ecoregions.")]
    words = (
        "Mean IoU of the test images after the last phase, means over seeds. The better, the further up and to the "
        "right. A dot's area beyond the smallest grows with the seconds that an update took; the numbers are those of "
        "the list below it."
    )
    return parts.section("scatter", "Old against new", parts.paragraph(words), parts.figures(filter(None, drawn)))


def _scatter(comparison: Comparison, title: str, members: Sequence[Setting]) -> Html | None:
    shown = []
    for variant in comparison.variants:
        old, new = (comparison.spread(variant, members, group) for group in ("old", "new"))
        if old and new and not METHODS[variant.method].sequential:
            shown.append((variant, old.mean, new.mean, _seconds(comparison, variant, members)))
    if not shown:
        return None
    most = max(seconds for *_, seconds in shown) or 1.0
    plane = Plane(
        Axis("IoU, old", *padded([old for _, old, _, _ in shown])),
        Axis("IoU, new", *padded([new for _, _, new, _ in shown])),
    )
    dots, texts, entries = [], [], []
    for index, (variant, x, y, seconds) in enumerate(shown):
        area = _SMALLEST**2 + (_LARGEST**2 - _SMALLEST**2) * seconds / most
        colour = parts.style(comparison, variant)
        dots.append((area, plane.dot(x, y, colour, radius=math.sqrt(area))))
        texts.append(plane.text(x, y, str(index + 1)))
        note = f"old {number(x, 3)}, new {number(y, 3)}, {number(seconds, None)} s"
        entries.append(Entry(variant.label, colour, note))
    marks = [*(dot for _, dot in sorted(dots, key=lambda each: -each[0])), *texts]  # small ones on top
    label = "; ".join(f"{entry.label}: {entry.note}" for entry in entries)
    return figure(plane.drawn(marks, label), title, entries, numbered=True)


def _seconds(comparison: Comparison, variant: Variant, members: Sequence[Setting]) -> float:
    costs = [update_costs(run) for run in comparison.all_runs(variant, members)]
    return float(np.mean([cost.seconds if cost else 0.0 for cost in costs]))


def matrix_section(comparison: Comparison) -> Html:
    """R[i, j] of each variant and setting, averaged over seeds."""
    blocks = []
    for index, setting in enumerate(parts.settings(comparison)):
        maps = [_matrix(variant, setting, comparison) for variant in parts.variants(comparison, setting)]
        blocks.append(parts.folded(parts.setting_title(setting), parts.figures(maps), unfolded=not index))
    words = "Mean IoU on each ecoregion (columns) after each phase (rows), means over seeds; framed: it was trained on."
    return parts.section("matrix", "What each phase does to each ecoregion", parts.paragraph(words), *blocks)


def _matrix(variant: Variant, setting: Setting, comparison: Comparison) -> Html:
    runs = list(comparison.runs_of(variant, setting).values())
    columns = runs[0].ecoregions
    values = np.mean([[[p.iou([name]) for name in columns] for p in run.phases] for run in runs], axis=0)
    rows = [phase.directory for phase in runs[0].phases]
    framed = np.array([[name in phase.trained_on for name in columns] for phase in runs[0].phases])
    texts = [[number(value, 3) for value in row] for row in values.tolist()]
    return heat_map(variant.label, ("after phase", rows), ("IoU on", columns), values, texts, framed)


def heat_map(
    caption: str,
    rows: tuple[str, Sequence[str]],
    columns: tuple[str, Sequence[str]],
    values: np.ndarray,
    texts: Sequence[Sequence[str]],
    framed: np.ndarray | None = None,
) -> Html:
    """A table whose cells are the darker, the larger their value.

    Args:
      rows, columns: what they are, and the names of each.
      values: f64[rows, columns] in [0, 1].
      texts: what the cells say.
      framed: bool[rows, columns].
    """
    head = element("tr", element("th", rows[0], scope="col"), *(element("th", one, scope="col") for one in columns[1]))
    group = element("tr", element("td"), element("th", columns[0], scope="colgroup", colspan=len(columns[1])))
    body = []
    for index, name in enumerate(rows[1]):
        cells = [
            element(
                "td",
                words,
                class_="heat framed" if framed is not None and framed[index, column] else "heat",
                style=f"--value:{values[index, column]:.3f}",
            )
            for column, words in enumerate(texts[index])
        ]
        body.append(element("tr", element("th", name, scope="row"), *cells))
    table = element(
        "table", element("caption", caption), element("thead", group, head), element("tbody", *body), class_="heats"
    )
    return element("div", table, class_="scroll", role="region", aria_label=caption, tabindex="0")


def curves_section(comparison: Comparison) -> Html:
    """Validation IoU and losses of each variant and setting, a line a seed."""
    blocks: list[Html] = []
    for setting in parts.settings(comparison):
        drawn = []
        for variant in parts.variants(comparison, setting):
            runs = comparison.runs_of(variant, setting)
            for key, label in (("validation/micro_iou", "validation IoU"), ("train/loss", "training loss")):
                chart = _curves(f"{variant.label}: {label}", label, runs, key)
                drawn += [chart] if chart else []
        content = parts.figures(drawn) if drawn else parts.paragraph("These runs logged nothing.")
        blocks.append(parts.folded(parts.setting_title(setting), content, unfolded=not blocks))
    words = (
        "Against training steps, all phases one after the other; losses of different phases measure different things."
    )
    return parts.section("curves", "Learning curves", parts.paragraph(words), *blocks)


def _curves(caption: str, label: str, runs: Mapping[int, Run], key: str) -> Html | None:
    """One line a phase and seed, of at most 80 points."""
    lines, spans = [], {}
    for index, run in enumerate(runs.values()):
        start = 0.0
        for phase in run.phases:
            points = np.array([(line["step"], line[key]) for line in phase.log if _logged(line, key)], float)
            if len(points):
                chosen = np.unique(np.linspace(0, len(points) - 1, min(_POINTS, len(points))).round().astype(int))
                lines.append((index, points[chosen] + (start, 0)))
            spans[phase.directory] = (start, start + phase.steps)
            start += phase.steps
    if not lines:
        return None
    last = max(max(points[-1, 0] for _, points in lines), *(stop for _, stop in spans.values()), 1.0)
    values = np.concatenate([points[:, 1] for _, points in lines])
    top = 1.0 if label == "validation IoU" else max(float(values.max()), 1e-6)
    plane = Plane(Axis("step", 0, last), Axis(label, min(0.0, float(values.min())), top))
    marks: list[Html | None] = [plane.rule(start) for start, _ in spans.values() if start]
    marks += [plane.span(*span, name) for name, span in spans.items()]
    for index, points in lines:
        dots = [plane.dot(x, y, index, radius=1.6) for x, y in points.tolist()] if len(points) < 40 else []
        marks.append(joined([plane.line(points, index), *dots]))
    entries = [Entry(f"seed {seed}", index) for index, seed in enumerate(runs)] if len(runs) > 1 else []
    ends = ", ".join(f"{number(float(points[-1, 1]), 3)}" for _, points in lines)
    return figure(plane.drawn(marks, f"{caption}; at the end of each phase: {ends}"), caption, entries)


def _logged(line: Mapping[str, object], key: str) -> bool:
    return all(isinstance(line.get(name), int | float) for name in ("step", key))
