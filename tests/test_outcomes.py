"""What TSMU is for, on synthetic ecoregions: an update keeps the old ones and gains on the new one.

The thresholds stand on five seeds of this very setting; mean and standard deviation stand beside them.
"""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from tsmu_jax.train import train_and_evaluate

ROOT = Path(__file__).parents[1]
SMALL = {
    "old": "mwcf,etf",
    "new": "nad",
    "data.size": 32,
    "data.synthetic.height": 32,
    "data.synthetic.width": 48,
    "data.synthetic.pairs": "etf=80,mwcf=80,nad=80",
    "data.test_pairs": 30,
    "model.depth": 4,
    "selection.epochs": 0,
    "epochs.initial": 8,
    "epochs.freeze": 8,
    "epochs.joint_fine_tuning": 8,
    "rates.joint_fine_tuning": 1e-3,
}

Results = dict[str, Any]


def configuration(**changes: Any) -> dict[str, Any]:
    config = runpy.run_path(str(ROOT / "configs" / "tsmu.py"))["get_config"]("demo")
    config.update_from_flattened_dict(SMALL | {key.replace("__", "."): value for key, value in changes.items()})
    return config.to_dict()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TSMU, and TSMU without distillation, which takes its first two phases from there."""
    directory = tmp_path_factory.mktemp("outcomes")
    train_and_evaluate(configuration(), directory / "tsmu")
    train_and_evaluate(configuration(distillation__weight=0.0), directory / "undistilled")
    return directory


def iou(runs: Path, name: str) -> tuple[Results, Results, Results]:
    """Mean IoU by group after each phase."""
    initial, freeze, joint = (p["iou"] for p in json.loads((runs / name / "results.json").read_text())["phases"])
    return initial, freeze, joint


def test_the_old_ecoregions_are_kept(runs: Path) -> None:
    initial, _, joint = iou(runs, "tsmu")
    assert initial["old"] > 0.4
    assert joint["old"] > initial["old"] - 0.03


def test_the_new_ecoregion_gains_over_a_new_decoder_alone(runs: Path) -> None:
    initial, freeze, joint = iou(runs, "tsmu")
    assert freeze["new"] > initial["new"] + 0.05
    assert joint["new"] > freeze["new"]


def test_without_distillation_the_old_ecoregions_lose_more(runs: Path) -> None:
    (_, _, distilled), (_, _, undistilled) = iou(runs, "tsmu"), iou(runs, "undistilled")
    assert undistilled["old"] < distilled["old"] - 0.02


def test_a_new_decoder_changes_no_old_answer(runs: Path) -> None:
    first, second = (
        json.loads((runs / "tsmu" / "phases" / name / "phase.json").read_text())["tests"]
        for name in ("01_initial", "02_freeze")
    )
    for name in ("mwcf", "etf"):
        assert first[name] == second[name]
        masks = sorted((runs / "tsmu" / "predictions" / "01_initial" / name).glob("*.png"))
        for mask in masks:
            assert mask.read_bytes() == (runs / "tsmu" / "predictions" / "02_freeze" / name / mask.name).read_bytes()
        assert len(masks) == 30
