"""The tables of a report, from hand-made runs: every cell that was run, a dash for every one that was not."""

import json
from pathlib import Path

import numpy as np
import pytest

from tsmu_jax.evaluation.intervals import Interval, Spread
from tsmu_jax.evaluation.selection import WAYS
from tsmu_jax.reporting import cost_tables, paper_tables, run_tables
from tsmu_jax.reporting.choice_table import choice_table
from tsmu_jax.reporting.comparison import Comparison, compare
from tsmu_jax.reporting.reading import find_runs
from tsmu_jax.reporting.table import Cell, Table

PAPER = ("etf", "mwcf", "nad", "nwfm")
FORGETFUL = {"retraining": 0.25}


def scores(method: str, new: str, seed: int = 0):
    """Old .6 until retraining; new .2 before an update and .5 after it; a little more with each seed."""

    def of(phase: str, ecoregion: str) -> float:
        first = phase.startswith("01")
        before = 0.2 if ecoregion == new else 0.6
        after = 0.5 if ecoregion == new else FORGETFUL.get(method, 0.6)
        return (before if first else after) + 0.02 * seed

    return of


@pytest.fixture
def compared(tmp_path: Path):
    return lambda: compare(find_runs([tmp_path / "sweep"]).runs)


@pytest.fixture
def protocol(make_run, compared) -> Comparison:
    """Two ecoregions of the paper's four held out; three seeds of TSMU, one of retraining, sequential TSMU."""
    for new in ("nwfm", "nad"):
        others = [name for name in PAPER if name != new]
        for seed in range(3):
            make_run(f"sweep/tsmu{new}{seed}", "tsmu", others, [new], seed=seed, scores=scores("tsmu", new, seed))
        make_run(f"sweep/retraining{new}", "retraining", others, [new], scores=scores("retraining", new))
    make_run("sweep/sequential", "sequential_tsmu", ["etf"], ["mwcf", "nad", "nwfm"], scores=lambda p, n: 0.55)
    return compared()


def by_name(tables: list[Table]) -> dict[str, Table]:
    return {table.name: table for table in tables}


def cells(table: Table, row: int) -> dict[str, Cell]:
    return dict(zip([column.name for column in table.columns], table.rows[row], strict=True))


def mean(cell: Cell) -> float:
    assert isinstance(cell, Spread)
    return cell.mean


def test_methods_that_were_run_have_a_table_in_the_paper_s_order(protocol: Comparison) -> None:
    tables = paper_tables.transfer_tables(protocol)
    assert [table.name for table in tables] == ["table_3_retraining", "table_6_tsmu"]
    assert tables[1].title == "Table VI. Task-Specific Model Updates: mean IoU"
    for table in tables:
        assert [row[1] for row in table.rows] == ["nwfm", "etf", "mwcf", "nad", ""]
        assert table.rows[-1][0] == "average"


def test_table_six_has_the_paper_s_shape(protocol: Comparison) -> None:
    table = by_name(paper_tables.transfer_tables(protocol))["table_6_tsmu"]
    first = cells(table, 0)
    assert first["trained on"] == "etf + mwcf + nad"
    assert list(first)[2:] == [
        "phase 1, initial: old",
        "phase 1, initial: new",
        "phase 2, freeze: new",  # the old ones are as they were
        "phase 3, joint_fine_tuning: old",
        "phase 3, joint_fine_tuning: new",
        "paper: initial old",
        "paper: initial new",
        "paper: freeze new",
        "paper: joint_fine_tuning old",
        "paper: joint_fine_tuning new",
    ]
    spread = first["phase 1, initial: new"]
    assert isinstance(spread, Spread) and spread.seeds == 3
    assert spread.mean == pytest.approx(0.22, abs=0.06) and spread.std > 0
    assert [first[f"paper: {name}"] for name in ("initial old", "initial new", "freeze new")] == [0.638, 0.392, 0.632]
    assert [first[f"paper: joint_fine_tuning {name}"] for name in ("old", "new")] == [0.649, 0.641]


