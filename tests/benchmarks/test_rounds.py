"""Rounds of mapping, review and update: which models they leave, what they say of them, and that they go on."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from benchmarks import rounds
from benchmarks.circle import FRESH, WAYS, Circle
from benchmarks.rounds import QUICK, QUICK_SIZES
from tsmu_jax.inventory import reading
from tsmu_jax.models.saved import load_model


@pytest.fixture(scope="module")
def place(tiny_run: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rounds in both ways from the tiny run, by the command."""
    place = tmp_path_factory.mktemp("rounds")
    words = [f"--workdir={place}", f"--first={tiny_run[0]}", "--quick", f"--picture={place / 'x.png'}"]
    assert rounds.main(words) == 0
    assert (place / "x.png").read_bytes().startswith(b"\x89PNG")
    return place


def record(folder: Path) -> Mapping[str, Any]:
    return json.loads((folder / "round.json").read_text())


def test_each_way_leaves_the_decoders_that_it_should(place: Path, tiny_run: tuple[Path, dict]) -> None:
    first = load_model(tiny_run[0])
    chain = [load_model(place / "chain_0" / number / "run") for number in ("01", "02")]
    assert chain[1].decoders == (*first.decoders, "mwcf_01", "mwcf_02")
    assert chain[1].description["lineage"][-1]["parent"] == chain[0].digest
    anew = [load_model(place / "anew_0" / number / "run") for number in ("01", "02")]
    assert [model.decoders for model in anew] == [(*first.decoders, "mwcf")] * 2
    assert [model.description["lineage"][-1]["parent"] for model in anew] == [first.digest] * 2
    pairs = {way: [record(place / way / number)["pairs"] for number in ("01", "02")] for way in ("chain_0", "anew_0")}
    assert pairs["chain_0"] == [25, 25]  # 160 px are five tiles of 32
    assert pairs["anew_0"] == [25, 50]


def test_what_is_learnt_is_the_truth_of_each_scene(place: Path) -> None:
    """Up to landslides that are too small for the reviewer."""
    with rasterio.open(place / "chain_0" / "02" / "scene" / "truth.tif") as file:
        truth = file.read(1)
    found = np.zeros_like(truth)
    for path in (place / "chain_0" / "02" / "reviewed" / "mwcf_02").glob("*_mask.png"):
        row, column = (32 * int(word) for word in path.stem.split("_")[1:3])
        found[row : row + 32, column : column + 32] = np.asarray(Image.open(path)) > 0
    assert (found & truth).sum() / (found | truth).sum() > 0.8


def test_scores_are_those_of_maps_and_exams(place: Path) -> None:
    for way in ("chain_0", "anew_0"):
        one, folder = record(place / way / "02"), place / way / "02"
        with rasterio.open(folder / "map" / "mask.tif") as mask, rasterio.open(folder / "scene" / "truth.tif") as truth:
            both = mask.read(1) == 1, truth.read(1) == 1
        assert one["map"]["auto"] == pytest.approx((both[0] & both[1]).sum() / (both[0] | both[1]).sum())
        assert len(one["ious"][FRESH]) == QUICK_SIZES.fresh
        last = json.loads((folder / "run" / "results.json").read_text())["phases"][-1]["ecoregions"]
        for name in ("etf", "nad"):
            assert rounds.mean(one, [name]) == pytest.approx(last[name]["iou"])


def test_each_polygon_is_a_decision_of_one_inventory(place: Path) -> None:
    for way in ("chain_0", "anew_0"):
        done = [record(place / way / number)["review"] for number in ("01", "02")]
        asked = sum(one[name] for one in done for name in ("kept", "reshaped", "removed", "drawn"))
        with reading.opened(place / way / "02" / "landslides.gpkg") as database:
            (decisions,) = database.execute("SELECT count(*) FROM decisions").fetchone()
        assert decisions == asked > 0


def test_goes_on_where_it_was_stopped(place: Path, tiny_run: tuple[Path, dict]) -> None:
    chain = place / "chain_0"
    before, kept = record(chain / "02"), (chain / "01" / "round.json").stat().st_mtime_ns
    (chain / "02" / "round.json").unlink()
    (chain / "02" / "map" / "mask.tif").write_bytes(b"half of a")
    circle = Circle(chain, tiny_run[0], WAYS["chain"], seed=0, settings=QUICK, sizes=QUICK_SIZES)
    again = circle.rounds(2)[2]
    assert (chain / "01" / "round.json").stat().st_mtime_ns == kept
    for name in ("map", "review", "pairs", "ious"):
        assert again[name] == before[name]


def test_a_rejected_update_leaves_the_model_and_its_ground_is_learnt_next(
    tiny_run: tuple[Path, dict], tmp_path: Path
) -> None:
    harmful = {**QUICK, "rates.joint_fine_tuning": 1.0, "distillation.weight": 0.0, "update.max_forgetting": 0.0}
    circle = Circle(tmp_path, tiny_run[0], WAYS["chain"], seed=0, settings=harmful, sizes=QUICK_SIZES)
    start, one = circle.rounds(1)
    assert not one["accepted"] and one["model"] is None and one["ious"] == start["ious"]
    harmless = {**harmful, "rates.joint_fine_tuning": 1e-9, "update.max_forgetting": 1.0}
    circle = Circle(tmp_path, tiny_run[0], WAYS["chain"], seed=0, settings=harmless, sizes=QUICK_SIZES)
    *_, two = circle.rounds(2)
    assert two["accepted"] and two["map"]["latest"] is None and two["pairs"] == 50


def test_wrong_flags_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rounds.main([f"--workdir={tmp_path}", "--ways=back"]) == 2
    assert capsys.readouterr().err == "error: --ways=back: is no way; choose from chain, anew\n"
    assert rounds.main([f"--workdir={tmp_path}", "--rounds=0"]) == 2
    assert "--rounds=0: must be 1 to 20" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
