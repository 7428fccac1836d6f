"""The short form of tests/stress/fuzz.py: a few spoilt files of each kind."""

from pathlib import Path

import pytest

from tests.stress import fuzz, inputs, scene

INPUTS = 40  # of each reader


@pytest.fixture(scope="module")
def readers(tiny_run: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory) -> dict[str, inputs.Target]:
    root = tmp_path_factory.mktemp("stress")
    (root / "scratch").mkdir()
    return {each.name: each for each in inputs.targets(tiny_run[0], scene.prepared_dataset(root), root / "scratch")}


def test_spoilt_files_end_in_one_line(readers: dict[str, inputs.Target]) -> None:
    for reader in readers.values():
        fuzz.fuzz(reader, inputs=INPUTS)


def test_a_reader_that_raises_anything_else_is_found() -> None:
    reader = inputs.Target("bad", lambda data: data.index(b"P"), (b"PNG",))
    with pytest.raises(ValueError, match="subsection not found"):
        fuzz.fuzz(reader, inputs=INPUTS)
