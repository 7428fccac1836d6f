import gzip
import json
from pathlib import Path

import jax
import pytest

from tsmu_jax.learning.trace import TRACED, traced


@pytest.fixture
def step():
    return jax.jit(lambda x: x + 1)


def traces(directory: Path) -> list[Path]:
    """All traces, as Perfetto reads them; XProf's lie beside."""
    found = sorted(directory.glob("plugins/profile/*/*.trace.json.gz"))
    assert len(found) == len(list(directory.glob("plugins/profile/*/*.xplane.pb")))
    return found


def numbers(trace: Path) -> set[int]:
    """Which steps a trace shows."""
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    return {int(event["args"]["step_num"]) for event in events if event.get("name") == "train"}


def test_traces_a_few_steps_and_changes_nothing(tmp_path: Path, step) -> None:
    with traced(step, tmp_path) as tracing:
        results = [int(tracing(x)) for x in range(8)]
    assert results == list(range(1, 9))
    (trace,) = traces(tmp_path)
    assert numbers(trace) == set(TRACED)


def test_a_phase_that_ends_early_leaves_its_trace_and_no_profiler_running(tmp_path: Path, step) -> None:
    with traced(step, tmp_path / "short") as tracing:
        tracing(0), tracing(1)
    with traced(step, tmp_path / "next") as tracing:
        for x in range(8):
            tracing(x)
    (short,), (following,) = traces(tmp_path / "short"), traces(tmp_path / "next")
    assert numbers(short) == {TRACED[0]}
    assert numbers(following) == set(TRACED)


def test_without_a_directory_it_is_the_step_itself(step) -> None:
    with traced(step, None) as same:
        assert same is step
