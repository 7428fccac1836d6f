"""Files are whole, or as they were."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tsmu_jax.runs.files import write_json


def test_write_json_makes_directories_and_leaves_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "results.json"
    write_json(path, {"iou": 0.5})
    write_json(path, {"iou": 0.25, "name": "Müller"})
    assert json.loads(path.read_text()) == {"iou": 0.25, "name": "Müller"}
    assert [entry.name for entry in path.parent.iterdir()] == ["results.json"]


@pytest.mark.parametrize("value", [{"a": object()}, {"iou": math.nan}, {"iou": math.inf}])
def test_what_json_cannot_hold_leaves_the_file_as_it_was(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"iou": 0.5})
    with pytest.raises((TypeError, ValueError)):
        write_json(path, value)
    assert json.loads(path.read_text()) == {"iou": 0.5}


@pytest.mark.parametrize("where", ["write_text", "replace"])
def test_a_write_that_is_cut_off_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def cut_off(self: Path, text: Any) -> None:
        if where == "write_text":
            with self.open("w") as file:
                file.write(text[: len(text) // 2])
        raise RuntimeError("killed")

    path = tmp_path / "results.json"
    write_json(path, {"iou": 0.5})
    with monkeypatch.context() as patched:
        patched.setattr(Path, where, cut_off)
        with pytest.raises(RuntimeError, match="killed"):
            write_json(path, {"iou": 0.75})
    assert json.loads(path.read_text()) == {"iou": 0.5}
    write_json(path, {"iou": 0.75})
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.json"]