def test_what_was_not_run_is_a_dash_beside_the_paper_s_number(protocol: Comparison) -> None:
    table = by_name(paper_tables.transfer_tables(protocol))["table_6_tsmu"]
    etf = cells(table, 1)
    assert etf["phase 3, joint_fine_tuning: old"] is None and etf["paper: joint_fine_tuning old"] == 0.657


def test_averages_are_over_what_any_method_was_run_on(protocol: Comparison) -> None:
    table = by_name(paper_tables.transfer_tables(protocol))["table_6_tsmu"]
    column = "phase 3, joint_fine_tuning: old"
    rows = [mean(cells(table, row)[column]) for row in (0, 3)]
    assert mean(cells(table, 4)[column]) == pytest.approx(np.mean(rows))
    assert cells(table, 4)["paper: joint_fine_tuning old"] == 0.665


def test_differences_rank_only_where_their_interval_excludes_zero(protocol: Comparison) -> None:
    table = by_name(paper_tables.transfer_tables(protocol))["table_3_retraining"]
    row = cells(table, 0)
    on_old, on_new = row["difference to TSMU: old"], row["difference to TSMU: new"]
    assert isinstance(on_old, Interval) and isinstance(on_new, Interval)
    assert on_old.difference == pytest.approx(-0.35, abs=0.01) and on_old.excludes_zero
    assert on_new == (0, 0, 0) and not on_new.excludes_zero
    assert cells(table, 1)["difference to TSMU: old"] is None
    average = cells(table, 4)["difference to TSMU: old"]
    assert isinstance(average, Interval) and average.excludes_zero


def test_table_eight_has_all_methods_in_the_paper_s_order(protocol: Comparison) -> None:
    table = paper_tables.overall_table(protocol)
    rows = {row[0]: cells(table, index) for index, row in enumerate(table.rows)}
    assert list(rows) == [
        "leave_one_out",
        "retraining",
        "fine_tuning",
        "feature_extraction",
        "tsmu",
        "joint_training",
        "sequential_tsmu",
        "all_data",
    ]
    assert rows["fine_tuning"]["mean IoU"] is None and rows["fine_tuning"]["paper: mean IoU"] == 0.620
    assert rows["tsmu"]["held out"] == 2 and rows["tsmu"]["seeds"] == 3
    retraining = rows["retraining"]["difference to TSMU"]
    assert isinstance(retraining, Interval) and retraining.difference == pytest.approx(-0.35 * 3 / 4, abs=0.01)
    sequential = rows["sequential_tsmu"]["difference to TSMU"]
    assert isinstance(sequential, Interval) and sequential.difference == pytest.approx(0.55 - 0.575, abs=0.01)
    assert rows["tsmu"]["difference to TSMU"] is None


def test_other_ecoregions_stand_without_the_paper_s_numbers(make_run, compared) -> None:
    make_run("sweep/a", "tsmu", ["alps", "andes"], ["atlas"])
    make_run("sweep/b", "all_data", ["alps", "andes"], ["atlas"])
    comparison = compared()
    tables = by_name(paper_tables.transfer_tables(comparison))
    assert len(tables["table_6_tsmu"].rows) == 1
    for table in (*tables.values(), paper_tables.overall_table(comparison), cost_tables.costs_table(comparison)):
        assert not any("paper" in column.name for column in table.columns)
    assert mean(cells(tables["table_all_data"], 0)["phase 2, retrain_all: old"]) > 0  # one that the paper has not


def test_configurations_have_rows_of_their_own(make_run, compared) -> None:
    for form in ("bce", "eq11"):
        for new in ("b", "c"):
            others = [name for name in "abc" if name != new]
            better = {"bce": 0.6, "eq11": 0.4}[form]
            where = f"sweep/{form}{new}"
            make_run(where, "tsmu", others, [new], changes={"distillation.form": form}, scores=lambda p, n, s=better: s)
    make_run("sweep/retraining", "retraining", ["a", "b"], ["c"])
    comparison = compared()
    table = by_name(paper_tables.transfer_tables(comparison))["table_6_tsmu"]
    assert [(row[1], row[2]) for row in table.rows[:4]] == [
        ("b", "form=bce"),
        ("b", "form=eq11"),
        ("c", "form=bce"),
        ("c", "form=eq11"),
    ]
    assert cells(table, 0)["difference to TSMU: old"] is None  # the reference itself
    ablation = run_tables.ablation_table(comparison)
    assert ablation is not None
    assert [row[:3] for row in ablation.rows] == [
        ("tsmu", form, new) for form in ("bce", "eq11") for new in ("b", "c", "average")
    ]
    difference = cells(ablation, 5)["difference to the reference: all"]
    assert isinstance(difference, Interval) and difference.difference == pytest.approx(-0.2)
    assert difference.excludes_zero
    assert "References: tsmu (form=bce)" in ablation.notes[1]


