"""Which GPUs a point on this machine sees, and what a sweep says while it runs."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from launch.jobs import Outcome, reason
from launch.local import visible_gpus
from launch.points import Phase, Point
from launch.progress import SPEAK_SECONDS, SweepProgress


@pytest.mark.parametrize(
    ("granted", "gpus", "expected"),
    [
        (None, 0, [None, None]),
        ("2,3", 0, ["2,3", "2,3"]),
        (None, 1, ["0", "1"]),
        (None, 2, ["0,1", "2,3"]),
        ("4,5,6,7", 2, ["4,5", "6,7"]),
        ("GPU-a,GPU-b", 1, ["GPU-a", "GPU-b"]),
    ],
)
def test_points_at_the_same_time_see_different_gpus(
    granted: str | None, gpus: int, expected: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if granted is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", granted)
    assert [visible_gpus(slot, gpus) for slot in range(2)] == expected


RULE = "-" * 22
TRACED = f"Job (task=0) failed during processing with trace:\n{RULE}\nTraceback (most recent call last):\n  File x\n"


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (f"{TRACED}tsmu_jax.errors.UserError: --workdir=x: no\n\n{RULE}\nYou can check full logs", "--workdir=x: no"),
        (
            f"{TRACED}\nThe above exception was the direct cause of the following exception:\n\n"
            "Traceback (most recent call last):\n  File y\n    raise\n"
            "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: out\n  of memory\nmore of it\n--------------------\n"
            f"For simplicity, JAX has removed its internal frames\n{RULE}\nYou can",
            "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: out",
        ),
        (f"{TRACED}MemoryError: Unable to allocate 3 GiB\n\n{RULE}\nYou can", "MemoryError: Unable to allocate 3 GiB"),
        (
            f"Job 3 (task: 0) with path x\nhas not produced any output (state: FINISHED)\nError stream:\n{RULE}",
            "ended without a result: killed, out of memory or out of time",
        ),
    ],
)
def test_a_failed_job_says_why_in_one_line(report: str, line: str) -> None:
    assert reason(report) == line


def point(name: str, *keys: str) -> Point:
    return Point(name, {}, {}, tuple(Phase(f"{number:02d}_{key}", key, 100) for number, key in enumerate(keys, 1)))


def test_progress_tells_what_is_left(tmp_path: Path) -> None:
    now = [0.0]
    points = [point("a", "i", "f"), point("b", "i", "j"), point("c", "i", "k")]
    stream = io.StringIO()
    progress = SweepProgress(
        points,
        finished={"c"},
        trained={"i", "k"},
        console=Console(file=stream, width=200),
        clock=lambda: now[0],
    )
    log = tmp_path / "log"

    def lines() -> list[str]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return text.splitlines()

    progress.overview()
    assert lines() == ["3 points, 1 of them finished; 2 phases to train (6 if none were shared or finished)"]
    progress.started(points[0])
    assert lines() == ["a: started; trains 02_f"]
    progress.running(points[0], log)
    log.write_text("f  3/9 (33 %)  loss 0.8\nphase  table\n")
    progress.running(points[0], log)
    assert lines() == []  # not yet
    now[0] = SPEAK_SECONDS
    progress.running(points[0], log)
    progress.running(points[0], log)
    assert lines() == ["a: f  3/9 (33 %)  loss 0.8"]
    now[0] = 60.0
    progress.ended(points[0], Outcome(0, "", log))
    assert lines() == ["[2/3] a: finished in 1:00; about 1:00 left"]
    progress.started(points[1])
    now[0] = 75.0
    progress.ended(points[1], Outcome(1, "out of memory", log))
    assert lines() == ["b: started; trains 02_j", f"[3/3] b: failed after 0:15: out of memory (log: {log})"]
