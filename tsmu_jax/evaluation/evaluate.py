"""Scores a model on every ecoregion's test set, and returns its predictions."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from tsmu_jax.evaluation import metrics

THRESHOLD = 0.5  # of the probability; logits are compared with 0


@dataclasses.dataclass(frozen=True)
class TestSet:
    """The test pairs of one ecoregion at the network's size."""

    __test__ = False  # not for pytest to collect

    images: np.ndarray  # u8[n, s, s, c]
    masks: np.ndarray  # u8[n, s, s] of the values in mask.py
    ids: tuple[str, ...] = ()  # of the pairs; none of augmented copies

    def scored(self) -> "TestSet":
        """The set without pairs of which no pixel is known; one with ids."""
        known = metrics.is_known(self.masks)
        ids = tuple(name for name, kept in zip(self.ids, known, strict=True) if kept)
        return TestSet(self.images[known], self.masks[known], ids)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One ecoregion: who answered, what, and how well."""

    decoder: str
    logits: np.ndarray  # f32[n, s, s]
    counts: metrics.Counts


def evaluate(
    answer: Callable[[str, np.ndarray], np.ndarray], tests: Mapping[str, TestSet], route: Mapping[str, str]
) -> dict[str, Outcome]:
    """Lets each ecoregion's decoder answer for its test set.

    Args:
      answer: (decoder, u8[n, s, s, c]) -> logits f32[n, s, s].
      route: ecoregion -> decoder.
    """
    outcomes = {}
    for ecoregion, test in tests.items():
        logits = answer(route[ecoregion], test.images)
        outcomes[ecoregion] = Outcome(route[ecoregion], logits, metrics.count(logits > 0, test.masks))
    return outcomes


def phase_scores(
    outcomes: Mapping[str, Outcome], old_ecoregions: Sequence[str], new_ecoregions: Sequence[str]
) -> dict[str, Any]:
    """The scores of a phase as they stand in `results.json`: by ecoregion, and means over groups of ecoregions.

    The groups are "old", "new" and "global". A group of which no ecoregion was answered for has no entry.
    """
    groups = _groups(outcomes, old_ecoregions, new_ecoregions)
    together = {
        group: metrics.summary(metrics.concatenate([outcomes[name].counts for name in members]))
        for group, members in groups.items()
    }
    return {
        "iou": {group: scores["iou"] for group, scores in together.items()},
        "iou_nonempty": {group: scores["iou_nonempty"] for group, scores in together.items()},
        "micro_iou": {group: scores["micro_iou"] for group, scores in together.items()},
        "empty": {group: scores["empty"] for group, scores in together.items()},
        "ecoregions": {
            name: {"decoder": outcome.decoder, **metrics.summary(outcome.counts)} for name, outcome in outcomes.items()
        },
    }


def balanced(
    outcomes: Mapping[str, Outcome], old_ecoregions: Sequence[str], new_ecoregions: Sequence[str]
) -> dict[str, float]:
    """Mean micro IoU over the ecoregions of each group ("old", "new", "global"): settings are chosen by it.

    On validation images. The mean over images would reward calling nothing a landslide where most masks are empty.
    """
    each = {name: metrics.micro_iou(outcome.counts) for name, outcome in outcomes.items()}
    groups = _groups(outcomes, old_ecoregions, new_ecoregions)
    return {group: float(np.mean([each[name] for name in members])) for group, members in groups.items()}


def _groups(
    outcomes: Mapping[str, Outcome], old_ecoregions: Sequence[str], new_ecoregions: Sequence[str]
) -> dict[str, list[str]]:
    wanted = {"old": old_ecoregions, "new": new_ecoregions, "global": (*old_ecoregions, *new_ecoregions)}
    answered = {group: [name for name in members if name in outcomes] for group, members in wanted.items()}
    return {group: members for group, members in answered.items() if members}


def to_original_size(logits: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Predicted mask at an image's original size: probabilities are interpolated, then compared with 0.5.

    Args:
      logits: f32[s, s].
      shape: (h, w).

    Returns:
      u8[h, w], 1 = landslide.
    """
    probability = 1 / (1 + np.exp(-np.clip(logits.astype(np.float32), -80, 80)))
    height, width = shape
    resized = Image.fromarray(probability).resize((width, height), Image.Resampling.BILINEAR)
    return (np.asarray(resized) > THRESHOLD).astype(np.uint8)
