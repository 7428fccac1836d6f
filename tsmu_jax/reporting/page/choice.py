"""The choice of the decoder (section V-E): who was taken for whom, how clearly, and at what price."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.reporting.choice_table import TITLES
from tsmu_jax.reporting.comparison import Comparison, setting_of
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.charts import Axis, Entry, Plane, figure
from tsmu_jax.reporting.page.markup import Html
from tsmu_jax.reporting.page.scores import heat_map
from tsmu_jax.reporting.runs import Choice, Run
from tsmu_jax.reporting.table import Column, Table
from tsmu_jax.reporting.writers import hypertext

_BINS = 20


def choice_section(comparison: Comparison) -> Html | None:
    """Of each run that chose; None if none did."""
    blocks: list[Html] = []
    for number, run in enumerate(comparison.runs):
        if run.choice:
            title = f"{run.method}, {parts.setting_title(setting_of(run))}, seed {run.seed}"
            blocks.append(parts.folded(title, *_chosen(run, number, run.choice), unfolded=not blocks))
    words = (
        "For each test image the ecoregion is chosen whose autoencoder reconstructs it best, and its decoder answers. "
        "The margin is (second - smallest error) / second; images below the threshold would go to review."
    )
    return parts.section("choice", "Choice of the decoder", parts.paragraph(words), *blocks) if blocks else None


def _chosen(run: Run, number: int, choice: Choice) -> list[Html]:
    kept = choice.accuracy_of_rest
    words = (
        f"The right ecoregion for {choice.together.accuracy:.1%} of {choice.together.images} images, the right decoder "
        f"for {choice.together.decoder_accuracy:.1%}. A margin below {choice.threshold:g} sends {choice.review} to "
        "review" + (f"; of the others {kept:.1%} are right." if kept is not None else ".")
    )
    rows = [("all", choice.together), *choice.ecoregions.items()]
    table = Table(
        f"choice-{number}",
        "IoU by the decoder that answers",
        (
            Column("ecoregion"),
            Column("images", digits=None),
            Column("right ecoregion"),
            Column("right decoder"),
            *(Column(title, "IoU") for title in TITLES.values()),
        ),
        tuple(
            (name, one.images, one.accuracy, one.decoder_accuracy, *(one.iou[way] for way in TITLES))
            for name, one in rows
        ),
    )
    confusion = choice.confusion
    names = list(next(iter(confusion.values())))
    counts = np.array([[confusion[row][column] for column in names] for row in confusion])
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    texts = [[str(count) for count in row] for row in counts.tolist()]
    heats = heat_map("Test images", ("true ecoregion", list(confusion)), ("chosen ecoregion", names), share, texts)
    chosen = _chosen_images(run.path / "selection" / "selection.json")
    return [
        parts.paragraph(words),
        parts.figures([heats, _margins(chosen, choice) if chosen else _quantiles(number, choice)]),
        hypertext(table),
        *_for_review(chosen, number, choice.threshold),
    ]


class _Chosen(NamedTuple):
    """A test image and the ecoregion that it was taken for."""

    margin: float
    true: str
    image: str
    chosen: str


def _chosen_images(file: Path) -> list[_Chosen]:
    """All test images, the least certain one first; none of runs that kept no more than counts."""
    try:
        tests = json.loads(file.read_text())["tests"] if file.exists() else {}
        return sorted(
            _Chosen(float(margin), name, image, chosen)
            for name, one in tests.items()
            for image, chosen, margin in zip(one["id"], one["chosen"], one["margin"], strict=True)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: not what a run writes ({error!r}); leave its run out") from error


def _for_review(images: Sequence[_Chosen], number: int, threshold: float) -> list[Html]:
    rows = tuple(one for one in images if one.margin < threshold)
    columns = (Column("margin"), Column("ecoregion"), Column("image"), Column("taken for"))
    return [hypertext(Table(f"review-{number}", "For review", columns, rows))] if rows else []


def _quantiles(number: int, choice: Choice) -> Html:
    rows = tuple((f"{share:.0%}", value) for share, value in choice.quantiles.items())
    return hypertext(Table(f"margins-{number}", "Margins", (Column("quantile"), Column("margin")), rows))


def _margins(images: Sequence[_Chosen], choice: Choice) -> Html:
    """Their distribution for right and for wrong choices."""
    margins = np.array([one.margin for one in images])
    right = np.array([one.chosen == one.true for one in images])
    edges = np.linspace(0, 1, _BINS + 1)
    counts = [np.histogram(margins[where], edges)[0] for where in (right, ~right)]
    plane = Plane(Axis("margin", 0, 1), Axis("test images", 0, 1.05 * max(int(np.max(counts)), 1)))
    stepped = [np.stack([np.repeat(edges, 2)[1:-1], np.repeat(count, 2)], axis=1) for count in counts]
    entries = [
        Entry("right ecoregion", 0, str(int(right.sum()))),
        Entry("wrong ecoregion", 1, str(int((~right).sum()))),
    ]
    marks = [plane.line(points, index, filled=True) for index, points in enumerate(stepped)]
    marks.append(plane.rule(choice.threshold))
    caption = f"Margins; vertical line: review below {choice.threshold:g}"
    label = f"{caption}. " + ", ".join(f"{entry.label} {entry.note}" for entry in entries)
    return figure(plane.drawn(marks, label), caption, entries)
