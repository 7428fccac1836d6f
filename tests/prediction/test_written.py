"""Predictions that are there are checked before they count as done: what is damaged is named and predicted anew."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.stress.damage import cut, flip
from tests.stress.outputs import contents
from tests.test_predict import write_model
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.folder import predict_folder

MASK, PROBABILITY = "first/1_mask.png", "first/1_probability.png"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SavedModel:
    return write_model(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "images" / "first").mkdir(parents=True)
    for number in range(3):
        for date in ("pre", "post"):
            image = Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8))
            image.save(tmp_path / "images" / "first" / f"{number}_{date}.png")
    return tmp_path / "images"


def change_a_row(output: Path) -> None:
    path = output / "predictions.csv"
    lines = path.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if line.startswith("first/1,"))
    lines[at] = lines[at].replace("first/1,a,a,", "first/1,a,b,")
    path.write_text("".join(lines))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut": (lambda output: cut(output / MASK), f"{MASK}: "),
    "changed": (lambda output: flip(output / PROBABILITY), f"{PROBABILITY}: has changed since it was written"),
    "removed": (lambda output: (output / MASK).unlink(), f"{MASK}: cannot be read (No such file or directory)"),
    "a changed row": (change_a_row, "first/1: its row, or its line of digests.jsonl, has changed"),
    "of an earlier release, cut": (
        lambda output: ((output / "digests.jsonl").unlink(), cut(output / MASK)),
        f"{MASK}: cannot be read (",
    ),
}


@pytest.fixture
def out(model: SavedModel, images: Path, tmp_path: Path) -> Path:
    """The predictions of all images."""
    predict_folder(model.path, images, tmp_path / "out", decoder="a")
    return tmp_path / "out"


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_named_and_predicted_anew(
    model: SavedModel, images: Path, out: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    whole = contents(out)
    spoil, words = DAMAGES[damage]
    spoil(out)
    assert contents(out) != whole
    others = [path for path in out.rglob("*.png") if not path.name.startswith(("1_", "contact"))]
    before = {path: os.stat(path).st_mtime_ns for path in others}
    capsys.readouterr()
    assert predict_folder(model.path, images, out, decoder="a")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(said) == 1 and said[0].startswith(f"warning: {out}/{words}") and said[0].endswith("; predicted anew")
    assert contents(out) == whole
    assert {path: os.stat(path).st_mtime_ns for path in others} == before and len(before) == 4


def test_what_is_whole_is_left_alone(
    model: SavedModel, images: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = contents(out)
    (out / "digests.jsonl").unlink()  # as an earlier release leaves it
    before = {path: os.stat(path).st_mtime_ns for path in out.glob("first/*.png")}
    for _ in range(2):
        capsys.readouterr()
        assert predict_folder(model.path, images, out, decoder="a")
        assert "warning" not in capsys.readouterr().err and contents(out) == whole
        assert {path: os.stat(path).st_mtime_ns for path in out.glob("first/*.png")} == before


def test_what_somebody_has_edited_stays(
    model: SavedModel, images: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice: the second edit does not take the place of the first one."""
    whole = contents(out)
    for number, name in enumerate(("1_mask.changed.png", "1_mask.changed1.png")):
        edited = Image.fromarray(np.full((16, 16), 100 + number, np.uint8))
        edited.save(out / MASK)
        assert predict_folder(model.path, images, out, decoder="a")
        assert f"\nwarning: {out / 'first' / name}: is what was there before\n" in capsys.readouterr().err
        with Image.open(out / "first" / name) as kept:
            np.testing.assert_array_equal(np.asarray(kept), np.asarray(edited))
    for path in out.glob("first/*changed*"):
        path.unlink()
    assert contents(out) == whole
