"""Rounds of the circle: each maps a new scene, has the map reviewed, and updates the model with the reviewed ground."""

import dataclasses
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio

from benchmarks.runs import configuration
from tsmu_jax import untrusted
from tsmu_jax.evaluation import metrics
from tsmu_jax.inventory import dates
from tsmu_jax.models.saved import SavedModel, load_model
from tsmu_jax.prediction.predictor import AUTO
from tsmu_jax.reviewing import (
    candidates,
    dataset,
    invented,
    judged,
    labelme_export,
    labelme_import,
    scene_files,
)
from tsmu_jax.scenes import example
from tsmu_jax.scenes.run import map_scene

ECOREGION = "mwcf"  # of all scenes
FRESH = "fresh"  # pairs of that ecoregion that no round sees
RECORD = "round.json"
INVENTORY = "landslides.gpkg"
REVIEWER = "Nobody"


class Way(NamedTuple):
    """A way in which a model learns more ground of an ecoregion that it knows.

    Attributes:
      restarts: each update begins with the first model, and learns all ground reviewed so far for one decoder. Else it
        begins with the last model, and learns the latest ground, as an ecoregion with a decoder of its own.
      label: of the picture.
    """

    restarts: bool
    label: str


WAYS = {
    "chain": Way(False, "a decoder for each round"),
    "anew": Way(True, "one decoder, all reviewed ground"),
}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Of scenes and tiles, px. Attributes: fresh: pairs to test on, of `example.PATCH` px."""

    side: int = 576
    tile: int = 96
    fresh: int = 64


class Circle:
    """Ten rounds, or as many as are asked for, from one first model."""

    def __init__(
        self, workdir: Path, first: Path, way: Way, *, seed: int, settings: Mapping[str, Any], sizes: Sizes
    ) -> None:
        """Begins nothing.

        Args:
          workdir: where rounds are kept; those that are finished there are taken as they are.
          first: directory of a saved model, or of a run.
          settings: of the updates, {"epochs.freeze": 10}, beside those of the variant "demo".
        """
        self._workdir, self._first, self._way = workdir, first, way
        self._seed, self._settings, self._sizes = seed, settings, sizes
        self._model, self._known = load_model(first), load_model(first).ecoregions
        self._tests = _fresh_pairs(1000 * seed, sizes.fresh)

    def rounds(self, number: int) -> list[dict[str, Any]]:
        """Goes round, and returns the scores of the first model, and then of each round's last model.

        Returns:
          "ious": {ecoregion: [IoU of each test pair]}, of the first model's ecoregions (their exam) and of FRESH.
          Of rounds also: "decoder" and "margin" of the map; "map": its IoU with the truth, as the model chose the
          decoder ("auto") and by the decoder of the last round ("latest", None before there is one); "review", see
          `invented.Reviewed`; "pairs" of the update, and whether it was "accepted", with "reasons"; "model": where the
          model lies that goes on; "seconds".

        Raises:
          UserError: the first model cannot be updated with such scenes.
        """
        start = self._workdir / RECORD
        if not start.exists():
            self._keep(start, {"ious": self._ious(self._model, None)})
        found = [untrusted.read(start)]
        for one in range(1, number + 1):
            path = self._workdir / f"{one:02d}" / RECORD
            if not path.exists():
                shutil.rmtree(path.parent, ignore_errors=True)  # of a round that was stopped
                started = time.monotonic()
                print(f"{self._workdir.name}, round {one} of {number} ...", file=sys.stderr, flush=True)
                done = self._round(one, path.parent, found)
                self._keep(path, {**done, "seconds": round(time.monotonic() - started, 1)})
            found.append(untrusted.read(path))
        return found

    def _round(self, number: int, folder: Path, earlier: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Maps, reviews, learns. Args: earlier: what `rounds` returns of the rounds before."""
        model = self._opened(earlier[-1])
        learnt = earlier[-1].get("newest")
        inventory = self._inventory(number, folder)
        shown = self._map(model, number, folder, inventory, learnt)
        reviewed = self._review(number, folder, inventory)
        numbers = to_learn(self._way, earlier)
        name = ECOREGION if self._way.restarts else f"{ECOREGION}_{number:02d}"
        pairs = self._dataset(numbers, folder, inventory, name, model)
        update = self._update(folder, name, self._model if self._way.restarts else model)
        accepted = update["update"]["accepted"]
        kept = load_model(folder / "run") if accepted else model
        newest = name if accepted else learnt
        return {
            **shown,
            "review": reviewed,
            "pairs": pairs,
            "accepted": accepted,
            "reasons": update["update"]["reasons"],
            "newest": newest,
            "model": str(kept.path.relative_to(self._workdir)) if accepted else earlier[-1].get("model"),
            "ious": self._ious(kept, newest),
        }

    def _opened(self, last: Mapping[str, Any]) -> SavedModel:
        return load_model(self._workdir / last["model"]) if last.get("model") else self._model

    def _inventory(self, number: int, folder: Path) -> Path:
        """A copy of the last round's inventory: a round that is stopped leaves that one as it was."""
        folder.mkdir(parents=True)
        before = self._workdir / f"{number - 1:02d}" / INVENTORY
        if before.exists():
            shutil.copyfile(before, folder / INVENTORY)
        return folder / INVENTORY

    def _map(self, model: SavedModel, number: int, folder: Path, inventory: Path, learnt: str | None) -> dict[str, Any]:
        """Draws the round's scene and maps it, into the inventory with the decoder that the model chooses."""
        seed, scene = 1000 * self._seed + number, folder / "scene"
        drawn = example.draw(ECOREGION, side=self._sizes.side, seed=seed, output=scene, place=number)
        pre, post = (scene / name for name in example.NAMES[:2])
        bracket = dates.read(str(drawn.pre_date), str(drawn.post_date), pre=None, post=None)
        more: dict[str, Any] = {"resolution_m": example.GSD_M, "dates": bracket}
        map_scene(model, pre, post, folder / "map", decoder=AUTO, inventory=inventory, **more)
        chosen = untrusted.read(folder / "map" / "scene.json")["chosen"]
        ious = {"auto": _agreement(folder / "map", drawn.mask), "latest": None}
        if learnt and model.route[learnt] == chosen["decoder"]:
            ious["latest"] = ious["auto"]
        elif learnt:
            map_scene(model, pre, post, folder / "map_latest", decoder=learnt, **more)
            ious["latest"] = _agreement(folder / "map_latest", drawn.mask)
        return {"map": ious, "decoder": chosen["decoder"], "margin": chosen["margin"]}

    def _review(self, number: int, folder: Path, inventory: Path) -> dict[str, int]:
        """The invented reviewer works, and the decisions come back."""
        queue = candidates.read(inventory, all_current=True)
        labelme_export.write(queue, self._images(queue.scenes, [number]), folder / "tiles", tile=self._sizes.tile)
        done = invented.review(folder / "tiles", folder / "scene" / example.NAMES[2])
        labelme_import.bring_in(inventory, folder / "tiles", REVIEWER)
        return done._asdict()

    def _dataset(self, numbers: Sequence[int], folder: Path, inventory: Path, name: str, model: SavedModel) -> int:
        """Makes an ecoregion of the ground that was reviewed in some rounds. Returns the number of pairs."""
        judgements = judged.read(inventory)
        images = self._images(judgements.scenes, numbers)
        asked = dataset.Asked(name, model.side)
        return dataset.write(judgements, images, folder / "reviewed", asked).pairs

    def _images(
        self, scenes: Mapping[str, Mapping[str, Any]], numbers: Sequence[int]
    ) -> Mapping[str, scene_files.Images]:
        """The images of some rounds' scenes."""
        folders = [self._workdir / f"{number:02d}" / "scene" for number in numbers]
        named = [(f"--{date}", folder / name) for folder in folders for date, name in _DATES]
        return scene_files.find(scenes, named=named, folder=None, likely=set())

    def _update(self, folder: Path, name: str, start: SavedModel) -> Mapping[str, Any]:
        """Updates a model, and returns the contents of the run's `results.json`."""
        from tsmu_jax.runs.train import train

        changes = {
            **self._settings,
            "start": str(start.path),
            "data.dir": str(folder / "reviewed"),
            "data.split": "paper",  # all tiles are neighbours
            "new": name,
            "seed": self._seed,
        }
        return train(configuration(changes, "demo"), folder / "run").results

    def _ious(self, model: SavedModel, newest: str | None) -> dict[str, list[float]]:
        """IoU of each test pair. Args: newest: the ecoregion that answers for FRESH; None for the first decoder."""
        tests = {name: (model.route[name], model.exam(name)) for name in self._known}
        tests[FRESH] = (model.route[newest] if newest else model.decoders[0], self._tests)
        return {name: _scored(model, *asked) for name, asked in tests.items()}

    def _keep(self, path: Path, record: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(record, indent=1))
        partial.replace(path)


