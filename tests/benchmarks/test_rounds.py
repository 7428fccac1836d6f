"""Rounds of mapping, review and update: which models they leave, what they say of them, and that they go on."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from benchmarks import rounds
from benchmarks.circle import FRESH, WAYS, Circle, to_learn
from benchmarks.rounds import QUICK, QUICK_SIZES
from tsmu_jax.inventory import reading
from tsmu_jax.models.saved import load_model


@pytest.fixture(scope="module")
def place(tiny_run: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds from the tiny run, by the command."""
    place = tmp_path_factory.mktemp("rounds")
    words = [f"--workdir={place}", f"--first={tiny_run[0]}", "--quick", "--ways=chain"]
    assert rounds.main([*words, f"--picture={place / 'x.png'}"]) == 0
    assert (place / "x.png").read_bytes().startswith(b"\x89PNG")
    return place / "chain_0"


def record(folder: Path) -> Mapping[str, Any]:
    return json.loads((folder / "round.json").read_text())


def test_each_round_adds_a_decoder_to_the_last_model(place: Path, tiny_run: tuple[Path, dict]) -> None:
    first, *models = load_model(tiny_run[0]), *(load_model(place / number / "run") for number in ("01", "02"))
    assert models[1].decoders == (*first.decoders, "mwcf_01", "mwcf_02")
    assert [one["parent"] for one in models[1].description["lineage"]][1:] == [first.digest, models[0].digest]
    assert [record(place / number)["pairs"] for number in ("01", "02")] == [25, 25]  # 160 px are five tiles of 32


def test_what_is_learnt_is_the_truth_of_each_scene(place: Path) -> None:
    """Up to landslides that are too small for the reviewer."""
    with rasterio.open(place / "02" / "scene" / "truth.tif") as file:
        truth = file.read(1)
    found = np.zeros_like(truth)
    for path in (place / "02" / "reviewed" / "mwcf_02").glob("*_mask.png"):
        row, column = (32 * int(word) for word in path.stem.split("_")[1:3])
        found[row : row + 32, column : column + 32] = np.asarray(Image.open(path)) > 0
    assert (found & truth).sum() / (found | truth).sum() > 0.8


def test_scores_are_those_of_maps_and_exams(place: Path) -> None:
    one, folder = record(place / "02"), place / "02"
    with rasterio.open(folder / "map" / "mask.tif") as mask, rasterio.open(folder / "scene" / "truth.tif") as truth:
        both = mask.read(1) == 1, truth.read(1) == 1
    assert one["map"]["auto"] == pytest.approx((both[0] & both[1]).sum() / (both[0] | both[1]).sum())
    assert one["map"]["latest"] is not None and record(place / "01")["map"]["latest"] is None
    assert len(one["ious"][FRESH]) == QUICK_SIZES.fresh
    last = json.loads((folder / "run" / "results.json").read_text())["phases"][-1]["ecoregions"]
    for name in ("etf", "nad"):
        assert rounds.mean(one, [name]) == pytest.approx(last[name]["iou"])


def test_each_polygon_is_a_decision_of_one_inventory(place: Path) -> None:
    done = [record(place / number)["review"] for number in ("01", "02")]
    asked = sum(one[name] for one in done for name in ("kept", "reshaped", "removed", "drawn"))
    with reading.opened(place / "02" / "landslides.gpkg") as database:
        (decisions,) = database.execute("SELECT count(*) FROM decisions").fetchone()
    assert decisions == asked > 0


def test_goes_on_from_the_first_model_and_keeps_the_last_one_where_an_update_is_rejected(
    place: Path, tiny_run: tuple[Path, dict], tmp_path: Path
) -> None:
    """The second round was stopped; it begins anew, learns the ground of both, and does so with harm to the old."""
    workdir = shutil.copytree(place, tmp_path / "rounds")
    (workdir / "02" / "round.json").unlink()
    (workdir / "02" / "map" / "mask.tif").write_bytes(b"half of a")
    harmful = {**QUICK, "rates.joint_fine_tuning": 0.1, "distillation.weight": 0.0, "update.max_forgetting": 0.0}
    circle = Circle(workdir, tiny_run[0], WAYS["anew"], seed=0, settings=harmful, sizes=QUICK_SIZES)
    _, one, two = circle.rounds(2)
    assert one == record(place / "01") and two["map"] == record(place / "02")["map"]
    assert two["pairs"] == 50 and not two["accepted"] and "changed by -" in two["reasons"][0]
    assert (two["model"], two["newest"], two["ious"]) == (one["model"], one["newest"], one["ious"])
    rejected, first = load_model(workdir / "02" / "run" / "model.rejected"), load_model(tiny_run[0])
    assert rejected.decoders == (*first.decoders, "mwcf")
    assert rejected.description["lineage"][-1]["parent"] == first.digest


def test_ground_of_a_rejected_update_is_learnt_in_the_next_one() -> None:
    chain, anew = WAYS["chain"], WAYS["anew"]
    start, accepted, rejected = {}, {"accepted": True}, {"accepted": False}
    assert list(to_learn(chain, [start])) == list(to_learn(anew, [start])) == [1]
    assert list(to_learn(chain, [start, accepted])) == [2]
    assert list(to_learn(chain, [start, accepted, rejected, rejected])) == [2, 3, 4]
    assert list(to_learn(anew, [start, accepted, rejected, accepted])) == [1, 2, 3, 4]


def test_changes_are_paired_over_the_pairs_of_each_seed() -> None:
    rng = np.random.default_rng(0)
    starts = [{"ious": {"etf": rng.random(20), "nad": rng.random(20), FRESH: rng.random(20)}} for _ in range(2)]
    moved = [{"ious": {name: ious + 0.1 * (name == "etf") for name, ious in one["ious"].items()}} for one in starts]
    assert rounds.old_ecoregions(starts[0]) == ["etf", "nad"]
    assert rounds.change(moved, starts, ["etf"])[:] == pytest.approx([0.1] * 3)
    assert rounds.change(moved, starts, ["etf", "nad"]).difference == pytest.approx(0.05)
    assert rounds.change(moved, starts, [FRESH])[:] == pytest.approx([0.0] * 3)


def test_wrong_flags_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rounds.main([f"--workdir={tmp_path}", "--ways=back"]) == 2
    assert capsys.readouterr().err == "error: --ways=back: is no way; choose from chain, anew\n"
    assert rounds.main([f"--workdir={tmp_path}", "--rounds=0"]) == 2
    assert "--rounds=0: must be 1 to 20" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
