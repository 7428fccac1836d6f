"""An export predicts as the saved model does, and says what it cannot do."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.exporting.conftest import DECODERS, noise
from tsmu_jax.errors import UserError
from tsmu_jax.exporting.run import export_model
from tsmu_jax.models import archive, exported
from tsmu_jax.models.exported import load_export, open_model
from tsmu_jax.models.saved import SavedModel, load_model
from tsmu_jax.prediction.folder import predict_folder

MOST_DIFFERENCE = 1e-3


@pytest.fixture
def images(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(4):
        for date in ("pre", "post"):
            pixels = random.integers(0, 256, (20, 24 + 40 * (number == 3), 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / f"{number}_{date}.png")
    return tmp_path / "images"


@pytest.mark.parametrize("decoder", DECODERS)
def test_bytes_and_numbers_are_answered_alike(model: SavedModel, exported: Path, decoder: str) -> None:
    opened = open_model(exported)
    numbers = noise(3, 16, 32, 6)  # an odd number of them on two devices
    stored = np.round(255 * numbers).astype(np.uint8)
    for asked in (numbers, stored):
        np.testing.assert_allclose(opened.predict(asked, decoder), model.predict(asked, decoder), atol=MOST_DIFFERENCE)


def test_a_folder_gets_the_same_masks_from_the_same_decoders(
    model: SavedModel, exported: Path, images: Path, tmp_path: Path
) -> None:
    for name, path in (("saved", model.path), ("export", exported)):
        predict_folder(path, images, tmp_path / name)
    tables = []
    for name in ("saved", "export"):
        with (tmp_path / name / "predictions.csv").open(newline="") as file:
            tables.append([(row["image"], row["decoder"], row["margin"]) for row in csv.DictReader(file)])
    assert tables[0] == tables[1] and len(tables[0]) == 4
    for number in range(4):
        levels = [
            np.asarray(Image.open(tmp_path / name / f"{number}_probability.png"), int) for name in ("saved", "export")
        ]
        assert np.abs(levels[0] - levels[1]).max() <= 1 and levels[0].std() > 10


def test_what_an_export_cannot_do_is_said(exported: Path) -> None:
    with pytest.raises(UserError, match="probabilities alone; name the saved model"):
        open_model(exported).logits(noise(1, 16, 16, 6), "himalaya")
    with pytest.raises(UserError, match="no decoder 'tundra'; there are alps"):
        open_model(exported).predict(noise(1, 16, 16, 6), "tundra")
    with pytest.raises(UserError, match="is an export, which answers and cannot be trained on"):
        load_model(exported)


def test_other_formats_alone_do_not_predict(model: SavedModel, tmp_path: Path) -> None:
    export_model(model.path, tmp_path / "out", formats=["safetensors"])
    with pytest.raises(
        UserError, match="out: holds safetensors, and predicting needs stablehlo; export with --format="
    ):
        open_model(tmp_path / "out")


def _rewritten(directory: Path, change: Callable[[dict[str, Any]], None], contents: dict[str, bytes]) -> None:
    """Changes an export as somebody would who also mends its digests."""
    told = json.loads((directory / "export.json").read_text())
    change(told)
    kept = {name: (directory / name).read_bytes() for name in told.pop("files")}
    told.pop("digest")
    archive.write(directory, "export.json", told, {}, kept | contents)


@pytest.fixture(scope="module")
def one_decoder(model: SavedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("one_decoder") / "export"
    export_model(model.path, directory, formats=["stablehlo"], decoder="himalaya")
    return directory


@pytest.fixture
def own(one_decoder: Path, tmp_path: Path) -> Path:
    """A copy that may change."""
    return shutil.copytree(one_decoder, tmp_path / "out")


def test_a_program_that_jax_cannot_read_is_named_with_its_expiry(own: Path) -> None:
    _rewritten(own, lambda told: None, {"himalaya.stablehlo": b"nonsense"})
    told = json.loads((own / "export.json").read_text())["formats"]["stablehlo"]
    expected = rf"cannot read it; written by jax {told['jax']}, .* until {told['expires']}; export the model again"
    with pytest.raises(UserError, match=expected):
        open_model(own).predict(noise(1, 16, 16, 6), "himalaya")


def test_a_platform_that_it_is_not_made_for_is_named(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exported.export, "default_export_platform", lambda: "tpu")
    with pytest.raises(UserError, match="runs on cpu, cuda, and not on tpu; use the saved model itself there"):
        open_model(own).predict(noise(1, 16, 16, 6), "himalaya")


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["formats"]["stablehlo"]["files"].update(himalaya="../himalaya.stablehlo"),
        lambda told: told["formats"]["stablehlo"]["files"].update(himalaya="other.stablehlo"),
        lambda told: told["formats"]["stablehlo"]["files"].clear(),
        lambda told: told["formats"]["stablehlo"].update(expires="soon"),
        lambda told: told.pop("network"),
        lambda told: told["decoders"]["himalaya"]["calibration"].update(temperature=0.0),
        lambda told: told.update(formats=3),
    ],
)
def test_nonsense_ends_in_one_line(own: Path, change: Callable[[dict[str, Any]], None]) -> None:
    _rewritten(own, change, {})
    with pytest.raises(UserError, match="export.json: not what tsmu_jax exports") as caught:
        load_export(own)
    assert "\n" not in str(caught.value)


def test_a_changed_byte_is_noticed(own: Path) -> None:
    path = own / "himalaya.stablehlo"
    path.write_bytes(path.read_bytes()[:-1] + b"\0\0")
    with pytest.raises(UserError, match="himalaya.stablehlo: has changed since it was written"):
        open_model(own)
