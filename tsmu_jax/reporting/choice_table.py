"""The choice of the decoder (section V-E) over all runs: how often it is right, and what a wrong one costs."""

from collections.abc import Callable, Sequence

import numpy as np

from tsmu_jax.evaluation.intervals import Spread, spread
from tsmu_jax.methods import METHODS
from tsmu_jax.reporting.comparison import Comparison, Setting, Variant
from tsmu_jax.reporting.runs import Choice
from tsmu_jax.reporting.table import Cell, Column, Table

TITLES = {"oracle": "true", "chosen": "chosen", "mean": "mean of all", "fallback": "chosen, mean if unsure"}

_SHARES: dict[str, Callable[[Choice], float | None]] = {
    "right ecoregion": lambda choice: choice.together.accuracy,
    "right decoder": lambda choice: choice.together.decoder_accuracy,
    "for review": lambda choice: choice.review / choice.together.images,
    "right decoder of the rest": lambda choice: choice.decoder_accuracy_of_rest,
}


def choice_table(comparison: Comparison) -> Table | None:
    """A row for each method and ecoregion held out, and their average; None where no run chose.

    Methods that end with a single decoder, which leave nothing to choose, have none.
    """
    lines: list[tuple[Cell, ...]] = []
    for variant in comparison.variants:
        if not any(phase.creates == "new" for phase in METHODS[variant.method].update):
            continue
        settings = [one for one in comparison.settings_of(variant) if _chosen(comparison, variant, one)]
        rows = [(" + ".join(one.new_ecoregions), [one]) for one in settings]
        rows += [("average", settings)] if len(settings) > 1 and set(settings) >= set(comparison.settings) else []
        lines += [(variant.label, label, *_cells(comparison, variant, members)) for label, members in rows]
    columns = (
        *(Column("method"), Column("new"), Column("seeds", digits=None)),
        *(Column(title, "share of the test images") for title in _SHARES),
        *(Column(title, "mean IoU by the decoder that answers") for title in TITLES.values()),
    )
    notes = (
        "Each ecoregion's autoencoder reconstructs a test image; the smallest error names the ecoregion, and so the "
        "decoder. For review: images whose margin, (second - smallest error) / second, is below selection.margin; "
        "of the rest the decoder is right for the share beside it (seeds that leave no rest do not count). The last "
        "column asks the mean of all decoders for images for review. Means over seeds, ± their standard deviation; "
        "averages of methods that were run on all ecoregions that any was run on.",
    )
    return Table("choice", "Choice of the decoder", columns, tuple(lines), notes) if lines else None


def _chosen(comparison: Comparison, variant: Variant, setting: Setting) -> dict[int, Choice]:
    """By seed."""
    runs = comparison.runs_of(variant, setting)
    return {seed: run.choice for seed, run in runs.items() if run.choice is not None}


def _cells(comparison: Comparison, variant: Variant, settings: Sequence[Setting]) -> list[Cell]:
    by_setting = [_chosen(comparison, variant, setting) for setting in settings]
    seeds = sorted(set.intersection(*map(set, by_setting)))

    def over_seeds(value: Callable[[Choice], float | None]) -> Spread | None:
        """Seeds of which it cannot be said, since all images of a run are for review, are left out."""
        each = [[value(choices[seed]) for choices in by_setting] for seed in seeds]
        means = [float(np.mean(row)) for row in each if None not in row]  # type: ignore[arg-type]
        return spread(means) if means else None

    shares = [over_seeds(value) for value in _SHARES.values()]
    scores = [over_seeds(lambda choice, way=way: choice.together.iou[way]) for way in TITLES]  # type: ignore[misc]
    return [len(seeds) or None, *shares, *scores]
