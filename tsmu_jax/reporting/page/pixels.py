"""Precision and recall, calibration, and pixel intensities (Fig. 6)."""

from collections.abc import Sequence

import numpy as np

from tsmu_jax import untrusted
from tsmu_jax.data.statistics import EcoregionStatistics, of_counts
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.probabilities import (
    Histogram,
    average_precision,
    calibration_error,
    precision_recall,
    reliability,
    together,
)
from tsmu_jax.reporting.charts.pixel_histograms import pixel_histograms
from tsmu_jax.reporting.charts.shares import Line, unit_square
from tsmu_jax.reporting.comparison import Comparison, Setting, Variant
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.parts import Block, Chart, Entry
from tsmu_jax.reporting.table import number
from tsmu_jax.reporting.thumbnails import FOLDER, HISTOGRAMS


def probabilities(comparison: Comparison) -> tuple[list[Block], bool]:
    """Precision against recall and observed against predicted, a line a variant.

    Returns:
      The charts of each setting that has any, and whether runs that did not count are left out.
    """
    blocks: list[Block] = []
    missing = False
    for setting in parts.settings(comparison):
        drawn = []
        for title, members in parts.groups(setting).items():
            counted = []
            for variant in parts.variants(comparison, setting):
                counts = _counts(comparison, variant, setting, members)
                missing |= counts is None
                counted += [] if counts is None else [(variant, counts)]
            if counted:
                drawn += [_precision_recall(comparison, title, counted), _reliability(comparison, title, counted)]
        if drawn:
            blocks.append(Block(parts.setting_title(setting), drawn))
    return blocks, missing


def _counts(comparison: Comparison, variant: Variant, setting: Setting, members: Sequence[str]) -> Histogram | None:
    """Pixels of all seeds; None if a run did not count them."""
    runs = comparison.runs_of(variant, setting).values()
    found = [run.phases[-1].tests[name].probabilities for run in runs for name in members]
    known = [counts for counts in found if counts is not None]
    return together(known) if len(known) == len(found) else None


def _precision_recall(comparison: Comparison, title: str, counted: Sequence[tuple[Variant, Histogram]]) -> Chart:
    lines, entries = [], []
    for variant, counts in counted:
        curve, style = precision_recall(counts), parts.style(comparison, variant)
        points = np.stack([curve.recall, curve.precision], axis=1)
        lines.append(Line(style, points, points[curve.threshold == 0.5]))
        entries.append(Entry(variant.label, style, f"AP {number(average_precision(curve), 3)}"))
    return parts.chart(unit_square(lines, "recall", "precision"), f"Precision and recall, {title}", legend=entries)


def _reliability(comparison: Comparison, title: str, counted: Sequence[tuple[Variant, Histogram]]) -> Chart:
    lines, entries = [], []
    for variant, counts in counted:
        groups, style = reliability(counts), parts.style(comparison, variant)
        points = np.stack([groups.predicted, groups.observed], axis=1)
        lines.append(Line(style, points, points))
        entries.append(Entry(variant.label, style, f"ECE {number(calibration_error(groups), 3)}"))
    figure = unit_square(lines, "predicted probability", "share of landslide", diagonal=True)
    return parts.chart(figure, f"Reliability, {title}", legend=entries)


def intensities(comparison: Comparison) -> list[Chart]:
    """Fig. 6: intensities of landslide and of background, by ecoregion."""
    charts = []
    for name, one in _statistics(comparison).items():
        kinds = (("landslide", one.landslide), ("background", one.background))
        said = "; ".join(f"{kind}: {number(of.mean, 3)} ± {number(of.std, 3)}" for kind, of in kinds)
        charts.append(parts.chart(pixel_histograms({name: one}), name, said))
    return charts


def _statistics(comparison: Comparison) -> dict[str, EcoregionStatistics]:
    """Of the test images of the first run of each ecoregion."""
    found: dict[str, EcoregionStatistics] = {}
    for run in comparison.runs:
        file = run.path / FOLDER / HISTOGRAMS
        if not set(run.ecoregions) - found.keys() or not file.exists():
            continue
        try:
            for name, one in untrusted.read(file).items():
                counts = (np.array(one[kind], np.int64) for kind in ("landslide", "background"))
                found.setdefault(name, of_counts(*counts, pairs=int(one["pairs"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file}: not what a run writes ({error!r}); remove it") from error
    return found
