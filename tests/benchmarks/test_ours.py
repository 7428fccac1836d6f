"""Our own side, with a network and images as small as they may be."""

import contextlib
from pathlib import Path

import pytest

from benchmarks import data_parallel, ours, runs, scaling, startup
from benchmarks.worker import Job
from tsmu_jax.errors import UserError

PARAMETERS = 326_433  # of the encoder and a decoder of one level


def times(job: Job, runs: int) -> list[float | None]:
    with contextlib.closing(job):
        return [job.run() for _ in range(runs)]


def test_a_step_of_the_freeze_phase_trains() -> None:
    job = runs.phase_step("freeze", size=32, batch=2, pairs=2, depth=1)
    assert times(job, 2) == [None, None]
    assert job.warmup == 2 * 4 // 2 + 1  # every pair in every flip


def test_a_training_step_is_timed_and_says_what_memory_it_needs() -> None:
    job = ours.train_step(size=16, batch=2, depth=1)
    assert times(job, 2) == [None, None]
    planned = job.facts()["planned_bytes"]
    assert 3 * 4 * PARAMETERS < planned < 1 << 28  # at least the parameters and Adam's two moments


def test_answers_are_timed_whole() -> None:
    assert times(ours.inference(size=16, batch=2, depth=1), 2) == [None, None]


def test_predicting_a_folder_is_timed_whole() -> None:
    assert times(ours.predict(size=16, batch=2, depth=1), 2) == [None, None]


def test_reading_from_files_is_timed_a_batch() -> None:
    seconds = times(runs.reading(size=64, batch=2, pairs=4), 2)
    assert all(value is not None and 0 < value < 5 for value in seconds)


def test_opening_takes_the_pairs_that_are_asked_for() -> None:
    assert times(runs.opening(10), 1) == [None]


def test_a_scene_is_answered_tile_by_tile() -> None:
    assert times(runs.scene(side=100, tile=64, batch=2), 1) == [None]


def test_two_processes_train_and_say_how_long_a_step_takes() -> None:
    (seconds,) = times(data_parallel.training(processes=2, devices=1, size=32, batch=2, pairs=2, depth=1), 1)
    assert seconds is not None and 0 < seconds < 60


def test_what_a_training_says_when_it_fails_is_passed_on() -> None:
    with pytest.raises(UserError, match="data.size"):
        times(data_parallel.training(processes=1, devices=1, size=65, batch=2, pairs=2), 1)


def test_entry_points_are_the_programs() -> None:
    names = startup.entry_points()
    assert {"tsmu_jax.main", "tsmu_jax.prepare", "tsmu_jax.report"} <= set(names)
    assert "tsmu_jax.runs.train" not in names


def test_a_program_that_fails_is_no_time() -> None:
    with pytest.raises(Exception, match="no such thing"):
        startup.program(["-c", "raise ValueError('no such thing')"]).run()


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_exponents_are_those_of_the_last_points(power: float) -> None:
    seconds = {side: 3.0 * side**power for side in (128, 256, 512)}
    assert scaling.exponent({64: 100.0, **seconds}, tail=3) == pytest.approx(power)


def test_curves_are_drawn(tmp_path: Path) -> None:
    curves = scaling.curves(largest=256)
    scaling.draw([(curve, {x: 0.1 * x for x in curve.points}) for curve in curves], tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
    assert list(curves[-1].points) == [128, 256, 512]
