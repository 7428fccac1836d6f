"""The choice of the decoder (section V-E): who was taken for whom, how clearly, and at what price."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.reporting.comparison import Comparison, setting_of
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.charts import Axis, Entry, Plane, figure
from tsmu_jax.reporting.page.markup import Html
from tsmu_jax.reporting.page.scores import heat_map
from tsmu_jax.reporting.runs import Run
from tsmu_jax.reporting.table import Column, Table
from tsmu_jax.reporting.writers import hypertext

_BINS = 20
_WAYS = {"oracle": "true", "chosen": "chosen", "mean": "mean of all", "fallback": "chosen, mean if unsure"}


def choice_section(comparison: Comparison) -> Html | None:
    """Of each run that chose; None if none did."""
    blocks: list[Html] = []
    for number, run in enumerate(comparison.runs):
        file = run.path / "results.json"
        try:
            selection = json.loads(file.read_text()).get("selection")
            if selection:
                title = f"{run.method}, {parts.setting_title(setting_of(run))}, seed {run.seed}"
                blocks.append(parts.folded(title, *_chosen(run, number, selection), unfolded=not blocks))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file}: not what a run writes ({error!r}); leave its run out") from error
    words = (
        "For each test image the ecoregion is chosen whose autoencoder reconstructs it best, and its decoder answers. "
        "The margin is (second - smallest error) / second; images below the threshold would go to review."
    )
    return parts.section("choice", "Choice of the decoder", parts.paragraph(words), *blocks) if blocks else None


def _chosen(run: Run, number: int, selection: Mapping[str, Any]) -> list[Html]:
    margin = selection["margin"]
    kept = margin["accuracy_of_rest"]
    words = (
        f"The right ecoregion for {selection['accuracy']:.1%} of {selection['images']} images, the right decoder "
        f"for {selection['decoder_accuracy']:.1%}. A margin below {margin['threshold']:g} sends {margin['review']} to "
        "review" + (f"; of the others {kept:.1%} are right." if kept is not None else ".")
    )
    rows = [("all", selection), *selection["ecoregions"].items()]
    table = Table(
        f"choice-{number}",
        "IoU by the decoder that answers",
        (
            Column("ecoregion"),
            Column("images", digits=None),
            Column("right ecoregion"),
            Column("right decoder"),
            *(Column(title, "IoU") for title in _WAYS.values()),
        ),
        tuple(
            (name, one["images"], one["accuracy"], one["decoder_accuracy"], *(one["iou"][way] for way in _WAYS))
            for name, one in rows
        ),
    )
    confusion = selection["confusion"]
    names = list(next(iter(confusion.values())))
    counts = np.array([[confusion[row][column] for column in names] for row in confusion])
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    texts = [[str(count) for count in row] for row in counts.tolist()]
    heats = heat_map("Test images", ("true ecoregion", list(confusion)), ("chosen ecoregion", names), share, texts)
    return [
        parts.paragraph(words),
        parts.figures([heats, _margins(run, number, margin)]),
        hypertext(table),
        *_for_review(run, number, float(margin["threshold"])),
    ]


def _for_review(run: Run, number: int, threshold: float) -> list[Html]:
    """The images whose margin is too small, the least certain one first."""
    file = run.path / "selection" / "selection.json"
    if not file.exists():
        return []
    rows = [
        (float(margin), name, image, chosen)
        for name, one in json.loads(file.read_text())["tests"].items()
        for image, chosen, margin in zip(one["id"], one["chosen"], one["margin"], strict=True)
        if margin < threshold
    ]
    columns = (Column("margin"), Column("ecoregion"), Column("image"), Column("taken for"))
    table = Table(f"review-{number}", "For review", columns, tuple(sorted(rows)))
    return [hypertext(table)] if rows else []


def _margins(run: Run, number: int, margin: Mapping[str, Any]) -> Html:
    """Their distribution for right and for wrong choices; its quantiles in runs that kept no more."""
    file = run.path / "selection" / "selection.json"
    if not file.exists():
        rows = tuple((f"{float(share):.0%}", value) for share, value in margin["quantiles"].items())
        columns = (Column("quantile"), Column("margin"))
        return hypertext(Table(f"margins-{number}", "Margins", columns, rows))
    tests = json.loads(file.read_text())["tests"]
    margins = np.concatenate([one["margin"] for one in tests.values()])
    right = np.concatenate([[chosen == name for chosen in one["chosen"]] for name, one in tests.items()])
    edges = np.linspace(0, 1, _BINS + 1)
    counts = [np.histogram(margins[where], edges)[0] for where in (right, ~right)]
    plane = Plane(Axis("margin", 0, 1), Axis("test images", 0, 1.05 * max(int(np.max(counts)), 1)))
    stepped = [np.stack([np.repeat(edges, 2)[1:-1], np.repeat(count, 2)], axis=1) for count in counts]
    entries = [
        Entry("right ecoregion", 0, str(int(right.sum()))),
        Entry("wrong ecoregion", 1, str(int((~right).sum()))),
    ]
    marks = [plane.line(points, index, filled=True) for index, points in enumerate(stepped)]
    marks.append(plane.rule(float(margin["threshold"])))
    caption = f"Margins; vertical line: review below {margin['threshold']:g}"
    label = f"{caption}. " + ", ".join(f"{entry.label} {entry.note}" for entry in entries)
    return figure(plane.drawn(marks, label), caption, entries)
