import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorstore

from tests.growth import kept
from tsmu_jax.learning import checkpoints
from tsmu_jax.learning.tensorstore_json import free_json

ARRAYS = 150
SPECS = {
    "array": tensorstore.Spec(
        {
            "driver": "zarr3",
            "kvstore": {"driver": "memory", "path": "ä/"},
            "metadata": {"shape": [8, 8], "data_type": "float32", "codecs": [{"name": "bytes"}]},
        }
    ),
    "files": tensorstore.KvStore.Spec({"driver": "file", "path": "/ä/"}),
}


def made_anew(tree: Any) -> Any:
    """The same tree of strings and containers that nobody else has."""
    if isinstance(tree, dict):
        return {"".join(key): made_anew(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [made_anew(value) for value in tree]
    return "".join(tree) if isinstance(tree, str) else tree


def references(tree: Any) -> list[int]:
    """How many references each key and each value has, numbers left out: the interpreter shares those."""
    if isinstance(tree, list):
        return [count for value in tree for count in references(value)]
    if not isinstance(tree, dict):
        return []
    counts = [sys.getrefcount(key) for key in tree]
    counts += [sys.getrefcount(value) for value in tree.values() if isinstance(value, dict | list | str)]
    return counts + [count for value in tree.values() for count in references(value)]


@pytest.mark.parametrize("name", SPECS)
def test_json_has_as_many_references_as_what_python_makes(name: str) -> None:
    free_json()
    free_json()  # does not release them a second time
    tree = SPECS[name].to_json()
    assert references(tree) == references(made_anew(tree))


@pytest.mark.parametrize("name", SPECS)
def test_json_is_freed(name: str) -> None:
    free_json()
    assert kept(SPECS[name].to_json, calls=1000) < 0.1


def test_saving_and_loading_keeps_nothing_of_any_array(tmp_path: Path) -> None:
    tree = {f"kernel_{number}": np.ones((8, 8), np.float32) for number in range(ARRAYS)}
    assert kept(lambda: checkpoints.save(tmp_path / "model", tree), calls=5) < ARRAYS
    assert kept(lambda: checkpoints.load(tmp_path / "model"), calls=5) < ARRAYS
