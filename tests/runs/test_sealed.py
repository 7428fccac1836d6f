"""What a run reads again is checked: a damaged file is named with its remedy, and never read as numbers."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.stress.checkpoint_inputs import PROGRESS
from tsmu_jax import digests
from tsmu_jax.errors import UserError
from tsmu_jax.learning import checkpoints
from tsmu_jax.learning.periodic import interrupted_at
from tsmu_jax.learning.state import Model
from tsmu_jax.runs.directory import PhaseDirectory, RunDirectory
from tsmu_jax.runs.sealed import Sealed

RECORD = {"key": "k", "steps": 3, "tests": {}, "result": {"iou": 0.25}}
Damage = Callable[[Path], None]


def model() -> Model:
    part = {"kernel": np.arange(24, dtype=np.float32)}
    return Model({"shared": part, "old": {"a": part}, "new": {}}, {"shared": part, "old": {"a": part}, "new": {}})


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    phase = run.phase("01_initial")
    phase.path.mkdir(parents=True)
    (phase.path / "responses.npy").write_bytes(bytes(range(200)))
    phase.finish(model(), RECORD)
    run.autoencoder("etf").finish({"encode": np.ones(3, np.float32)}, {"key": "k", "result": {}})
    return run


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def read_files(finished: Sealed) -> list[Path]:
    """All files but those that hold nothing, which cannot be damaged by a changed byte."""
    return [path for path in sorted(finished.path.rglob("*")) if path.is_file() and path.stat().st_size]


@pytest.mark.parametrize("damage", [flip, cut, empty, Path.unlink])
@pytest.mark.parametrize("which", ["phase", "autoencoder"])
def test_every_damaged_file_is_named_with_what_to_do(run: RunDirectory, which: str, damage: Damage) -> None:
    finished: Sealed = run.phase("01_initial") if which == "phase" else run.autoencoder("etf")
    run.check_finished()
    files = [path for path in read_files(finished) if damage is not Path.unlink or path.name != finished.name]
    assert {"manifest.ocdbt", "_METADATA"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        damage(path)
        with pytest.raises(UserError) as caught:
            run.check_finished()
        words = f"remove {finished.path} and run the same command again: it trains the {which} anew"
        assert str(caught.value).startswith(f"{path}: ") and str(caught.value).endswith(words)
        assert finished.damage() is not None
        path.write_bytes(content)
    run.check_finished()


def test_a_damaged_checkpoint_is_not_read(run: RunDirectory) -> None:
    for path in read_files(run.autoencoder("etf")):
        if path.parent != run.autoencoder("etf").path:
            content = path.read_bytes()
            flip(path)
            with pytest.raises(UserError, match=re.escape(str(path))):
                run.autoencoder("etf").params()
            path.write_bytes(content)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "3", '{"key": "k"}', "[" * 100_000, "\ud800"])
def test_records_that_are_none(run: RunDirectory, content: str) -> None:
    for finished in (run.phase("01_initial"), run.autoencoder("etf")):
        (finished.path / finished.name).write_bytes(content.encode("utf-8", "surrogatepass"))
        with pytest.raises(UserError, match=f"{finished.name}: .*; remove .* and run the same command again"):
            finished.record()
        assert finished.key() is None or content == '{"key": "k"}'


def test_a_changed_score_is_noticed(run: RunDirectory) -> None:
    path = run.phase("01_initial").path / "phase.json"
    path.write_text(path.read_text().replace("0.25", "0.75"))
    with pytest.raises(UserError, match=r"phase\.json: has changed since it was written"):
        run.phase("01_initial").record()


def test_records_of_earlier_releases_open_without_digests(run: RunDirectory) -> None:
    phase = run.phase("01_initial")
    (phase.path / "phase.json").write_text(json.dumps(RECORD))
    run.check_finished()
    assert phase.record() == RECORD and phase.model().params.keys() == model().params.keys()
    shutil.rmtree(phase.checkpoint)
    with pytest.raises(UserError, match=f"remove {phase.path} and run the same command again: it trains the phase"):
        phase.model()


# TensorStore's threads report to an event loop that Orbax has closed when it gave up; `cli` hides the same.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
def test_without_digests_orbax_finds_damage_and_ends_in_one_line(run: RunDirectory, damage: Damage) -> None:
    phase = run.phase("01_initial")
    (phase.path / "phase.json").write_text(json.dumps(RECORD))
    for path in phase.checkpoint.rglob("d/*"):
        damage(path)
    with pytest.raises(UserError, match="checkpoint: .*damaged checkpoint.*; remove "):
        phase.model()


def test_a_run_that_takes_a_phase_over_keeps_the_digests(run: RunDirectory) -> None:
    source = run.phase("01_initial")
    source.predictions.mkdir(parents=True)
    copy = PhaseDirectory(run.path.with_name("other"), "01_initial")
    copy.copy_from(source)
    array = copy.path / "responses.npy"
    assert os.stat(array).st_nlink == 2
    assert copy.record() == {"trained_in": "run", **RECORD}
    copy.rewrite({**RECORD, "tests_key": "t"})
    copy.check()
    flip(array)
    for phase in (copy, source):
        with pytest.raises(UserError, match=re.escape(str(phase.path / "responses.npy"))):
            phase.check()


def test_a_damaged_periodic_checkpoint_is_named(tmp_path: Path) -> None:
    unfinished = tmp_path / "unfinished"
    checkpoints.save(unfinished / "step_3", {"state": {"x": np.arange(9.0)}})
    record = digests.sealed(PROGRESS | {"checkpoint": "step_3"}, digests.taken(unfinished, "step_3"))
    (unfinished / "latest.json").write_text(json.dumps(record))
    assert interrupted_at(unfinished) == (3, "k")
    for path in (path for path in unfinished.rglob("*") if path.is_file() and path.stat().st_size):
        content = path.read_bytes()
        for damage in (flip, cut, empty):
            damage(path)
            words = f"^{re.escape(str(path))}: .*; remove {re.escape(str(unfinished))} and run the same command again"
            with pytest.raises(UserError, match=words):
                interrupted_at(unfinished)
            path.write_bytes(content)


def test_a_phase_with_a_link_out_is_not_taken_over(run: RunDirectory, tmp_path: Path) -> None:
    phase = run.phase("01_initial")
    (tmp_path / "secret").write_text("x")
    (phase.path / "notes").symlink_to(tmp_path / "secret")
    assert "a link that leads out of" in str(phase.damage())
    with pytest.raises(UserError, match=r"01_initial/notes: a link that leads out of .*; remove .*/01_initial and run"):
        phase.check()
