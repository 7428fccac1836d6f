"""Run directories: who may use them, what they hold, when a phase counts as finished."""

import dataclasses
import json
import os
import re
import shutil
import sys
import types
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tsmu_jax import digests
from tsmu_jax.declaration import Scope
from tsmu_jax.errors import UserError
from tsmu_jax.learning import checkpoints
from tsmu_jax.learning.state import Model
from tsmu_jax.runs import directory, provenance, sealed
from tsmu_jax.runs.directory import PhaseDirectory, RunDirectory
from tsmu_jax.settings import SETTINGS, Config, Data

CONFIG = Config(seed=7, data=Data(size=64))
IMAGES = "fingerprint"


def changed(**values: Any) -> Config:
    """CONFIG with other values; data__size stands for data.size."""
    config = CONFIG
    for key, value in values.items():
        section, _, leaf = key.rpartition("__")
        changes = {leaf: value}
        if section:
            changes = {section: dataclasses.replace(getattr(config, section), **changes)}
        config = dataclasses.replace(config, **changes)
    return config


def visible(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir() if not entry.name.startswith("."))


def claim(path: Path, config: Config = CONFIG, *, images: str = IMAGES) -> RunDirectory:
    return RunDirectory.claim(path, config, images=images, command="python -m tsmu_jax.main --x")


def refusal(path: Path, config: Config = CONFIG, *, images: str = IMAGES) -> str:
    with pytest.raises(UserError) as caught:
        claim(path, config, images=images)
    assert str(path) in str(caught.value)
    return str(caught.value)


def model(*, new: bool) -> Model:
    rng = np.random.default_rng(0)

    def tree() -> dict[str, Any]:
        def part() -> dict[str, Any]:
            kernel = rng.normal(size=(3, 3, 2, 4)).astype(np.float32)
            return {"block_0": {"kernel": kernel, "bias": jax.numpy.arange(4.0)}}

        return {"shared": part(), "old": {"old": part()}, "new": {"new": part()} if new else {}}

    return Model(tree(), tree())


def assert_same(left: Any, right: Any) -> None:
    assert jax.tree.structure(left) == jax.tree.structure(right)
    for one, two in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two), strict=True)


RECORD = {"key": "k", "steps": 3, "tests": {}, "result": {}}


def fails(*_: Any, **__: Any) -> None:
    raise RuntimeError("killed")


# Claiming


def test_a_new_directory_is_made_and_says_what_runs(tmp_path: Path) -> None:
    run = claim(tmp_path / "runs" / "deep" / "demo")
    assert visible(run.path) == ["config.json"]
    content = json.loads(run.config_path.read_text())
    assert content["schema"] == 2
    assert content["config"] == dataclasses.asdict(CONFIG)
    assert content["images"] == IMAGES
    assert content["seed"] == 7
    assert content["command"] == "python -m tsmu_jax.main --x"
    assert content["versions"].keys() == {"tsmu_jax", "python", *provenance.PACKAGES}
    assert content["versions"]["jax"] == jax.__version__
    assert content["versions"]["pillow"] == version("pillow")
    assert content["versions"]["python"] == sys.version.split()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", content["created"])
    assert content["git_revision"] is None or re.fullmatch(r"[0-9a-f]{40}(\+changes)?", content["git_revision"])


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    assert claim(tmp_path).config_path.is_file()


def test_the_same_configuration_takes_a_run_up_and_leaves_its_config(tmp_path: Path) -> None:
    before = claim(tmp_path).config_path.read_bytes()
    (tmp_path / "metrics.jsonl").write_text("{}\n")
    (tmp_path / "phases" / "01_initial").mkdir(parents=True)
    run = RunDirectory.claim(tmp_path, CONFIG, images=IMAGES, command="another command")
    assert run.config_path.read_bytes() == before
    assert visible(tmp_path) == ["config.json", "metrics.jsonl", "phases"]


def test_another_configuration_is_refused_with_the_keys_that_differ(tmp_path: Path) -> None:
    before = claim(tmp_path).config_path.read_bytes()
    message = refusal(tmp_path, changed(seed=8, data__size=128, data__workers=1))
    assert message == (
        f"--workdir={tmp_path}: holds a run with another configuration: "
        "data.size (was 64, is 128), seed (was 7, is 8); name another one; "
        "beside this one it takes over what is the same"
    )
    assert claim(tmp_path).config_path.read_bytes() == before


