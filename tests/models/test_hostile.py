"""Saved models that somebody made to do harm, whose digests are right: each is refused in one line."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.models.test_saved import DECODERS, NETWORK
from tsmu_jax.errors import UserError
from tsmu_jax.models import archive, saved
from tsmu_jax.models.tsmu import init_decoder, init_encoder, make_network

Trees = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def trees() -> Trees:
    network = make_network(**NETWORK)
    shared, decoder = init_encoder(network, jax.random.key(0)), init_decoder(network, jax.random.key(1))
    params, stats = ({"shared": shared[i], "old": {"a+b": decoder[i]}, "new": {"c": decoder[i]}} for i in (0, 1))
    return params, stats


@pytest.fixture
def save(tmp_path: Path, trees: Trees) -> Callable[..., Path]:
    """Saves a model. Args: exams of ecoregions."""

    def write(**exam: tuple[np.ndarray, np.ndarray]) -> Path:
        regions = {name: {"tests": ["t"]} for name in ("a", "b", "c")}
        description = {"network": NETWORK, "side": 8, "decoders": DECODERS, "ecoregions": regions}
        saved.save(tmp_path / "model", description, *trees, autoencoders={}, exam=exam)
        return tmp_path / "model"

    return write


def changed(path: Path, **values: Any) -> None:
    """Changes the description and its digest."""
    file = path / "model.json"
    description = json.loads(file.read_text()) | values
    description["digest"] = archive._digest(description)
    file.write_text(archive._text(description))


def refused(path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        saved.load_model(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["../x", "a/b", "/x", "..", "."])
def test_names_that_lead_elsewhere(save: Callable[..., Path], name: str) -> None:
    path = save()
    decoders = {**DECODERS, "c": {**DECODERS["c"], "ecoregions": [name]}}
    changed(path, ecoregions={"a": {}, "b": {}, name: {}}, decoders=decoders)
    refused(path, "is no name of an ecoregion")
    path = save()
    changed(path, ecoregions={"a": {}, "b": {}, "c": {"tests": [name]}})
    refused(path, "is no name of a test image")
    path = save()
    changed(path, decoders={"a+b": DECODERS["a+b"], name: DECODERS["c"]})
    refused(path, "is no name of a decoder")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "x/../../secret"])
def test_files_that_lie_elsewhere(save: Callable[..., Path], name: str) -> None:
    path = save()
    (path.parent / "secret").write_text("x")
    files = json.loads((path / "model.json").read_text())["files"]
    changed(path, files={**files, name: "0"})
    refused(path, r"model.json: names the file '.*', which is not in its directory")


def test_links_that_lead_out(save: Callable[..., Path], tmp_path: Path) -> None:
    path = save()
    (path / "parameters.safetensors").rename(tmp_path / "elsewhere")
    (path / "parameters.safetensors").symlink_to(tmp_path / "elsewhere")
    refused(path, r"parameters.safetensors: a link that leads out of")
    (path / "parameters.safetensors").unlink()
    (tmp_path / "elsewhere").rename(path / "parameters.safetensors")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model").symlink_to(path)
    refused(tmp_path / "run", r"run/model: a link that leads out of")
    saved.load_model(path)


HEADERS = {
    "a header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "a header longer than the file": struct.pack("<Q", 10**6) + b"{}",
    "a deep header": struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000,
    "petabytes": (2**50, [0, 2**52]),
    "more values than bytes": (10, [0, 4]),
    "ranges behind the end": (1, [2**40, 2**40 + 4]),
    "ranges that overlap": (1, [0, 4]),
    "an unknown type": (1, [0, 4], "X9"),
    "a type that NumPy lacks": (4, [0, 4], "F8_E4M3"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_arrays_that_are_none(save: Callable[..., Path], case: str) -> None:
    path, content = save(), HEADERS[case]
    if isinstance(content, tuple):
        count, offsets, *kind = content
        one = {"dtype": kind[0] if kind else "F32", "shape": [count], "data_offsets": offsets}
        header = {"params/shared/x": one, "params/shared/y": one} if "overlap" in case else {"params/shared/x": one}
        text = json.dumps(header).encode()
        content = struct.pack("<Q", len(text)) + text + bytes(4)
    (path / "parameters.safetensors").write_bytes(content)
    files = json.loads((path / "model.json").read_text())["files"]
    changed(path, files={**files, "parameters.safetensors": archive._sha256(path / "parameters.safetensors")})
    refused(
        path,
        r"parameters.safetensors: holds no arrays \(.*copy the directory again|model.json: not what tsmu_jax saves",
    )


@pytest.mark.parametrize("name", ["x/" * 100_000 + "y", "params", "params/shared/x/y"])
def test_names_of_arrays_that_make_no_tree(save: Callable[..., Path], name: str) -> None:
    path = save()
    arrays = {"params/shared/x": np.zeros(1, np.float32), name: np.zeros(1, np.float32)}
    (path / "parameters.safetensors").write_bytes(archive.tensors.save(arrays))
    files = json.loads((path / "model.json").read_text())["files"]
    changed(path, files={**files, "parameters.safetensors": archive._sha256(path / "parameters.safetensors")})
    refused(path, r"model.json: not what tsmu_jax saves \(ValueError")


@pytest.mark.parametrize(
    "exam",
    [
        (np.zeros((1, 8, 8, 3), np.float32), np.zeros((1, 8, 8), np.uint8)),
        (np.zeros((1, 8, 8, 4), np.uint8), np.zeros((1, 8, 8), np.uint8)),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8), np.uint8)),
        (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 9), np.uint8)),
    ],
)
def test_an_exam_of_other_shapes(save: Callable[..., Path], exam: Any) -> None:
    model = saved.load_model(save(a=exam))
    with pytest.raises(UserError, match=r"exam.safetensors: no exam of 'a'; save the model again"):
        model.exam("a")


def test_an_object_array_in_place_of_parameters_runs_nothing(save: Callable[..., Path], tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    path = save()
    with (path / "parameters.safetensors").open("wb") as file:
        np.save(file, np.array([Hostile()], object), allow_pickle=True)
    files = json.loads((path / "model.json").read_text())["files"]
    changed(path, files={**files, "parameters.safetensors": archive._sha256(path / "parameters.safetensors")})
    refused(
        path,
        r"parameters.safetensors: holds no arrays \(.*copy the directory again|model.json: not what tsmu_jax saves",
    )
    assert not (tmp_path / "ran").exists()
