"""The verdict on an update of a saved model: what its exam says of the old ecoregions, and whether that is too much."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from tsmu_jax.evaluation.verdict import Tests, as_json, changed, signed
from tsmu_jax.learning.state import Model
from tsmu_jax.mask import UNKNOWN
from tsmu_jax.runs.experiment import Experiment


def judge(
    before: Tests, after: Tests, old_ecoregions: Sequence[str], *, limit: float, learnt: Tests | None = None
) -> dict[str, Any]:
    """Compares the exam of the old ecoregions before and after an update.

    An update is rejected where the mean IoU over the exams of all old ecoregions fell by more than `limit`, or that
    of one ecoregion did beyond doubt: its whole 95 % interval lies below -limit. The exam of one ecoregion is small,
    so its mean alone would reject good updates. Small losses of several updates add up to more than `limit`: that is
    said, and rejects nothing.

    Args:
      before, after: counted test images by ecoregion; an ecoregion without an exam is missing.
      limit: `update.max_forgetting`.
      learnt: likewise, by the models that learnt each ecoregion.

    Returns:
      "accepted", "reasons" (sentences; why it was rejected, what could not be judged, what has added up), "limit", and
      the changes "old", "since_learnt" (None where that is not known) and "ecoregions" {name: [difference, low, high]}.
    """
    examined = [name for name in old_ecoregions if name in before and name in after]
    whole = changed(before, after, examined) if examined else None
    if whole is None:
        reason = "the model was saved without an exam: what it has forgotten is not known"
        nothing: dict[str, Any] = {"old": None, "since_learnt": None, "ecoregions": {}}
        return {"accepted": True, "limit": limit, "reasons": [reason], **nothing}
    each = {name: changed(before, after, [name]) for name in examined}
    reasons = []
    if whole.difference < -limit:
        reasons.append(f"the old ecoregions changed by {signed(whole)}, more than {limit:g} down")
    for name, interval in each.items():
        if interval is not None and interval.high < -limit:
            reasons.append(f"{name} changed by {signed(interval)}, beyond doubt more than {limit:g} down")
    accepted = not reasons
    if unknown := [name for name in old_ecoregions if name not in examined]:
        reasons.append(f"{', '.join(unknown)} have no exam: what was forgotten of them is not known")
    known = [name for name in examined if name in (learnt or {})]
    total = changed(learnt or {}, after, known) if known == examined else None
    if total is not None and total.difference < -limit and total != whole:
        reasons.append(f"since they were learnt the old ecoregions changed by {signed(total)}, over several updates")
    return {
        "accepted": accepted,
        "limit": limit,
        "reasons": reasons,
        "old": as_json(whole),
        "since_learnt": as_json(total) if total is not None else None,
        "ecoregions": {name: as_json(interval) for name, interval in each.items() if interval is not None},
    }


def drift(experiment: Experiment, before: Model, after: Model) -> dict[str, float]:
    """How far the answers of each old decoder moved on the new test images: mean |difference| of probabilities.

    Unknown ground does not count.

    Args:
      before: the saved model.
      after: the updated one.
    """
    tests = [experiment.data.tests[name] for name in experiment.new_ecoregions]
    images = np.concatenate([test.images for test in tests])
    known = np.concatenate([test.masks for test in tests]) != UNKNOWN
    moved = {}
    for name in experiment.stages[0].old_decoders:  # the saved model's decoders; later updates of the run add more
        first, last = (expit(experiment.answer(model, name, images)) for model in (before, after))
        moved[name] = float(np.abs(last - first)[known].mean())
    return moved


def said(judged: Mapping[str, Any]) -> str:
    """The verdict in one line."""
    word = "accepted" if judged["accepted"] else "REJECTED"
    reasons = f": {'; '.join(judged['reasons'])}" if judged["reasons"] else ""
    return f"The update is {word}{reasons}."
