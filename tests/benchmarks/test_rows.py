"""The table, and when its ratios are worse than the recorded ones."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import __main__ as everything
from benchmarks import command, train_step
from benchmarks.measure import Measured
from benchmarks.rows import Row, as_json, beside, markdown, regressions, store
from tsmu_jax.errors import UserError

STEP = Row("step", "s", ours=2.0, peer=4.0, against="eager", target=0.6)


def at(ratio: float) -> Row:
    return dataclasses.replace(STEP, ours=4.0 * ratio)


def test_targets_are_ratios_or_limits() -> None:
    assert STEP.ratio == 0.5 and STEP.met is True
    assert dataclasses.replace(STEP, target=0.4).met is False
    assert Row("help", "s", ours=0.9, limit=1.0).met is True
    assert Row("help", "s", ours=1.1, peer=2.0, limit=1.0).met is False  # the limit is not the ratio's
    assert Row("step", "s", ours=1.0).met is None
    assert Row("step", "s", ours=1.0, target=1.0).met is None  # no peer, no ratio


def test_the_target_holds_for_the_better_peer() -> None:
    ours, slow, fast = (Measured(name, seconds=[s]) for name, s in (("ours", 3.0), ("slow", 6.0), ("fast", 2.0)))
    absent = Measured("absent", missing="no compiler")
    rows = beside("step", ours, [slow, absent, fast], target=1.0, per=2)
    assert [(row.ours, row.peer, row.target) for row in rows] == [(1.5, 3.0, None), (1.5, None, None), (1.5, 1.0, 1.0)]
    assert [row.met for row in rows] == [None, None, False]
    assert rows[1].note == "no compiler"


def test_the_table_reads() -> None:
    header, rule, line, missing = markdown([STEP, Row("gpu", "", None, note="not measured: a | b")]).splitlines()
    assert line == "| step | 2 s | 4 s | eager | 0.50 | 0.6 x | yes |  |"
    assert missing == "| gpu | - | - | - | - | - |  | not measured: a / b |"
    assert {text.count("|") for text in (header, rule, line, missing)} == {9}


def test_only_ratios_that_are_much_worse_count(tmp_path: Path) -> None:
    table = tmp_path / "recorded.json"
    store([at(0.5), Row("help", "s", ours=0.1, limit=1.0)], table)
    assert regressions([at(0.59)], table) == []
    assert regressions([at(0.3)], table) == []
    assert regressions([at(0.61)], table) == ["step: ratio 0.61, recorded 0.50"]
    assert regressions([dataclasses.replace(at(5.0), name="other"), Row("help", "s", ours=9.0)], table) == []
    assert regressions([at(5.0)], tmp_path / "none.json") == []
    store([at(0.001)], table)
    assert regressions([at(0.06)], table) == [] != regressions([at(0.1)], table)  # a tenth of the target is 0.06


def test_storing_replaces_what_was_measured_again_and_keeps_the_rest(tmp_path: Path) -> None:
    table = tmp_path / "recorded.json"
    store([at(0.5), Row("help", "s", ours=0.1)], table)
    store([at(0.4)], table)
    entries = {entry["name"]: entry for entry in json.loads(table.read_text())}
    assert entries["step"]["ratio"] == pytest.approx(0.4) and entries["help"]["ours"] == 0.1
    kept = table.read_text()
    without_peer = dataclasses.replace(at(0.4), peer=None)
    store([without_peer, dataclasses.replace(at(0.4), ours=None), Row("gpu", "", None, note="not measured")], table)
    assert table.read_text() == kept


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`python -m benchmarks` of one benchmark that finds the given ratio."""

    def call(ratio: float, *words: str) -> int:
        monkeypatch.setattr(train_step, "rows", lambda: [at(ratio)])
        return everything.main(["--only=train_step", f"--recorded={tmp_path / 'recorded.json'}", *words])

    return call


def test_the_exit_code_tells_a_regression(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(0.5) == 0  # nothing recorded
    assert run(0.5, "--record") == 0
    assert run(0.55) == 0
    capsys.readouterr()
    assert run(0.7, "--json") == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == as_json([at(0.7)])
    assert "worse: step: ratio 0.70, recorded 0.50" in err
    assert run(0.7, "--record") == 0
    assert run(0.7) == 0


def test_what_cannot_be_measured_here_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> list[Row]:
        raise UserError("there is no GPU")

    monkeypatch.setattr(train_step, "rows", refuse)
    (row,) = everything.run(["train_step"])
    assert (row.name, row.ours, row.note) == ("train_step", None, "not measured: there is no GPU")


def test_all_benchmarks_run_without_arguments() -> None:
    for name in everything.ALL:
        assert (Path(everything.__file__).parent / f"{name}.py").exists()
    with pytest.raises(SystemExit):
        everything.main(["--only=trainstep"])


def test_flags_are_the_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    def rows(*, size: int = 128, dtype: str = "float32") -> list[Row]:
        return [Row(f"{dtype} {size + 1}", "s", ours=1.0)]

    command.run(rows, "", argv=["--size=63"])
    assert "| float32 64 | 1 s |" in capsys.readouterr().out
    command.run(rows, "", alone=lambda **found: {"s_per_pair": 2.0, **found}, argv=["--json", "--dtype=bfloat16"])
    assert json.loads(capsys.readouterr().out) == {"s_per_pair": 2.0, "size": 128, "dtype": "bfloat16"}


def test_a_users_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> list[Row]:
        raise UserError("there is no GPU")

    with pytest.raises(SystemExit, match="2"):
        command.run(rows, "", argv=[])
    assert capsys.readouterr().err == "error: there is no GPU\n"
