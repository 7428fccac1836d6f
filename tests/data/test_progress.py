"""Long work says how far it is, and short work says nothing."""

import itertools

import pytest

from tsmu_jax.data import progress
from tsmu_jax.data.progress import reported


@pytest.mark.parametrize(
    ("total", "said"),
    [(5, "maps: 2 of 5, 6 s left\nmaps: 4 of 5, 2 s left\n"), (None, "maps: 2\nmaps: 4\n")],
)
def test_lines_come_at_intervals(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, total: int | None, said: str
) -> None:
    """An item takes two seconds."""
    clock = itertools.count(step=2)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    assert list(reported(range(5), total=total, what="maps")) == [0, 1, 2, 3, 4]
    assert capsys.readouterr() == ("", said)


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(reported("ab", total=2, what="maps")) == ["a", "b"] and capsys.readouterr() == ("", "")
