"""Precision and recall, calibration, and pixel intensities (Fig. 6)."""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tsmu_jax.data.statistics import histogram_statistics
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.probabilities import (
    BINS,
    Histogram,
    average_precision,
    calibration_error,
    precision_recall,
    reliability,
    together,
)
from tsmu_jax.reporting.comparison import Comparison, Setting, Variant
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.charts import SHARE, Axis, Entry, Plane, figure
from tsmu_jax.reporting.page.markup import Html
from tsmu_jax.reporting.table import number
from tsmu_jax.reporting.thumbnails import FOLDER, HISTOGRAMS

OLDER = "Runs of an earlier release have not stored what is needed here"


def probabilities_section(comparison: Comparison) -> Html:
    """Precision against recall and observed against predicted, a line a variant."""
    blocks: list[Html] = []
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
            blocks.append(parts.folded(parts.setting_title(setting), parts.figures(drawn), unfolded=not blocks))
    words = (
        f"Of all test pixels of all seeds taken together, counted in {BINS} bins of predicted probability after the "
        "last phase; scores elsewhere are means over images. Dots on precision and recall: the threshold of one half. "
        "AP is average precision; ECE the expected calibration error in ten groups of equal width."
    )
    note = parts.paragraph(f"{OLDER}: they are left out.") if missing else None
    return parts.section("probabilities", "Precision, recall, calibration", parts.paragraph(words), note, *blocks)


def _counts(comparison: Comparison, variant: Variant, setting: Setting, members: Sequence[str]) -> Histogram | None:
    """Pixels of all seeds; None if a run did not count them."""
    runs = comparison.runs_of(variant, setting).values()
    found = [run.phases[-1].tests[name].probabilities for run in runs for name in members]
    known = [counts for counts in found if counts is not None]
    return together(known) if len(known) == len(found) else None


def _precision_recall(comparison: Comparison, title: str, counted: Sequence[tuple[Variant, Histogram]]) -> Html:
    plane, marks, entries = Plane(Axis("recall", *SHARE), Axis("precision", *SHARE)), [], []
    for variant, counts in counted:
        curve, colour = precision_recall(counts), parts.style(comparison, variant)
        marks.append(plane.line(np.stack([curve.recall, curve.precision], axis=1), colour))
        half = np.flatnonzero(curve.threshold == 0.5)
        marks += [plane.dot(curve.recall[at], curve.precision[at], colour, radius=4) for at in half]
        entries.append(Entry(variant.label, colour, f"AP {number(average_precision(curve), 3)}"))
    caption = f"Precision and recall, {title}"
    return figure(plane.drawn(marks, _said(caption, entries)), caption, entries)


def _reliability(comparison: Comparison, title: str, counted: Sequence[tuple[Variant, Histogram]]) -> Html:
    plane, entries = Plane(Axis("predicted probability", *SHARE), Axis("share of landslide", *SHARE)), []
    marks = [plane.diagonal()]
    for variant, counts in counted:
        groups, colour = reliability(counts), parts.style(comparison, variant)
        marks.append(plane.line(np.stack([groups.predicted, groups.observed], axis=1), colour))
        marks += [plane.dot(x, y, colour) for x, y in zip(groups.predicted, groups.observed, strict=True)]
        entries.append(Entry(variant.label, colour, f"ECE {number(calibration_error(groups), 3)}"))
    caption = f"Reliability, {title}"
    return figure(plane.drawn(marks, _said(caption, entries)), caption, entries)


def _said(caption: str, entries: Sequence[Entry]) -> str:
    return f"{caption}. " + "; ".join(f"{entry.label}: {entry.note}" for entry in entries)


class _Intensities(NamedTuple):
    """Of an ecoregion's test images."""

    pairs: int
    landslide: np.ndarray  # i64[256]
    background: np.ndarray  # i64[256]


def intensities_section(comparison: Comparison) -> Html:
    """Fig. 6: intensities of landslide and of background, by ecoregion."""
    known = _intensities(comparison)
    words = (
        "Post-event images, all channels, intensities divided by 255: mean ± standard deviation. Of the test images of "
        "the first run of each ecoregion; the description of a prepared data set has those of all its images."
    )
    drawn = [_histogram(name, one) for name, one in known.items()]
    note = None if drawn else parts.paragraph(f"{OLDER}; the same command as theirs adds it.")
    return parts.section(
        "intensities", "Pixel intensities (Fig.\N{NO-BREAK SPACE}6)", parts.paragraph(words), note, parts.figures(drawn)
    )


def _intensities(comparison: Comparison) -> dict[str, _Intensities]:
    found: dict[str, _Intensities] = {}
    for run in comparison.runs:
        file = run.path / FOLDER / HISTOGRAMS
        if not set(run.ecoregions) - found.keys() or not file.exists():
            continue
        try:
            for name, one in json.loads(file.read_text()).items():
                counts = (np.array(one[kind], np.int64) for kind in ("landslide", "background"))
                found.setdefault(name, _Intensities(int(one["pairs"]), *counts))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file}: not what a run writes ({error!r}); remove it") from error
    return found


def _histogram(name: str, one: _Intensities) -> Html:
    counted = {"landslide": (one.landslide, 1), "background": (one.background, 0)}
    drawn, entries, peak = [], [], 0.0
    for label, (counts, colour) in counted.items():
        mean, std, _ = histogram_statistics(counts)
        entries.append(Entry(label, colour, f"{number(mean, 3)} ± {number(std, 3)}"))
        coarse = counts.reshape(64, 4).sum(1)
        density = coarse * 64 / max(int(coarse.sum()), 1)
        peak = max(peak, float(density[1:-1].max()))  # black and white, which saturate, would flatten all others
        drawn.append((colour, density))
    plane = Plane(Axis("intensity", *SHARE), Axis("density", 0, 1.05 * peak or 1.0))
    centres = (np.arange(64) + 0.5) / 64
    marks = [
        plane.line(np.stack([centres, np.minimum(density, plane.y.high)], axis=1), colour, filled=True)
        for colour, density in drawn
        if density.any()
    ]
    caption = f"{name}: {one.pairs} test image{'' if one.pairs == 1 else 's'}"
    return figure(plane.drawn(marks, _said(caption, entries)), caption, entries)