def test_without_several_configurations_there_is_no_ablation(protocol: Comparison) -> None:
    assert run_tables.ablation_table(protocol) is None


def test_table_nine_measures_updates_beside_the_paper(protocol: Comparison) -> None:
    table = cost_tables.costs_table(protocol)
    rows = {(row[0], row[1]): cells(table, index) for index, row in enumerate(table.rows)}
    tsmu = rows["tsmu", "epochs"]
    assert tsmu["nwfm: measured"] == Spread(300, 0, 3) and tsmu["nwfm: paper"] == 300
    assert tsmu["etf: measured"] is None
    time = rows["tsmu", "time (s)"]
    assert mean(time["nad: measured"]) == 120 and time["nad: paper"] == pytest.approx(3.3 * 3600)
    assert mean(rows["tsmu", "arithmetic (GFLOP)"]["nwfm: measured"]) == 4
    assert mean(rows["tsmu", "peak memory (MiB a device)"]["nwfm: measured"]) == 3
    sequential = rows["sequential_tsmu", "epochs"]
    assert sequential["nwfm: measured"] is None and mean(sequential["average: measured"]) == 900
    assert sequential["average: paper"] == 600 and sequential["nwfm: paper"] is None
    assert rows["joint_training", "images"]["nwfm: paper"] == 1400  # not run: the paper's number alone
    assert rows["joint_training", "images"]["nwfm: measured"] is None
    assert ("leave_one_out", "epochs") not in rows


def test_table_nine_of_sequential_runs_alone(make_run, compared) -> None:
    make_run("sweep/a", "sequential_tsmu", ["x"], ["y", "z"])
    table = cost_tables.costs_table(compared())
    assert [column.title for column in table.columns] == ["method", "of an update", "measured"]
    assert table.rows[0] == ("sequential_tsmu", "epochs", Spread(600, pytest.approx(np.nan, nan_ok=True), 1))


def test_cumulative_costs_reach_eight_ecoregions(make_run, compared) -> None:
    for method in ("tsmu", "all_data", "leave_one_out"):
        make_run(f"sweep/{method}", method)
    table = cost_tables.cumulative_table(compared())
    rows = {row[0]: row for row in table.rows}
    assert set(rows) == {"tsmu", "all_data"}
    assert [column.title for column in table.columns[1:9]] == [str(count) for count in range(1, 9)]
    assert (rows["tsmu"][-1], rows["all_data"][-1]) == ("linear", "quadratic")
    tsmu, everything = (np.array(rows[method][1:9], float) for method in ("tsmu", "all_data"))
    np.testing.assert_allclose(np.diff(tsmu), (200 + 100) * 20 / 45)  # 20 images an ecoregion, 45 a second
    np.testing.assert_allclose(np.diff(everything), [400 * 20 * count / 45 for count in range(2, 9)])
    assert tsmu[0] == everything[0] == pytest.approx(200 * 20 / 45)


def test_matrix_and_transfer_of_every_run(protocol: Comparison) -> None:
    table = run_tables.matrix_table(protocol)
    assert len(table.rows) == 6 * 3 + 2 * 2 + 7
    assert [column.title for column in table.columns][-4:] == list(dict.fromkeys(protocol.runs[0].ecoregions))
    transfer = run_tables.transfer_table(protocol)
    rows = [cells(transfer, index) for index in range(len(transfer.rows))]
    retraining = next(row for row in rows if row["method"] == "retraining")
    assert retraining["backward transfer"] == pytest.approx(-0.35, abs=0.01)
    assert retraining["forgetting"] == pytest.approx(0.35, abs=0.01)
    assert retraining["forward transfer"] == pytest.approx(0.2 - 100 / 32**2, abs=0.06)
    sequential = next(row for row in rows if row["method"] == "sequential_tsmu")
    assert sequential["new"] == "mwcf → nad → nwfm"


