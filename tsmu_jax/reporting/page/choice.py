"""The choice of the decoder (section V-E): who was taken for whom, how clearly, and at what price."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.reporting.charts import selection
from tsmu_jax.reporting.charts.heat_map import heat_map
from tsmu_jax.reporting.choice_table import TITLES
from tsmu_jax.reporting.comparison import Comparison, setting_of
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.parts import Chart
from tsmu_jax.reporting.runs import Choice
from tsmu_jax.reporting.table import Cell, Column, Table

_Images = Mapping[str, Mapping[str, Any]]  # true ecoregion -> `id`, `chosen` and `margin` of its images


class Chosen(NamedTuple):
    """The part of the page about a run that chose decoders."""

    title: str
    choice: Choice
    charts: list[Chart]
    tables: list[Table]


def choices(comparison: Comparison) -> list[Chosen]:
    """Of each run that chose."""
    found = []
    for number, run in enumerate(comparison.runs):
        if run.choice:
            title = f"{run.method}, {parts.setting_title(setting_of(run))}, seed {run.seed}"
            images = _images(run.path / "selection" / "selection.json")
            found.append(Chosen(title, run.choice, _charts(run.choice, images), _tables(number, run.choice, images)))
    return found


def _images(file: Path) -> _Images:
    """All test images; none of runs that kept no more than counts."""
    try:
        tests: _Images = untrusted.read(file)["tests"] if file.exists() else {}
        for one in tests.values():
            if not len(one["id"]) == len(one["chosen"]) == len([float(margin) for margin in one["margin"]]):
                raise ValueError("lists of different lengths")
        return tests
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: not what a run writes ({error!r}); leave its run out") from error


def _charts(choice: Choice, images: _Images) -> list[Chart]:
    grid = selection.confusion(choice.confusion)
    charts = [parts.chart(heat_map(grid), "Test images", grid.said)]
    if images:
        right = [chosen == name for name, one in images.items() for chosen in one["chosen"]]
        caption = f"Margins; vertical line: review below {choice.threshold:g}"
        said = f"right ecoregion {sum(right)}, wrong ecoregion {len(right) - sum(right)}"
        charts.append(parts.chart(selection.margins(images, choice.threshold), caption, said))
    return charts


def _tables(number: int, choice: Choice, images: _Images) -> list[Table]:
    """IoU by decoder, and the images for review; where no margins are kept, their quantiles."""
    columns = (
        *(Column("ecoregion"), Column("images", digits=None), Column("right ecoregion"), Column("right decoder")),
        *(Column(title, "IoU") for title in TITLES.values()),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, one.images, one.accuracy, one.decoder_accuracy, *(one.iou[way] for way in TITLES))
        for name, one in (("all", choice.together), *choice.ecoregions.items())
    )
    tables = [Table(f"choice-{number}", "IoU by the decoder that answers", columns, rows)]
    if not images:
        quantiles = tuple((f"{share:.0%}", value) for share, value in choice.quantiles.items())
        return [*tables, Table(f"margins-{number}", "Margins", (Column("quantile"), Column("margin")), quantiles)]
    unsure: list[tuple[Cell, ...]] = sorted(
        (float(margin), name, str(identity), str(chosen))
        for name, one in images.items()
        for identity, chosen, margin in zip(one["id"], one["chosen"], one["margin"], strict=True)
        if margin < choice.threshold
    )
    heads = (Column("margin"), Column("ecoregion"), Column("image"), Column("taken for"))
    return [*tables, *([Table(f"review-{number}", "For review", heads, tuple(unsure))] if unsure else [])]
