"""Stored responses that somebody made to do harm, whose digests are right: one line, and nothing runs."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tsmu_jax import digests
from tsmu_jax.errors import UserError
from tsmu_jax.learning import responses


def test_an_object_array_in_place_of_responses_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    np.save(tmp_path / responses.ARRAY, np.array([Hostile()], object), allow_pickle=True)
    _index(tmp_path)
    assert responses.is_stored(tmp_path, key="k")
    with pytest.raises(UserError, match=r"responses.npy: cannot be read .*; remove .* and run the same command again"):
        responses.Responses(tmp_path)
    assert not (tmp_path / "ran").exists()
    np.load(tmp_path / responses.ARRAY, allow_pickle=True)  # the file would have
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("shape", [(2**50,), (2**62, 2**62), (1, 4, 1, 8, 2**40), (-1, 4), (1, 4, 1, 8)])
def test_a_header_that_claims_petabytes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with (tmp_path / responses.ARRAY).open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.write(bytes(4 * 4 * 8))
    _index(tmp_path)
    with pytest.raises(UserError, match=r"responses.npy: cannot be read .*; remove") as caught:
        responses.Responses(tmp_path)
    assert "\n" not in str(caught.value)


def _index(path: Path) -> None:
    index = {"key": "k", "decoders": ["old"], "pairs": [0], "seconds": 1.0}
    record = digests.sealed(index, digests.taken(path, responses.ARRAY))
    (path / responses.INDEX).write_text(json.dumps(record))