def test_a_run_of_another_release_differs_in_the_settings_of_one_alone(tmp_path: Path) -> None:
    path = claim(tmp_path).config_path
    content = json.loads(path.read_text())
    del content["digest"]  # that release had none
    del content["config"]["model"]["width"]
    content["config"]["model"]["girth"] = 2
    path.write_text(json.dumps(content))
    assert "model.girth (was 2, is None), model.width (was None, is 1.0)" in refusal(tmp_path)


def test_what_changes_no_number_may_differ(tmp_path: Path) -> None:
    claim(tmp_path)
    free = {"reuse": False, "checkpoint_minutes": 0.5, "profile": True, "data.workers": 1, "data.cache_gib": 0.0}
    free |= {"model.rematerialise": True, "data.features_gib": 0.0, "exam": False, "keep_state": False}
    claim(tmp_path, changed(**{key.replace(".", "__"): value for key, value in free.items()}))
    assert {key for key, setting in SETTINGS.items() if setting.scope is Scope.NOTHING} == free.keys()


def test_the_same_images_may_lie_elsewhere_and_others_may_not(tmp_path: Path) -> None:
    moved = changed(data__dir="elsewhere/", data__on_bad_file="skip")
    claim(tmp_path)
    claim(tmp_path, moved)
    assert "data.dir (was '', is 'elsewhere/')" in refusal(tmp_path, moved, images="others")
    assert "holds a run on other images" in refusal(tmp_path, images="others")


def test_rates_survive_being_written(tmp_path: Path) -> None:
    config = changed(rates__initial=0.1 + 0.2, rates__freeze=1e-5 / 3)
    claim(tmp_path, config)
    claim(tmp_path, config)
    assert "rates.initial" in refusal(tmp_path, changed(rates__initial=0.3, rates__freeze=1e-5 / 3))


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "holds files but no run; name a new or empty directory" in refusal(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_checking_makes_nothing(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "new").check(CONFIG, images=IMAGES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"hidden_size": 768}', '{"config": 3}', "\x00"])
def test_a_foreign_config_json_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    said = refusal(tmp_path)
    assert said.startswith(f"{tmp_path / 'config.json'}: ") and said.endswith("; name a new or empty --workdir")
    assert (tmp_path / "config.json").read_text() == content
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("below", ["", "runs/demo"])
def test_a_file_in_the_way(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    path = tmp_path / "file" / below
    assert re.search(r"cannot be written \(.+\); name another directory$", refusal(path))
    assert (tmp_path / "file").read_text() == "x"


def test_a_directory_that_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str, *_: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refused)
    assert "cannot be written (Permission denied)" in refusal(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_which_another_process_runs_is_refused(tmp_path: Path) -> None:
    run = claim(tmp_path)
    assert f"another process runs in it (process {os.getpid()} on " in refusal(tmp_path)
    del run
    claim(tmp_path)


def test_a_run_that_begins_between_the_check_and_the_lock_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = RunDirectory._lock

    def late(run: RunDirectory) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(RunDirectory, "_lock", lock)
            claim(run.path, changed(seed=8))  # by another process, which ends at once
        lock(run)

    monkeypatch.setattr(RunDirectory, "_lock", late)
    assert "seed (was 8, is 7)" in refusal(tmp_path / "new")
    assert json.loads((tmp_path / "new" / "config.json").read_text())["seed"] == 8


def test_siblings_are_the_other_runs_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for age, name in enumerate(["c", "a", "b", "own"]):
        os.utime(claim(tmp_path / name).path, (1000 - age, 1000 - age))
    (tmp_path / "no_run").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    for own in (tmp_path / "own", Path("own")):
        assert [run.path.name for run in RunDirectory(own).siblings()] == ["c", "a", "b"]


# Phases


@pytest.mark.parametrize("new", [False, True])
def test_a_finished_phase_gives_its_model_back(tmp_path: Path, new: bool) -> None:
    phase = RunDirectory(tmp_path).phase("01_initial")
    assert phase.record() is None
    phase.periodic.mkdir(parents=True)
    phase.finish(model(new=new), RECORD)
    assert phase.record() == RECORD
    assert not phase.periodic.exists()
    restored = PhaseDirectory(tmp_path, "01_initial").model()
    assert_same(restored, model(new=new))
    assert restored.params["new"].keys() == restored.batch_stats["new"].keys() == ({"new"} if new else set())


@pytest.mark.parametrize("empty", [{}, {"new": {}}, {"new": None}])
def test_a_checkpoint_may_leave_empty_parts_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: dict[str, Any]
) -> None:
    tree = {"shared": {"w": np.ones(2)}, "old": {"old": {"w": np.zeros(3)}}}
    monkeypatch.setattr(checkpoints, "load", lambda path: {"params": tree | empty, "batch_stats": tree | empty})
    restored = PhaseDirectory(tmp_path, "01_initial").model()
    assert_same(restored, Model(tree | {"new": {}}, tree | {"new": {}}))


def test_the_record_of_a_phase_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phase = RunDirectory(tmp_path).phase("01_initial")
    phase.periodic.mkdir(parents=True)
    for target, name in ((checkpoints, "save"), (sealed, "write_record")):
        with monkeypatch.context() as patched:
            patched.setattr(target, name, fails)
            with pytest.raises(RuntimeError, match="killed"):
                phase.finish(model(new=False), RECORD)
        assert phase.record() is None  # it will be trained on, from its periodic checkpoint
        assert phase.periodic.is_dir()
    assert phase.checkpoint.is_dir()  # saved before the second interruption
    phase.finish(model(new=True), RECORD)
    assert_same(phase.model(), model(new=True))  # and replaced


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PhaseDirectory:
    """A finished phase whose checkpoint is a plain file."""

    def save(path: Path, tree: Any) -> None:
        path.mkdir(parents=True)
        (path / "arrays").write_text("arrays")

    phase = claim(tmp_path / "other").phase("01_initial")
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", save)
        phase.finish(model(new=False), RECORD)
    (phase.predictions / "etf").mkdir(parents=True)
    (phase.predictions / "etf" / "0.png").write_text("png")
    return phase


def files(phase: PhaseDirectory) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for folder in (phase.path, phase.predictions)
        for path in folder.rglob("*")
        if path.is_file()
    }


