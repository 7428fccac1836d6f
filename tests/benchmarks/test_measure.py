"""The one way of measuring: processes of their own, in turn."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import Candidate, Measured, interleaved
from tsmu_jax.errors import UserError


def candidate(name: str, job: str, **arguments: Any) -> Candidate:
    return Candidate(name, f"tests.benchmarks.jobs:{job}", arguments)


def measure(job: str, repetitions: int = 1, **arguments: Any) -> Measured:
    return interleaved([candidate("it", job, **arguments)], repetitions=repetitions)["it"]


def test_candidates_warm_up_first_and_then_run_in_turn_back_and_forth(tmp_path: Path) -> None:
    path = str(tmp_path / "order")
    first = candidate("first", "writing", path=path, word="a", warmup=2)
    second = candidate("second", "writing", path=path, word="b")
    measured = interleaved([first, second], repetitions=3)
    assert (tmp_path / "order").read_text().split() == ["a", "a", "b", *"ab", *"ba", *"ab"]
    assert list(measured) == ["first", "second"]
    assert [len(each.warmup) for each in measured.values()] == [2, 1]
    assert [len(each.seconds) for each in measured.values()] == [3, 3]
    assert measured["second"].facts["word"] == "b"


def test_runs_that_lead_up_to_one_that_counts_are_not_timed(tmp_path: Path) -> None:
    path = str(tmp_path / "order")
    first = candidate("first", "writing", path=path, word="a", warmup=0, lead=2)
    second = candidate("second", "writing", path=path, word="b", warmup=0)
    measured = interleaved([first, second], repetitions=1)
    assert (tmp_path / "order").read_text().split() == ["a", "a", "a", "b"]
    assert [len(each.seconds) for each in measured.values()] == [1, 1]


def test_the_time_is_that_of_the_run_or_what_the_run_says() -> None:
    assert measure("sleeping", repetitions=3, seconds=0.05).median >= 0.05
    assert measure("counting", seconds=123.0).seconds == [123.0]


def test_the_median_outlives_an_outlier() -> None:
    assert Measured("it", seconds=[1.0, 50.0, 2.0]).median == 2.0


def test_memory_is_that_of_one_candidate() -> None:
    large, small = candidate("large", "holding", mebibytes=300), candidate("small", "holding", mebibytes=1)
    measured = interleaved([large, small], repetitions=1)
    assert measured["large"].peak_bytes - measured["small"].peak_bytes > 250 * 2**20


def test_an_environment_is_that_of_one_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEVEL", raising=False)
    setting = {"path": str(tmp_path / "order"), "word": "a"}
    sides = [
        Candidate("with", "tests.benchmarks.jobs:writing", setting, {"LEVEL": "3"}),
        Candidate("without", "tests.benchmarks.jobs:writing", setting),
    ]
    measured = interleaved(sides, repetitions=1)
    assert [each.facts["level"] for each in measured.values()] == ["3", None]


@pytest.mark.parametrize(
    ("job", "reason"),
    [("impossible", "ValueError: no compiler"), ("dying", "its process ended with code 9: out of memory")],
)
def test_one_that_fails_says_why_and_the_others_go_on(job: str, reason: str) -> None:
    measured = interleaved([candidate("bad", job), candidate("good", "counting", seconds=1.0)], repetitions=2)
    assert measured["bad"].missing == reason
    assert measured["good"].seconds == [1.0, 1.0] and not measured["good"].missing
    with pytest.raises(UserError, match="bad: "):
        _ = measured["bad"].median


def test_what_a_library_prints_is_no_answer() -> None:
    measured = measure("talking", repetitions=2)
    assert not measured.missing and len(measured.seconds) == 2
