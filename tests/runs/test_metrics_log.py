import gc
import json
import math
import struct
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from tsmu_jax.errors import UserError
from tsmu_jax.runs.metrics_log import MetricsLog, read


def events(workdir: Path) -> list[Event]:
    """Reads TFRecord framing: length, its checksum, payload, its checksum."""
    found = []
    for path in sorted((workdir / "tensorboard").iterdir()):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[16 + length :]
    return found


def scalars(workdir: Path) -> dict[tuple[str, int], float]:
    """What TensorBoard would show: a restart at step T voids what was written before at T or later."""
    shown: dict[tuple[str, int], float] = {}
    for event in events(workdir):
        if event.WhichOneof("what") == "session_log":
            shown = {(tag, step): value for (tag, step), value in shown.items() if step < event.step}
        for value in event.summary.value:
            shown[value.tag, event.step] = value.simple_value
    return shown


def run(workdir: Path, plan: list[tuple[str, int, dict[str, float], int]]) -> None:
    with MetricsLog(workdir) as log:
        for phase, step, values, global_step in plan:
            log.write(phase, step, values, global_step=global_step, epoch=step // 2)


PLAN = [
    ("initial", 1, {"train/loss": 0.9}, 1),
    ("initial", 2, {"train/loss": 0.8}, 2),
    ("initial", 2, {"validation/micro_iou": 0.4}, 2),
    ("initial", 3, {"train/loss": 0.7}, 3),
    ("freeze", 1, {"train/loss": 0.5}, 4),
    ("freeze", 2, {"train/loss": 0.4}, 5),
]


def test_lines_are_standard_json_with_plain_numbers(tmp_path: Path) -> None:
    values = {
        "a": np.float32(0.5),
        "b": jnp.asarray(2),
        "c": math.nan,
        "d": np.float64("-inf"),
        "e": 3,
        "f": jnp.ones(()),
    }
    with MetricsLog(tmp_path) as log:
        log.write("initial", 7, values, global_step=7, epoch=2)
        log.write("initial", 8, {"a": 1.5}, global_step=8)
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()  # on disk before the log is closed

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    first, second = (json.loads(line, parse_constant=refuse) for line in lines)
    assert first == {
        "phase": "initial",
        "step": 7,
        "epoch": 2,
        "a": 0.5,
        "b": 2,
        "c": None,
        "d": None,
        "e": 3,
        "f": 1.0,
    }
    assert isinstance(first["b"], int)
    assert second == {"phase": "initial", "step": 8, "a": 1.5}
    assert read(tmp_path) == [first, second]


def test_a_scalar_must_not_hide_a_field(tmp_path: Path) -> None:
    with MetricsLog(tmp_path) as log, pytest.raises(ValueError, match="step"):
        log.write("initial", 1, {"step": 2.0}, global_step=1)
    assert read(tmp_path) == []


def test_event_files_hold_the_same_scalars_at_cumulative_steps(tmp_path: Path) -> None:
    run(tmp_path, PLAN)
    expected = {(tag, step): value for _, _, values, step in PLAN for tag, value in values.items()}
    assert scalars(tmp_path) == pytest.approx(expected)


@pytest.mark.parametrize("resume_after", [("initial", 0), ("initial", 1), ("initial", 2), ("freeze", 1)])
def test_a_resumed_run_leaves_the_file_of_an_uninterrupted_one(tmp_path: Path, resume_after: tuple[str, int]) -> None:
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    run(whole, PLAN)
    run(resumed, PLAN)
    phase, after = resume_after
    position = next(i for i, (name, step, *_) in enumerate(PLAN) if name == phase and step > after)
    with MetricsLog(resumed) as log:
        log.truncate(phase, after)
        assert len(read(resumed)) == position
        for name, step, values, global_step in PLAN[position:]:
            log.write(name, step, values, global_step=global_step, epoch=step // 2)
    assert (resumed / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert scalars(resumed) == pytest.approx(scalars(whole))
    assert [p.name for p in resumed.iterdir() if p.suffix == ".tmp"] == []


def test_a_line_of_the_checkpoints_own_step_is_not_written_twice(tmp_path: Path) -> None:
    run(tmp_path, PLAN[:3])  # killed after validation at step 2, whose checkpoint existed before it
    with MetricsLog(tmp_path) as log:
        log.truncate("initial", 2)
        log.write("initial", 2, {"validation/micro_iou": 0.4}, global_step=2, epoch=1)
        log.write("initial", 2, {"test/iou": 0.3}, global_step=2, epoch=1)
    assert [sorted(set(r) - {"phase", "step", "epoch"})[0] for r in read(tmp_path)] == [
        "train/loss",
        "train/loss",
        "validation/micro_iou",
        "test/iou",
    ]
    assert set(scalars(tmp_path)) == {
        ("train/loss", 1),
        ("train/loss", 2),
        ("validation/micro_iou", 2),
        ("test/iou", 2),
    }


def test_truncate_to_a_phase_that_wrote_nothing_drops_nothing(tmp_path: Path) -> None:
    run(tmp_path, PLAN[:4])
    with MetricsLog(tmp_path) as log:
        log.truncate("freeze", 0)
    assert len(read(tmp_path)) == 4


def test_a_half_written_last_line_is_read_over_and_removed(tmp_path: Path) -> None:
    run(tmp_path, PLAN[:2])
    path = tmp_path / "metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"phase": "initial", "st')
    assert len(read(tmp_path)) == 2
    with MetricsLog(tmp_path):
        assert path.read_bytes() == whole
    path.write_bytes(whole.rstrip(b"\n"))  # only the newline is missing: the JSON is whole
    with MetricsLog(tmp_path):
        assert path.read_bytes() == whole


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"phase": "initial", "step": 1}\noops\n{"phase": "initial", "step": 2}\n')
    with pytest.raises(UserError, match="metrics.jsonl: line 2"):
        read(tmp_path)


def test_read_without_a_file(tmp_path: Path) -> None:
    assert read(tmp_path) == []


def test_a_closed_log_leaves_no_writer_of_events_behind(tmp_path: Path) -> None:
    run(tmp_path, PLAN)
    gc.collect()
    assert [each for each in gc.get_objects() if type(each).__module__ == "tensorboardX.event_file_writer"] == []
