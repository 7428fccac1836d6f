"""Archives: written whole, read back to the bit, and every changed byte noticed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsmu_jax.errors import UserError
from tsmu_jax.models import archive

TREE = {
    "shared": {"conv": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}},
    "old": {"a b": {"n": np.int32(3)}},
}
DESCRIPTION: dict[str, Any] = {"schema": 1, "decoders": ["a b"], "rate": 0.1 + 0.2}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    arrays = {"weights": archive.flattened(TREE), "images": {"etf": np.zeros((2, 4, 4, 3), np.uint8)}}
    archive.write(tmp_path / "model", "model.json", DESCRIPTION, arrays)
    return tmp_path / "model"


def read(directory: Path, schema: int = 1) -> dict[str, Any]:
    return archive.read_description(directory, "model.json", schema=schema)


def test_everything_comes_back_to_the_bit(directory: Path) -> None:
    description = read(directory)
    assert {key: description[key] for key in DESCRIPTION} == DESCRIPTION
    flat = archive.read_arrays(directory, "weights")
    assert archive.nested(flat).keys() == TREE.keys()
    for name, array in archive.flattened(TREE).items():
        np.testing.assert_array_equal(flat[name], array, strict=True)
    assert archive.read_arrays(directory, "weights", under="old/").keys() == {"old/a b/n"}
    assert sorted(path.name for path in directory.iterdir()) == [
        "images.safetensors",
        "model.json",
        "weights.safetensors",
    ]


def test_the_same_content_has_the_same_digest_and_other_content_another(tmp_path: Path) -> None:
    def digest(value: float, name: str) -> str:
        arrays = {"weights": {"x": np.full(3, value, np.float32)}}
        return archive.write(tmp_path / name, "model.json", DESCRIPTION, arrays)["digest"]

    assert digest(1.0, "one") == digest(1.0, "two") != digest(2.0, "two")  # the second is replaced


@pytest.mark.parametrize("name", ["images.safetensors", "weights.safetensors"])
def test_a_changed_byte_names_its_file(directory: Path, name: str) -> None:
    content = bytearray((directory / name).read_bytes())
    content[-1] ^= 1
    (directory / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: has changed since it was written"):
        read(directory)


def test_a_changed_description_is_noticed(directory: Path) -> None:
    path = directory / "model.json"
    path.write_text(path.read_text().replace("a b", "a c"))
    with pytest.raises(UserError, match=r"model.json: has changed since it was written"):
        read(directory)


def test_a_missing_file_is_named(directory: Path) -> None:
    (directory / "images.safetensors").unlink()
    with pytest.raises(UserError, match=r"images.safetensors: missing"):
        read(directory)


def test_no_archive_and_a_newer_one(directory: Path) -> None:
    with pytest.raises(UserError, match=r"holds no model.json"):
        read(directory.parent)
    with pytest.raises(UserError, match=r"newer release \(schema 1, this one reads up to 0\)"):
        read(directory, schema=0)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1}'])
def test_a_broken_description_is_one_line(directory: Path, content: str) -> None:
    (directory / "model.json").write_text(content)
    with pytest.raises(UserError, match=r"model.json: cannot be read"):
        read(directory)


def test_a_write_that_is_cut_off_leaves_the_earlier_archive(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = json.loads((directory / "model.json").read_text())

    def cut_off(*_: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(archive.tensors, "save", cut_off)
    with pytest.raises(RuntimeError, match="killed"):
        archive.write(directory, "model.json", DESCRIPTION, {"weights": {"x": np.zeros(1)}})
    assert read(directory) == before