def test_a_run_of_other_ecoregions_has_dashes_in_the_matrix(make_run, compared) -> None:
    make_run("sweep/a", "leave_one_out", ["x"], ["y"])
    make_run("sweep/b", "leave_one_out", ["y"], ["z"])
    rows = run_tables.matrix_table(compared()).rows
    assert [cell is None for cell in rows[0][-3:]] == [False, False, True]
    transfer = cells(run_tables.transfer_table(compared()), 0)
    assert transfer["backward transfer"] is None and transfer["forgetting"] is None


def test_runs_are_listed_with_what_tells_them_apart(make_run, compared) -> None:
    make_run("sweep/a", "tsmu", changes={"data.dir": "", "distillation.weight": 2.0})
    make_run("sweep/b", "tsmu", changes={"data.dir": "images", "distillation.weight": 2.0})
    table = run_tables.runs_table(compared())
    sharing = ["copied phases", "seconds of training in the run"]
    titles = ["method", "old", "new", "seed", "data.dir", *sharing, "directory"]
    assert [column.title for column in table.columns] == titles
    assert [row[4] for row in table.rows] == ['""', "images"]


def test_phases_that_other_runs_have_trained_are_told(make_run, compared) -> None:
    make_run("sweep/first", "feature_extraction")
    assert run_tables.runs_table(compared()).notes == ()
    second = make_run("sweep/second", "tsmu")
    for phase in ("01_initial", "02_freeze"):
        file = second / "phases" / phase / "phase.json"
        file.write_text(json.dumps({"trained_in": "first", **json.loads(file.read_text())}))
    table = run_tables.runs_table(compared())
    assert [row[4:6] for row in table.rows] == [(None, 120), ("01_initial, 02_freeze", 60)]
    assert table.notes[0].startswith("3 of 5 phases were trained here, in 3:00 of 5:00; ")


def test_the_choice_of_the_decoder_is_averaged_over_seeds_and_ecoregions_held_out(make_run, compared) -> None:
    def chosen(path: Path, right: float, review: int) -> None:
        scores = {
            "images": 10,
            "accuracy": right,
            "decoder_accuracy": 1.0,
            "iou": dict.fromkeys(WAYS, 0.5) | {"chosen": right},
        }
        rest = None if review == 10 else 1.0
        margin = {"threshold": 0.1, "quantiles": {}, "review": review, "accuracy_of_rest": rest}
        selection = {**scores, "confusion": {"a": {"a": 10}}, "margin": {**margin, "decoder_accuracy_of_rest": rest}}
        file = path / "results.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "selection": {**selection, "ecoregions": {}}}))

    make_run("sweep/none", "feature_extraction")
    assert choice_table(compared()) is None
    for new, seed, right, review in (("c", 0, 0.8, 2), ("c", 1, 0.6, 10), ("d", 0, 0.5, 1)):
        chosen(make_run(f"sweep/{new}{seed}", "tsmu", new_ecoregions=[new], seed=seed), right, review)
    table = choice_table(compared())
    assert table is not None
    assert [row[:3] for row in table.rows] == [("tsmu", "c", 2), ("tsmu", "d", 1), ("tsmu", "average", 1)]
    first, _, average = (cells(table, row) for row in range(3))
    said = "share of the test images: "
    assert first[said + "right ecoregion"] == pytest.approx(Spread(0.7, np.std([0.8, 0.6], ddof=1), 2))
    assert mean(first[said + "for review"]) == pytest.approx(0.6)
    assert first[said + "right decoder of the rest"] == pytest.approx(Spread(1.0, np.nan, 1), nan_ok=True)
    assert mean(average[said + "right ecoregion"]) == pytest.approx(0.65)  # seed 0, run in both
    assert mean(average["mean IoU by the decoder that answers: chosen"]) == pytest.approx(0.65)
