"""The short forms of tests/stress/kills.py and of tests/stress/room.py, on the same run and update."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.stress import room
from tests.stress.killed import Moment, Scene, compare, outcome

STEP_KIB = 1024
Tried = tuple[Scene, dict[str, str], int]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """A run and an update of its model, what they leave when nothing happens, and how often that changes a file."""
    # Of every kind of step one: compiling is what takes the time.
    scene = Scene(tmp_path_factory.mktemp("kills"), method="feature_extraction", epochs__freeze=1, selection__epochs=1)
    whole = scene.attempt()
    return scene, outcome(scene.runs), whole.changes


def test_killed_runs_end_as_if_nobody_had_killed_them(tried: Tried) -> None:
    scene, expected, changes = tried
    scene.clear()
    for part in ("first", "second"):
        attempt = scene.attempt(Moment(change=changes // 3))
        assert not attempt.finished and attempt.where.startswith(part)
    assert scene.attempt().finished
    compare(scene.runs, expected)
    (scene.runs / "second" / "results.json").write_text("{}")
    with pytest.raises(AssertionError, match="these differ: second/results.json"):
        compare(scene.runs, expected)


@pytest.fixture
def small_disk(tried: Tried) -> Iterator[Tried]:
    """The same scene, whose runs lie on a disk of their own."""
    scene = tried[0]
    scene.clear()
    scene.runs.mkdir()
    try:
        room.mount("-t", "tmpfs", "tmpfs", at=scene.runs)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a tmpfs")
    subprocess.run(["umount", str(scene.runs)], check=True)
    yield tried
    subprocess.run(["umount", "-l", str(scene.runs)], check=True)


def test_runs_on_a_full_disk_say_so_and_go_on_once_there_is_room(small_disk: Tried) -> None:
    scene, expected, _ = small_disk
    assert 3 <= room.fill(scene, expected, step_kib=STEP_KIB) <= 8
