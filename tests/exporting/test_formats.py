"""Each format answers as the saved model does, from its own files."""

import datetime
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from jax import export

from tests.exporting import by_numpy
from tests.exporting.conftest import DECODERS, ONNX_SIDE, noise, write_model
from tsmu_jax.errors import UserError
from tsmu_jax.exporting import deepness, network_file, onnx_file, operations, stablehlo
from tsmu_jax.exporting.run import export_model
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.windows import Reach

CLOSE = 1e-4


@pytest.fixture(scope="module")
def separable(tmp_path_factory: pytest.TempPathFactory) -> tuple[SavedModel, Path]:
    """The network of section V-C, whose layers are of other kinds, and its export."""
    path = tmp_path_factory.mktemp("text")
    model = write_model(path / "model", variant="text")
    export_model(model.path, path / "export", formats=["safetensors", "onnx"], side=ONNX_SIDE, decoder="himalaya")
    return model, path / "export"


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_arrays_and_their_order_are_enough(model: SavedModel, exported: Path, decoder: str) -> None:
    images = noise(2, 16, 24, 6)
    expected = model.predict(images, decoder)
    assert expected.std() > 0.1  # else any answer would do
    np.testing.assert_allclose(by_numpy.answer(exported, decoder, images), expected, atol=CLOSE)


def test_the_arrays_of_the_other_network_are_too(separable: tuple[SavedModel, Path]) -> None:
    model, directory = separable
    images = noise(1, ONNX_SIDE, ONNX_SIDE, 6)  # as ONNX takes them, so that the model compiles once
    answer = by_numpy.answer(directory, "himalaya", images)
    np.testing.assert_allclose(answer, model.predict(images, "himalaya"), atol=CLOSE)


def test_every_array_has_a_name_a_shape_and_a_role(model: SavedModel, exported: Path) -> None:
    told = json.loads((exported / "network.json").read_text())
    stored = operations.arrays(model, tuple(DECODERS))
    assert {name: tuple(one["shape"]) for name, one in told["arrays"].items()} == {
        k: v.shape for k, v in stored.items()
    }
    assert {one["role"] for one in told["arrays"].values()} == {"kernel", "bias", "scale", "mean", "var"}
    assert {one["kind"] for one in told["encoder"]} <= set(told["kinds"])
    with pytest.raises(ValueError, match="other arrays"):
        network_file.described(model, tuple(DECODERS), {**stored, "encoder/Conv_9/kernel": np.zeros(1)})


@pytest.mark.parametrize("shape", [(1, 16, 24), (3, 16, 32), (2, 4, 8)])
def test_stablehlo_takes_any_number_and_size(model: SavedModel, exported: Path, shape: tuple[int, ...]) -> None:
    program = export.deserialize(bytearray((exported / "himalaya.stablehlo").read_bytes()))
    assert program.platforms == ("cpu", "cuda")
    images = noise(*shape, 6)
    np.testing.assert_allclose(program.call(images), model.predict(images, "himalaya"), atol=CLOSE)


def test_stablehlo_names_no_place_on_this_machine(exported: Path) -> None:
    data = (exported / "himalaya.stablehlo").read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in data


def test_stablehlo_expires_six_months_later() -> None:
    assert stablehlo.expires(datetime.date(2026, 11, 27)) == datetime.date(2027, 5, 27)
    assert stablehlo.expires(datetime.date(2026, 8, 31)) == datetime.date(2027, 2, 28)


@pytest.mark.parametrize("decoder", DECODERS)
def test_onnx_answers_in_onnxruntime(model: SavedModel, exported: Path, decoder: str) -> None:
    session = onnxruntime.InferenceSession(exported / f"{decoder}.onnx")
    (taken,) = session.get_inputs()
    assert taken.shape == ["batch", 6, ONNX_SIDE, ONNX_SIDE] and taken.type == "tensor(float)"
    (made,) = session.get_outputs()
    assert made.shape == ["batch", 1, ONNX_SIDE, ONNX_SIDE]
    images = noise(2, ONNX_SIDE, ONNX_SIDE, 6)
    (answer,) = session.run(None, {taken.name: images.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(answer[:, 0], model.predict(images, decoder), atol=CLOSE)


def test_onnx_of_the_other_network_does(separable: tuple[SavedModel, Path]) -> None:
    model, directory = separable
    session = onnxruntime.InferenceSession(directory / "himalaya.onnx")
    images = noise(1, ONNX_SIDE, ONNX_SIDE, 6)
    (answer,) = session.run(None, {"images": images.transpose(0, 3, 1, 2)})
    np.testing.assert_allclose(answer[:, 0], model.predict(images, "himalaya"), atol=CLOSE)


def test_onnx_that_answers_otherwise_is_not_kept(
    model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_model(model.path, tmp_path / "out", formats=["safetensors"])
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(onnx_file, "EPSILON", 0.1)
    with pytest.raises(UserError, match=r"decoder alps\+andes: ONNX answers otherwise than the model, by 0\."):
        export_model(model.path, tmp_path / "out", side=ONNX_SIDE)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_onnx_carries_what_the_plugin_reads(model: SavedModel, exported: Path) -> None:
    told = {one.key: one.value for one in onnx.load(exported / "himalaya.onnx").metadata_props}
    assert told.pop("tsmu_model") == model.digest
    assert {name: json.loads(text) for name, text in told.items() if name != "decoder"} == {
        "model_type": "Segmentor",
        "class_names": {"0": "background", "1": "landslide"},
        "resolution": 250.0,
        "tiles_size": ONNX_SIDE,
        "tile_size": ONNX_SIDE,
        "tiles_overlap": 50,
        "seg_thresh": 0.5,
        "seg_small_segment": 0,
        "standardization_mean": [0.0] * 6,
        "standardization_std": [1.0] * 6,
    }


def test_tiles_overlap_by_as_far_as_the_network_looks() -> None:
    seen = Reach(40, 30)
    assert deepness.overlap(seen, 512) == 16 and deepness.is_seamless(seen, 512)  # 81.92 px, half at each border
    assert deepness.overlap(seen, 128) == 50 and not deepness.is_seamless(seen, 128)
