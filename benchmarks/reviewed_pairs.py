r"""How many reviewed pairs are worth an update: scores on a new region by their number and by who chose them.

    python -m benchmarks.reviewed_pairs --data=../shared/data/landslides --workdir=runs/reviewed_pairs \
        --picture=docs/reviewed_pairs.png
    python -m benchmarks.reviewed_pairs --data=... --workdir=... --quick     minutes: fewer numbers, seeds, epochs

A model of --old regions is updated with 10, 20, 40 and 80 pairs of --new: chosen at random, or as the review queue
comes to them. All updates are scored on the same pairs, which none of them saw. The pairs of a smaller number are among
those of a larger one. Every update takes as many steps: fewer pairs are drawn more often. Scores are kept in --workdir:
the same command goes on where it was stopped.

The queue is that of the model before any update. A pair's place is that of its first candidate, by the terms of
`tsmu_jax/inventory/qgis/views.sql` that a pair has: near the threshold, uncertain when mirrored, large. Pairs in which
the model finds nothing have no candidate and come last, at random.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from benchmarks.runs import configuration
from tsmu_jax import untrusted
from tsmu_jax.data.examples import to_example
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation import metrics
from tsmu_jax.evaluation.intervals import Sample, paired_interval
from tsmu_jax.models.saved import SavedModel, load_model
from tsmu_jax.scenes import turning

RANDOM, QUEUE = "random", "queue"
TESTS = 30  # pairs of the new region that all updates are scored on
THRESHOLD = 0.5
PIXEL_M = 0.8 * 224 / 64  # of the network's input: Bijie's images are resized
DRAWN = 80  # images that an epoch draws, whatever the number of pairs
SETTINGS: Mapping[str, Any] = {
    "data.channels": 3,
    "data.size": 64,
    "data.subsample": 0,
    "data.test_pairs": 1,  # the least; scored are other pairs
    "data.validation": "paper",  # all pairs of ten are needed to learn from
    "model.width": 0.5,
    "model.depth": 5,
    "epochs.initial": 20,
    "epochs.freeze": 40,
    "epochs.joint_fine_tuning": 10,
    "selection.epochs": 0,
    "new": "",
}
QUICK: Mapping[str, Any] = {
    "data.size": 32,
    "model.width": 0.25,
    "model.depth": 4,
    "epochs.initial": 2,
    "epochs.freeze": 2,
    "epochs.joint_fine_tuning": 1,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Trains what is not trained yet, prints the table and draws. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of regions, a folder of images each")
    parser.add_argument("--workdir", type=Path, required=True, help="where models and scores are kept")
    parser.add_argument("--old", default="bijie_qianxi,bijie_qixingguan", help="regions of the first model")
    parser.add_argument("--new", default="bijie_zhijin", help="region of the updates")
    parser.add_argument(
        "--method", default="tsmu", help="of the updates; tsmu_plus begins with a copy of the old decoder"
    )
    parser.add_argument("--pairs", default="10,20,40,80", help="how many are reviewed")
    parser.add_argument("--seeds", type=int, default=3, help="of each choice")
    parser.add_argument("--quick", action="store_true", help="--pairs=10,20 --seeds=1, a small network, few epochs")
    parser.add_argument("--picture", type=Path, help="where to draw")
    asked = parser.parse_args(argv)
    numbers = [10, 20] if asked.quick else [int(number) for number in asked.pairs.split(",")]
    settings = {**SETTINGS, **(QUICK if asked.quick else {}), "method": asked.method}
    try:
        curve = Curve(asked.data, asked.workdir, asked.old.split(","), asked.new, settings)
        scores = curve.scores(numbers, range(1 if asked.quick else asked.seeds))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(table(scores))
    if asked.picture:
        draw(scores, asked.picture)
    return 0


Scores = Mapping[tuple[str, int], Mapping[Sample, float]]  # (choice, pairs) -> IoU of each test image in each run


class Curve:
    """The first model and its updates."""

    def __init__(self, data: Path, workdir: Path, old: Sequence[str], new: str, settings: Mapping[str, Any]) -> None:
        self._data, self._workdir, self._old, self._new, self._settings = data, workdir, old, new, settings
        self._source = FolderSource(data, ecoregions=[*old, new], require_pre=False)
        infos = self._source.infos
        own = {info.id: index for index, info in enumerate(infos) if info.ecoregion == new}
        order = sorted(own, key=lambda name: hashlib.sha256(name.encode()).digest())
        self._tests, self._pool = order[:TESTS], sorted(order[TESTS:])
        size = int(settings["data.size"])
        self._examples = {name: to_example(self._source[own[name]], size=size, channels=3) for name in order}

    def scores(self, numbers: Sequence[int], seeds: Sequence[int]) -> Scores:
        """IoU of each test image: of the first model as `(RANDOM, 0)`, and of its updates.

        Raises:
          UserError: the region has fewer pairs.
        """
        if max(numbers) > len(self._pool):
            most = f"{self._new} has {len(self._pool)} pairs beside {TESTS} to test on"
            raise UserError(f"--pairs={max(numbers)}: {most}; ask for fewer")
        first = {"method": "leave_one_out", "old": ",".join(self._old), "new": self._new, "data.test_pairs": TESTS}
        self._train("start", [*self._old, self._new], {**self._settings, **first})
        start = load_model(self._workdir / "start")
        found: dict[tuple[str, int], dict[Sample, float]] = {}
        found[RANDOM, 0] = self._of("start", start, start.decoders[0], seeds)
        queue = priorities(start, start.decoders[0], {name: self._examples[name].image for name in self._pool})
        for seed in seeds:
            rng = np.random.default_rng(seed)
            shuffled = [str(name) for name in rng.permutation(self._pool)]
            orders = {RANDOM: shuffled, QUEUE: sorted(shuffled, key=lambda name: -queue[name])}
            for number in numbers:
                for choice, order in orders.items():
                    name = f"{self._settings['method']}_{choice}_{number}_{seed}"
                    print(f"{name} ...", file=sys.stderr, flush=True)
                    found.setdefault((choice, number), {}).update(self._updated(name, order[:number], seed))
        return found

    def _updated(self, name: str, chosen: Sequence[str], seed: int) -> dict[Sample, float]:
        """The scores of an update, which are kept."""
        kept = self._workdir / name / "scores.json"
        if not kept.exists():
            changes: dict[str, Any] = {"start": str(self._workdir / "start"), "seed": seed}
            changes["data.draws"] = max(1, DRAWN // len(chosen))
            self._train(name, [self._new], {**self._settings, **changes}, chosen)
            model = load_model(self._workdir / name)
            kept.write_text(json.dumps(self._ious(model, model.route[self._new])))
        ious = untrusted.read(kept)
        return {Sample(seed, self._new, image, seed): iou for image, iou in ious.items()}

    def _of(self, name: str, model: SavedModel, decoder: str, seeds: Sequence[int]) -> dict[Sample, float]:
        ious = self._ious(model, decoder)
        return {Sample(seed, self._new, image, seed): iou for seed in seeds for image, iou in ious.items()}

    def _ious(self, model: SavedModel, decoder: str) -> dict[str, float]:
        held = [self._examples[name] for name in self._tests]
        images, masks = (np.stack(each) for each in zip(*held, strict=True))
        found = metrics.scores(metrics.count(model.logits(images, decoder) > 0, masks)).iou
        return dict(zip(self._tests, found.tolist(), strict=True))

    def _train(
        self, name: str, regions: Sequence[str], settings: Mapping[str, Any], chosen: Sequence[str] | None = None
    ) -> None:
        """Trains a run on copies of the images. Args: chosen: ids of the pairs; all by default."""
        from tsmu_jax.runs.train import train

        images = self._workdir / "images" / name
        for region in regions:
            (images / region).mkdir(parents=True, exist_ok=True)
            for path in sorted((self._data / region).iterdir()):
                if chosen is None or path.name.rpartition("_")[0] in chosen:
                    shutil.copyfile(path, images / region / path.name)
        train(configuration({**settings, "data.dir": str(images)}, "small"), self._workdir / name)


def priorities(model: SavedModel, decoder: str, images: Mapping[str, np.ndarray]) -> dict[str, float]:
    """By pair the priority of the candidate that most needs a look; less than any where there is none.

    Args: images: u8[s, s, c].
    """
    stack = np.stack(list(images.values()))
    probability = model.predict(stack, decoder)
    spread = turning.spread(model, stack, decoder, probability, 4)
    return {name: priority(*each) for name, each in zip(images, zip(probability, spread, strict=True), strict=True)}


def priority(probability: np.ndarray, spread: np.ndarray, pixel_m: float = PIXEL_M) -> float:
    """The largest priority of a picture's candidates, -1 without any.

    Args: probability, spread: f[h, w], see `turning.spread`.
    """
    labels, number = ndimage.label(probability > THRESHOLD)  # neighbours by their edges, as polygons have it
    inside = range(1, number + 1)
    means = np.atleast_1d(ndimage.mean(probability, labels, inside))
    doubt = 1 - abs(means - THRESHOLD) / max(THRESHOLD, 1 - THRESHOLD)
    turned = np.minimum(1, 2 * np.atleast_1d(ndimage.mean(spread, labels, inside)))
    areas = np.atleast_1d(ndimage.sum_labels(labels > 0, labels, inside)) * pixel_m**2
    return float(max(doubt + turned + areas / (areas + 10_000))) if number else -1.0


def table(scores: Scores) -> str:
    """Mean IoU with the interval of its difference to the first model's, and the queue's to random choice's."""
    start = scores[RANDOM, 0]
    lines = [f"first model: mean IoU {_mean(start):.3f} on {len({one.image for one in start})} test images", ""]
    lines += ["| reviewed pairs | random | gain | queue | gain | queue less random |", "|---:|---:|---|---:|---|---|"]
    for number in sorted({number for _, number in scores} - {0}):
        random, queue = scores[RANDOM, number], scores[QUEUE, number]
        shown = [f"{_mean(random):.3f}", _gain(random, start), f"{_mean(queue):.3f}", _gain(queue, start)]
        lines.append(f"| {number} | {' | '.join(shown)} | {_gain(queue, random)} |")
    return "\n".join(lines)