def copied(phase: PhaseDirectory) -> dict[str, str]:
    """What a copy of a phase's files holds: its record says where they are from."""
    record = digests.sealed({"trained_in": "other", **RECORD}, digests.taken(phase.path, "checkpoint"))
    return {**files(phase), "phase.json": json.dumps(record, indent=1) + "\n"}


def test_copies_hold_everything_and_replace_what_is_there(tmp_path: Path, finished: PhaseDirectory) -> None:
    phase = claim(tmp_path / "own").phase("01_initial")
    for folder in (phase.path, phase.predictions):
        folder.mkdir(parents=True)
        (folder / "stale").touch()
        folder.with_name("01_initial.partial").mkdir()
        (folder.with_name("01_initial.partial") / "stale").touch()
    before = files(finished)
    finished.periodic.mkdir()  # its removal was interrupted, or goes on
    phase.copy_from(finished)
    assert not phase.periodic.exists()
    assert files(finished) == before and files(phase) == copied(finished)
    assert set(before) == {"phase.json", "checkpoint/arrays", "etf/0.png"}
    assert [path.name for path in phase.path.parent.iterdir()] == ["01_initial"]
    third = claim(tmp_path / "third").phase("01_initial")
    third.copy_from(phase)
    assert files(third) == files(phase)  # a copy of a copy names the run that has trained it


@pytest.mark.parametrize("copies", [0, 1])
@pytest.mark.parametrize("half", ["before", "during", "after"])
def test_an_interrupted_copy_does_not_read_as_finished(
    tmp_path: Path, finished: PhaseDirectory, monkeypatch: pytest.MonkeyPatch, copies: int, half: str
) -> None:
    calls = []

    def cut_off(source: Path, target: Path, **options: Any) -> None:
        calls.append(target)
        if len(calls) <= copies:
            shutil.copytree(source, target)
            return
        if half == "during":
            target.mkdir(parents=True)
            for path in source.iterdir():
                if path.is_file():
                    shutil.copy(path, target)  # the record, but not the checkpoint
        elif half == "after":
            shutil.copytree(source, target)
        raise RuntimeError("killed")

    phase = claim(tmp_path / "own").phase("01_initial")
    with monkeypatch.context() as patched:
        patched.setattr(directory, "shutil", types.SimpleNamespace(copytree=cut_off, rmtree=shutil.rmtree))
        with pytest.raises(RuntimeError, match="killed"):
            phase.copy_from(finished)
    assert phase.record() is None
    phase.copy_from(finished)
    assert files(phase) == copied(finished)
