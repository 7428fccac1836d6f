"""The short forms of the programs in this folder that need no process of their own: a few spoilt and damaged files."""

from pathlib import Path

import numpy as np
import pytest
from ml_collections import config_dict

from tests.runs.trained import trained
from tests.stress import damage, fuzz, inputs, same, scene
from tests.stress.killed import outcome_of

INPUTS = 40  # of each reader
DAMAGES = 4  # of each directory


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stress")


@pytest.fixture(scope="module")
def subjects(root: Path) -> list[damage.Subject]:
    return damage.subjects(root)


@pytest.fixture(scope="module")
def readers(tiny_run: tuple[Path, dict], subjects: list[damage.Subject], root: Path) -> dict[str, inputs.Target]:
    (root / "scratch").mkdir()
    return {each.name: each for each in inputs.targets(tiny_run[0], root / "prepared", root / "scratch")}


def test_spoilt_files_end_in_one_line(readers: dict[str, inputs.Target]) -> None:
    for reader in readers.values():
        fuzz.fuzz(reader, inputs=INPUTS)


def test_a_reader_that_raises_anything_else_is_found() -> None:
    reader = inputs.Target("bad", lambda data: data.index(b"P"), (b"PNG",))
    with pytest.raises(ValueError, match="subsection not found"):
        fuzz.fuzz(reader, inputs=INPUTS)


def test_damaged_files_are_named_or_made_anew(subjects: list[damage.Subject], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for subject in subjects:
        cases = list(damage.cases([subject]))
        few = [cases[index] for index in random.choice(len(cases), DAMAGES, replace=False)]
        assert damage.damage(few, tmp_path / subject.name) == []


def test_another_order_of_files_and_many_threads_end_in_the_same_bits(
    subjects: list[damage.Subject], root: Path, tmp_path: Path
) -> None:
    config = config_dict.ConfigDict(scene.tiny(same.turned(root / "images", tmp_path / "turned")))
    config.update_from_flattened_dict({"data.workers": 16, "data.cache_gib": 0.0})
    trained(config.to_dict(), tmp_path / "run")
    one, other = outcome_of(root / "run"), outcome_of(tmp_path / "run")
    assert one.keys() == other.keys()
    # These two say where the images lie, how many threads read them, and when they were written.
    assert {name for name in one if one[name] != other[name]} <= {"config.json", "model/model.json"}
    assert max(same.answers(root / "run" / "model").values()) < same.ROUNDING
