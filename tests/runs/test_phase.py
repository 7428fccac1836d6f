"""A stage's directory: predictions are replaced whole, and copies of a phase never change the original."""

import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tsmu_jax.batch import FLIPS
from tsmu_jax.learning import processes, responses
from tsmu_jax.learning.state import Model
from tsmu_jax.runs import phase as phase_module
from tsmu_jax.runs.directory import PhaseDirectory
from tsmu_jax.runs.plan import stages

SIDE = 4
PAIR = types.SimpleNamespace(mask=np.zeros((SIDE, SIDE)))


class Pairs(list):
    ids = ("0001",)


DATA = types.SimpleNamespace(test_pairs={"etf": Pairs([PAIR])})
EXPERIMENT: Any = types.SimpleNamespace(data=DATA)


def predict(directory: PhaseDirectory, logit: float) -> None:
    outcome: Any = types.SimpleNamespace(logits=np.full((1, SIDE, SIDE), logit, np.float32))
    phase_module.save_predictions(EXPERIMENT, {"etf": outcome}, directory)


def train(directory: PhaseDirectory, value: float) -> None:
    """Writes all that a trained phase leaves; other values make other bytes, of the same length."""

    def answer(model: Model, decoder: str, images: np.ndarray, flips: np.ndarray) -> np.ndarray:
        return np.full((FLIPS, SIDE, SIDE), value, np.float32)

    def image(pair: int) -> np.ndarray:
        return np.zeros((SIDE, SIDE, 3), np.uint8)

    tree = {"shared": {"kernel": np.full((2, 2), value, np.float32)}, "old": {}, "new": {}}
    responses.store(directory.path, answer, Model({}, {}), image, pairs=[0], decoders=["old"], key=str(value))
    predict(directory, value)
    directory.finish(Model(tree, tree), {"key": str(value), "steps": 1, "tests": {}, "result": {}})


def files(directory: PhaseDirectory) -> dict[Path, bytes]:
    folders = (directory.path, directory.predictions)
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_a_copied_phase_that_is_trained_again_leaves_the_original_as_it_was(tmp_path: Path) -> None:
    original, copy = (PhaseDirectory(tmp_path / run, "01_initial") for run in ("original", "copy"))
    train(original, 1.0)
    before = files(original)
    copy.copy_from(original)
    shared = {path.name for path in before if path.stat().st_nlink > 1}
    assert {"0001.png", responses.ARRAY, responses.INDEX} <= shared
    assert any(path.stat().st_nlink > 1 for path in original.checkpoint.rglob("*") if path.is_file())
    (copy.path / "phase.json").unlink()
    train(copy, -1.0)
    assert files(original) == before
    with Image.open(copy.predictions / "etf" / "0001.png") as mask:
        assert not np.asarray(mask).any()
    assert {path.name for folder in (copy.path, copy.predictions) for path in folder.parent.iterdir()} == {"01_initial"}


def test_predictions_are_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = PhaseDirectory(tmp_path, "01_initial")
    predict(directory, 1.0)
    (directory.predictions / "nad").mkdir()
    before = files(directory)

    def cut_off(self: Image.Image, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", cut_off)
        with pytest.raises(RuntimeError, match="killed"):
            predict(directory, -1.0)
    assert files(directory) == before
    predict(directory, -1.0)
    assert files(directory).keys() == before.keys() and files(directory) != before
    assert [path.name for path in directory.predictions.iterdir()] == ["etf"]


def test_the_first_process_says_at_which_step_a_stage_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Log:
        def truncate(self, phase: str, after_step: int) -> None:
            raise RuntimeError(f"{phase} after step {after_step}")

    experiment: Any = types.SimpleNamespace(
        data=types.SimpleNamespace(draws=lambda stage: None), epochs=lambda stage: 1
    )
    log: Any = Log()
    (initial, *_) = stages("tsmu", ["etf"], ["nad"])
    monkeypatch.setattr(phase_module, "enter", lambda experiment, stage, model: model)
    monkeypatch.setattr(phase_module, "make_feed", lambda *_: None)
    monkeypatch.setattr(processes, "agreed", lambda value: [7, "key"])  # another process sees no checkpoint yet
    with pytest.raises(RuntimeError, match="01_initial after step 7"):
        phase_module.run_stage(experiment, initial, Model({}, {}), PhaseDirectory(tmp_path, "01_initial"), log, 0)
