"""Agreement between processes: `agreed` and `unanimous` with made-up processes. test_hosts.py starts real ones."""

import numpy as np
import pytest
from jax.experimental import multihost_utils

from tsmu_jax.learning import processes

VALUE = {"keys": ["a", "b"], "rate": 0.1}


def test_one_process_agrees_with_itself() -> None:
    assert processes.agreed(VALUE) is VALUE
    assert processes.unanimous(VALUE)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([VALUE, VALUE], True),
        ([{"rate": 0.1, "keys": ["a", "b"]}], True),
        ([VALUE, {**VALUE, "rate": 0.2}], False),
        ([{**VALUE, "keys": ["b", "a"]}, VALUE], False),
        ([None], False),
    ],
)
def test_all_processes_learn_whether_one_differs(monkeypatch: pytest.MonkeyPatch, others: list, expected: bool) -> None:
    sent: list[np.ndarray] = []
    monkeypatch.setattr(processes, "alone", lambda: False)
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda digest: sent.append(digest) or digest)
    for value in (VALUE, *others):
        processes.unanimous(value)
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda digest: np.stack(sent))
    assert [processes.unanimous(value) for value in (VALUE, *others)] == [expected] * len(sent)
