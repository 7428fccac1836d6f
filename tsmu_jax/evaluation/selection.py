"""Choosing an image's ecoregion, and so its decoder (section V-E): errors of reconstruction in, scores out."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from tsmu_jax.evaluation import metrics
from tsmu_jax.evaluation.evaluate import THRESHOLD

# Who answers for an image: the decoder of its true ecoregion, that of the chosen one, the average of all decoders'
# probabilities, or the chosen one unless the margin is small, where it is the average.
WAYS = ("oracle", "chosen", "mean", "fallback")
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


class Choice(NamedTuple):
    """The chosen ecoregion of each image, and how clear the choice is."""

    best: np.ndarray  # i64[n]: the column with the smallest error
    margin: np.ndarray  # f64[n] in [0, 1]


@dataclasses.dataclass(frozen=True)
class Selected:
    """The test images of one ecoregion.

    Attributes:
      chosen: the ecoregion chosen for each.
      decoded: whether its decoder is that of the true ecoregion, bool[n].
      margin: f64[n] in [0, 1].
      counts: pixels of each image for each of WAYS.
    """

    chosen: tuple[str, ...]
    decoded: np.ndarray
    margin: np.ndarray
    counts: dict[str, metrics.Counts]


def choose(errors: np.ndarray) -> Choice:
    """Chooses the ecoregion whose autoencoder reconstructs an image best; the first of equals.

    The margin is the relative difference of the two smallest errors, (second - first) / second: 0 where two
    autoencoders do equally well, near 1 where one is far better. It is 1 where there is only one to choose.

    Args:
      errors: f[n, k], mean squared error of each image by each of k autoencoders.

    Raises:
      ValueError: there is none to choose from.
    """
    if errors.ndim != 2 or not errors.shape[1]:
        raise ValueError(f"errors have shape {errors.shape}; needed: (images, autoencoders), of 1 or more each")
    best = errors.argmin(1)
    if errors.shape[1] == 1:
        return Choice(best, np.ones(len(errors)))
    first, second = np.sort(errors.astype(np.float64), axis=1)[:, :2].T
    return Choice(best, np.where(second > 0, 1 - first / np.where(second > 0, second, 1), 0.0))


def answers(
    logits: Mapping[str, np.ndarray], *, true: str, chosen: Sequence[str], unsure: np.ndarray
) -> dict[str, np.ndarray]:
    """Predicts in each of WAYS.

    Args:
      logits: decoder -> f32[n, s, s], of all decoders.
      true: the decoder of the images' ecoregion.
      chosen: the decoder chosen for each image.
      unsure: bool[n], margins that are too small.

    Returns:
      way -> bool[n, s, s], whether a pixel is landslide.
    """
    selected = np.stack([logits[decoder][image] > 0 for image, decoder in enumerate(chosen)])
    mean = np.mean([expit(values) for values in logits.values()], axis=0) > THRESHOLD
    fallback = np.where(unsure[:, None, None], mean, selected)
    return {"oracle": logits[true] > 0, "chosen": selected, "mean": mean, "fallback": fallback}


def confusion(selected: Mapping[str, Selected], candidates: Sequence[str]) -> dict[str, dict[str, int]]:
    """True ecoregion -> chosen ecoregion -> number of images."""
    return {name: {other: one.chosen.count(other) for other in candidates} for name, one in selected.items()}


def choice_scores(selected: Mapping[str, Selected], candidates: Sequence[str], *, threshold: float) -> dict[str, Any]:
    """The scores of the choice as they stand in `results.json`, by ecoregion and together.

    Args:
      selected: by true ecoregion.
      candidates: the ecoregions with an autoencoder.
      threshold: margins below it send an image to review.
    """
    margin = np.concatenate([one.margin for one in selected.values()])
    right = np.concatenate([_right(name, one) for name, one in selected.items()])
    decoded = np.concatenate([one.decoded for one in selected.values()])
    kept = margin >= threshold
    together = {way: metrics.concatenate([one.counts[way] for one in selected.values()]) for way in WAYS}
    return {
        **_scores(right, decoded, together),
        "confusion": confusion(selected, candidates),
        "margin": {
            "threshold": threshold,
            "quantiles": {str(q): float(np.quantile(margin, q)) for q in QUANTILES},
            "review": int((~kept).sum()),
            "accuracy_of_rest": float(right[kept].mean()) if kept.any() else None,
            "decoder_accuracy_of_rest": float(decoded[kept].mean()) if kept.any() else None,
        },
        "ecoregions": {name: _scores(_right(name, one), one.decoded, one.counts) for name, one in selected.items()},
    }


def _right(name: str, one: Selected) -> np.ndarray:
    return np.array([chosen == name for chosen in one.chosen])


def _scores(right: np.ndarray, decoded: np.ndarray, counts: Mapping[str, metrics.Counts]) -> dict[str, Any]:
    return {
        "images": len(right),
        "accuracy": float(right.mean()),
        "decoder_accuracy": float(decoded.mean()),
        "iou": {way: float(metrics.scores(counts[way]).iou.mean()) for way in WAYS},
    }
