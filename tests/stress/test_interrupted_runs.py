"""The short forms of tests/stress/kills.py and tests/stress/room.py: a run and an update of its model."""

import functools
import os
import subprocess

import pytest

from tests.stress import room
from tests.stress.killed import Attempt, Moment, Scene, compare, outcome

EPOCHS = {"epochs__initial": 1, "epochs__freeze": 1, "epochs__joint_fine_tuning": 1, "selection__epochs": 1}
STEP_KIB = 5120  # full once

Whole = tuple[Scene, Attempt, dict[str, str]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Runs that nothing interrupted: their scene, how they ended, and what they left."""
    scene = Scene(tmp_path_factory.mktemp("interrupted"), pictures=False, **EPOCHS)
    attempt = scene.attempt()
    return scene, attempt, outcome(scene.runs)


def test_runs_that_were_killed_and_refused_end_as_if_nothing_had_happened(whole: Whole) -> None:
    scene, attempt, expected = whole
    scene.clear()
    some = attempt.changes // 4
    assert scene.attempt(Moment(change=some)).where
    read_only = functools.partial(room.turn_read_only, scene.runs)
    assert "its file system is read-only" in scene.attempt(Moment(change=some, fault=read_only, lasting=True)).refused
    assert scene.attempt().finished
    compare(scene.runs, expected)
    results = scene.runs / "second" / "results.json"
    results.write_text(results.read_text().replace("1", "2", 1))
    with pytest.raises(AssertionError, match=r"these differ: second/results\.json"):
        compare(scene.runs, expected)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_runs_go_on_once_a_full_disk_has_room(whole: Whole) -> None:
    scene, _, expected = whole
    scene.clear()
    scene.runs.mkdir()
    try:
        room.mount("-t", "tmpfs", "-o", f"size={STEP_KIB}k", "tmpfs", at=scene.runs)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be mounted here: {error}")
    try:
        assert room.grow(scene, step_kib=STEP_KIB) > 0
        compare(scene.runs, expected)
    finally:
        subprocess.run(["umount", "-l", str(scene.runs)], check=True)
