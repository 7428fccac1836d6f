"""Pixel metrics of section V-B (equations 1 to 4), from counts of true and false positives for each image."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.mask import UNKNOWN


class Counts(NamedTuple):
    """Pixels of each image: true positives, false positives, false negatives; i64[n] each."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray

    @classmethod
    def from_record(cls, test: Mapping[str, Any]) -> "Counts":
        """Those of one ecoregion's test images in `phase.json`. Raises KeyError where one is missing."""
        return cls(*(np.array(test[field], np.int64) for field in cls._fields))

    @property
    def empty(self) -> np.ndarray:
        """bool[n]: neither mask nor prediction has a landslide."""
        return self.tp + self.fp + self.fn == 0


class Scores(NamedTuple):
    """f64[n] each, in [0, 1]; an image whose mask and prediction are both empty counts as 1.

    An image without known ground has no score, which its counts do not tell: leave it out before, by `is_known`.
    """

    iou: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def is_known(mask: np.ndarray) -> np.ndarray:
    """bool[n], whether any pixel of an image is known ground. Args: mask: [n, h, w] of the values in mask.py."""
    return np.asarray((mask != UNKNOWN).any((1, 2)))


def count(prediction: np.ndarray, mask: np.ndarray) -> Counts:
    """Counts pixels; unknown ground is in none of the counts.

    Args:
      prediction: [n, h, w], non-zero = landslide.
      mask: [n, h, w] of the values in mask.py; what is neither background nor unknown is landslide.
    """
    known = mask != UNKNOWN
    prediction, mask = prediction.astype(bool), mask.astype(bool)

    def pixels(where: np.ndarray) -> np.ndarray:
        return where.sum((1, 2), dtype=np.int64)

    return Counts(pixels(prediction & mask & known), pixels(prediction & ~mask), pixels(~prediction & mask & known))


def concatenate(counts: Sequence[Counts]) -> Counts:
    """Counts of all images of several sets."""
    return Counts(*(np.concatenate(field) for field in zip(*counts, strict=True)))


def scores(counts: Counts) -> Scores:
    """Equations 1 to 4 for each image.

    Where a denominator is 0 there is nothing to find or nothing was found: 1 if the image is empty in mask and
    prediction, else 0.
    """
    tp, fp, fn = counts

    def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
        return np.where(denominator > 0, numerator / np.maximum(denominator, 1), counts.empty)

    # F1 = 2PR / (P + R) = 2TP / (2TP + FP + FN), which has no 0/0 of its own.
    return Scores(ratio(tp, tp + fp + fn), ratio(tp, tp + fp), ratio(tp, tp + fn), ratio(2 * tp, 2 * tp + fp + fn))


def micro_iou(counts: Counts) -> float:
    """IoU of all images' pixels taken together; 1 if there is no positive pixel at all."""
    tp, fp, fn = (int(field.sum()) for field in counts)
    return tp / (tp + fp + fn) if tp + fp + fn else 1.0


def summary(counts: Counts) -> dict[str, float | int | None]:
    """Means over images, the dataset-level IoU, and how many images are empty in mask and prediction.

    `iou_nonempty` is the mean IoU without those; None if there are no others.
    """
    each = scores(counts)
    filled = each.iou[~counts.empty]
    return {
        "images": len(each.iou),
        **{name: float(values.mean()) for name, values in each._asdict().items()},
        "micro_iou": micro_iou(counts),
        "empty": int(counts.empty.sum()),
        "iou_nonempty": float(filled.mean()) if len(filled) else None,
    }