def to_learn(way: Way, earlier: Sequence[Mapping[str, Any]]) -> range:
    """Numbers of the rounds whose ground the next update learns. Args: earlier: as `Circle.rounds` returns them."""
    last = max((number for number, one in enumerate(earlier) if one.get("accepted")), default=0)
    return range(1 if way.restarts else last + 1, len(earlier) + 1)


_DATES = tuple(zip(("pre", "post"), example.NAMES, strict=False))


def _fresh_pairs(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Images u8[n, s, s, 6] and masks u8[n, s, s]: the patches of a scene that is not kept."""
    import tempfile

    rows = int(number**0.5)
    with tempfile.TemporaryDirectory() as scratch:
        scene = example.draw(ECOREGION, side=rows * example.PATCH, seed=seed, output=Path(scratch) / "scene")
    cut = (rows, example.PATCH, rows, example.PATCH, -1)
    both = np.concatenate([scene.pre, scene.post, scene.mask[..., None]], axis=-1)
    patches = both.reshape(cut).swapaxes(1, 2).reshape(-1, example.PATCH, example.PATCH, both.shape[-1])
    return patches[..., :6], patches[..., 6]


def _scored(model: SavedModel, decoder: str, pairs: tuple[np.ndarray, np.ndarray] | None) -> list[float]:
    """IoU of each pair."""
    assert pairs is not None  # models of this benchmark have an exam
    found = metrics.scores(metrics.count(model.logits(pairs[0], decoder) > 0, pairs[1])).iou
    return [float(iou) for iou in found]


def _agreement(folder: Path, truth: np.ndarray) -> float:
    """IoU of a map and the truth, over all pixels."""
    with rasterio.open(folder / "mask.tif") as file:
        mask = file.read(1) == 1
    return float(metrics.scores(metrics.count(mask[None], truth[None])).iou[0])
