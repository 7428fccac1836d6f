"""Scores of the decoders on the exams that a model carries, with intervals for its card."""

from collections.abc import Sequence

import numpy as np

from tsmu_jax.batch import IMAGE, fill
from tsmu_jax.data.progress import reported
from tsmu_jax.evaluation import metrics
from tsmu_jax.evaluation.evaluate import THRESHOLD
from tsmu_jax.evaluation.intervals import Interval, Sample, paired_interval
from tsmu_jax.models.saved import SavedModel

_AT_ONCE = 4


def iou_intervals(model: SavedModel, ecoregions: Sequence[str]) -> dict[str, Interval]:
    """Mean IoU over the test images of each ecoregion that has an exam, and its bootstrap interval.

    The bounds are NaN where there are too few images. They cover other test images, and say nothing of other seeds.
    """
    exams = {name: exam for name in ecoregions if (exam := model.exam(name)) is not None}
    work = [(name, at) for name, (images, _) in exams.items() for at in range(0, len(images), _AT_ONCE)]
    scores: dict[Sample, float] = {}
    for name, at in reported(work, total=len(work), what="test images"):
        images, masks = (part[at : at + _AT_ONCE] for part in exams[name])
        asked = fill({IMAGE: images}, _AT_ONCE)[IMAGE]  # one compiled program
        answered = model.predict(asked, model.route[name])[: len(images)] > THRESHOLD
        known = metrics.is_known(masks)
        each = metrics.scores(metrics.count(answered, masks)).iou
        scores |= {Sample(None, name, str(at + row)): float(iou) for row, iou in enumerate(each) if known[row]}
    found = {}
    for name in exams:
        own = {sample: iou for sample, iou in scores.items() if sample.ecoregion == name}
        interval = paired_interval(own, dict.fromkeys(own, 0.0), np.random.default_rng(0))
        if interval is not None:
            found[name] = interval
    return found
