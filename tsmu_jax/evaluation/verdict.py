"""The change by an update, in one sentence: differences of mean IoU with paired bootstrap intervals."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsmu_jax.evaluation import metrics
from tsmu_jax.evaluation.intervals import Interval, Sample, paired_interval

Tests = Mapping[str, Mapping[str, Any]]  # by ecoregion: "id" of each test image, and its "tp", "fp", "fn"


def changes(
    phases: Sequence[tuple[str, Tests]], old_ecoregions: Sequence[str], new_ecoregions: Sequence[str]
) -> dict[str, Interval]:
    """Differences of mean IoU between the model after the last phase and earlier ones, on the same test images.

    Args:
      phases: name and counted test images of each finished phase, first to last; "tests" of their `phase.json`.
      old_ecoregions, new_ecoregions: of the run.

    Returns:
      "old", "new": beside the model after the first phase. "new_decoder": the new ecoregions beside the end of the
      freeze phase, where the run has one such phase and later ones. Nothing for a run of one phase. The intervals
      cover other test images; they say nothing about other seeds.
    """
    if len(phases) < 2:
        return {}
    (_, first), (_, last) = phases[0], phases[-1]
    compared = {"old": (old_ecoregions, first), "new": (new_ecoregions, first)}
    frozen = [tests for name, tests in phases if name == "freeze"]
    if len(frozen) == 1 and frozen[0] is not last:
        compared["new_decoder"] = (new_ecoregions, frozen[0])
    intervals = {name: changed(before, last, ecoregions) for name, (ecoregions, before) in compared.items()}
    return {name: interval for name, interval in intervals.items() if interval is not None}


def changed(before: Tests, after: Tests, ecoregions: Sequence[str]) -> Interval | None:
    """Difference of mean IoU over the test images of some ecoregions, those that were counted both times.

    None where there are no such images.
    """
    counted = [name for name in ecoregions if name in before and name in after]
    return paired_interval(_scores(after, counted), _scores(before, counted), np.random.default_rng(0))


def as_json(interval: Interval) -> list[float | None]:
    """[difference, low, high] as JSON holds them: it knows no NaN."""
    return [value if math.isfinite(value) else None for value in interval]


def sentence(differences: Mapping[str, Interval]) -> str | None:
    """The verdict on an update. Args: differences: as `changes` returns them. None where there are none."""
    if "old" not in differences or "new" not in differences:
        return None
    alone = differences.get("new_decoder")
    beyond = f", {signed(alone)} over a new decoder alone" if alone else ""
    return (
        f"The update: old ecoregions {signed(differences['old'])}, new ones {signed(differences['new'])} over the "
        f"initial model{beyond} (mean IoU, paired bootstrap 95 % intervals over the test images)."
    )


def _scores(tests: Tests, ecoregions: Sequence[str]) -> dict[Sample, float]:
    found = {}
    for name in ecoregions:
        scores = metrics.scores(metrics.Counts.from_record(tests[name]))
        for image, iou in zip(tests[name]["id"], scores.iou, strict=True):
            found[Sample("run", name, image)] = float(iou)
    return found


def signed(interval: Interval) -> str:
    """A difference and its interval, "-.002 [-.009, +.004]"."""
    difference, *bounds = (f"{value:+.3f}".replace("0.", ".", 1) for value in interval)
    if any(math.isnan(bound) for bound in (interval.low, interval.high)):
        return f"{difference} [too few images for an interval]"
    return f"{difference} [{bounds[0]}, {bounds[1]}]"