def _mean(of: Mapping[Sample, float]) -> float:
    return float(np.mean(list(of.values())))


def _gain(scores: Mapping[Sample, float], reference: Mapping[Sample, float]) -> str:
    found = paired_interval(scores, reference, np.random.default_rng(0))
    assert found is not None  # the same images
    return f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def draw(scores: Scores, path: Path) -> None:
    """The curve of each choice, with 95 % intervals of the gain over the first model."""
    from matplotlib.figure import Figure

    start = scores[RANDOM, 0]
    numbers = sorted({number for _, number in scores} - {0})
    figure = Figure(figsize=(6.4, 4.0), layout="constrained", dpi=120)
    axes = figure.subplots()
    axes.axhline(_mean(start), color="0.4", linestyle=":", label="before the update")
    styles = {
        RANDOM: ("tab:blue", "o", 0.98, "chosen at random"),
        QUEUE: ("tab:orange", "s", 1.02, "first in the queue"),
    }
    for choice, (colour, marker, aside, label) in styles.items():
        intervals = [paired_interval(scores[choice, number], start, np.random.default_rng(0)) for number in numbers]
        gains = np.array([(one.difference, one.low, one.high) for one in intervals if one])
        reach = np.abs(gains[:, 1:] - gains[:, :1]).T
        axes.errorbar(
            [number * aside for number in numbers],
            gains[:, 0] + _mean(start),
            yerr=reach,
            color=colour,
            marker=marker,
            capsize=3,
            label=label,
        )
    axes.set(xscale="log", xlabel="reviewed pairs", ylabel="mean IoU of the new region's test images")
    axes.set_xticks(numbers, labels=[str(number) for number in numbers])
    axes.minorticks_off()
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
