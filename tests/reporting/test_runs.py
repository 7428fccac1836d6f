import json
import os
from pathlib import Path

import numpy as np
import pytest

from tsmu_jax.errors import UserError
from tsmu_jax.reporting.reading import find_runs
from tsmu_jax.reporting.runs import differing_keys


def test_a_run_is_read_whole(tmp_path: Path, make_run) -> None:
    path = make_run("run", "tsmu", scores=lambda phase, name: {"a": 0.6, "b": 0.5, "c": 0.2}[name], seed=3)
    (run,) = find_runs([path]).runs
    assert (run.path, run.method, run.old_ecoregions, run.new_ecoregions, run.seed) == (
        path,
        "tsmu",
        ("a", "b"),
        ("c",),
        3,
    )
    assert [phase.directory for phase in run.phases] == ["01_initial", "02_freeze", "03_joint_fine_tuning"]
    assert [phase.arrived for phase in run.phases] == [(), ("c",), ("c",)]
    assert run.phases[0].trained_on == ("a", "b")
    assert (run.phases[1].epochs, run.phases[1].flops, run.phases[1].peak_memory_bytes) == (200, 2e9, 3 * 2**20)
    assert run.phases[1].images_per_second == 45  # the median of its epochs
    assert run.config["data.size"] == 32
    tests = run.phases[-1].tests
    assert tests["a"].ids == ("0000", "0001", "0002", "0003", "0004")
    assert run.phases[-1].iou(["a", "c"]) == pytest.approx(np.mean([*tests["a"].iou, *tests["c"].iou]))
    np.testing.assert_allclose(run.everything, 100 / 32**2)


def test_runs_that_did_not_count_their_arithmetic_are_read_too(make_run) -> None:
    path = make_run("run", "leave_one_out")
    file = path / "phases" / "01_initial" / "phase.json"
    record = json.loads(file.read_text())
    del record["result"]["flops"], record["result"]["peak_memory_bytes"]
    file.write_text(json.dumps(record))
    (phase,) = find_runs([path]).runs[0].phases
    assert phase.flops is None and phase.peak_memory_bytes is None


def test_the_matrix_and_when_each_ecoregion_is_learned(make_run) -> None:
    path = make_run("run", "sequential_tsmu", ["a"], ["b", "c"], images=1)
    run = find_runs([path]).runs[0]
    assert run.trajectory.scores.shape == (5, 3)
    assert run.trajectory.first.tolist() == [0, 1, 3] and run.trajectory.learned.tolist() == [0, 2, 4]
    assert [phase.arrived for phase in run.updates] == [("b",), ("b",), ("c",), ("c",)]
    alone = find_runs([make_run("alone", "leave_one_out")]).runs[0]
    assert alone.trajectory.first.tolist() == [0, 0, 1] and alone.updates == ()


def test_sweeps_are_searched_two_levels_deep_and_no_run_is_read_twice(
    tmp_path: Path, make_run, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_run("sweep/tsmu", "tsmu")
    two = make_run("sweep/group/retraining", "retraining")
    make_run("sweep/too/deep/run", "all_data")
    make_run("sweep/.hidden", "all_data")
    (tmp_path / "sweep" / "notes").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    sweep = tmp_path / "sweep"
    assert [run.path for run in find_runs([sweep]).runs] == [two, one]
    assert [run.path for run in find_runs([one, sweep]).runs] == [one, two]
    monkeypatch.chdir(sweep)
    assert [run.path for run in find_runs([Path("tsmu"), sweep]).runs] == [Path("tsmu"), two]
    os.symlink(one, sweep / "again")
    assert len(find_runs([sweep]).runs) == 2


def test_unfinished_runs_are_left_out_and_listed(tmp_path: Path, make_run) -> None:
    make_run("sweep/good", "tsmu")
    half, none = make_run("sweep/half", "tsmu", finished=2), make_run("sweep/none", "retraining", finished=0)
    found = find_runs([tmp_path / "sweep"])
    assert [run.path.name for run in found.runs] == ["good"]
    assert [(one.path, one.reason.split(";")[0]) for one in found.left_out] == [
        (half, "unfinished: 2 of 3 phases have a phase.json"),
        (none, "unfinished: 0 of 2 phases have a phase.json, and there is no results.json"),
    ]
    with pytest.raises(UserError, match=r"no finished run to report on; .*half: unfinished: 2 of 3 phases"):
        find_runs([half])


def test_a_run_killed_before_its_results_were_written_is_unfinished(make_run) -> None:
    path = make_run("run", "tsmu")
    (path / "results.json").unlink()
    with pytest.raises(UserError, match=r"unfinished: 3 of 3 phases have a phase.json, and there is no results.json"):
        find_runs([path])


def test_runs_that_repeat_another_are_left_out(tmp_path: Path, make_run) -> None:
    make_run("sweep/a", "retraining")
    make_run("sweep/b", "retraining", changes={"data.workers": 1, "distillation.form": "mse"})  # neither concerns it
    make_run("sweep/c", "retraining", changes={"rates.retrain": 1e-4})
    make_run("sweep/d", "retraining", seed=1)
    found = find_runs([tmp_path / "sweep"])
    assert [run.path.name for run in found.runs] == ["a", "c", "d"]
    assert found.left_out[0].path.name == "b" and "repeats" in found.left_out[0].reason


def test_a_log_that_was_cut_off_is_read_as_far_as_it_goes(make_run) -> None:
    path = make_run("run", "tsmu")
    with (path / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "02_freeze", "images_per_second": null}\n{"phase": "02_fr')
    assert find_runs([path]).runs[0].phases[1].images_per_second == 45


# Other programs' configurations.
FOREIGN = (
    '{"hidden_size": 768}',
    '{"config": {"lr": 1}}',
    '{"config": 3}',
    '{"config": {"method": "tsmu", "seed": 0}}',
)


@pytest.mark.parametrize("content", [None, "", "[]", *FOREIGN])
def test_foreign_directories_are_refused(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=f"^--workdir={tmp_path}: holds no run, nor do directories in it; name one"):
        find_runs([tmp_path])
    with pytest.raises(UserError, match="nowhere: no such directory"):
        find_runs([tmp_path / "nowhere"])


def test_methods_of_other_releases_are_left_out(tmp_path: Path, make_run) -> None:
    make_run("sweep/a", "tsmu")
    other = make_run("sweep/b", "tsmu")
    (other / "config.json").write_text((other / "config.json").read_text().replace('"tsmu"', '"tsmu_future"'))
    found = find_runs([tmp_path / "sweep"])
    assert found.left_out[0].reason.startswith("method 'tsmu_future' is unknown to this release")


def test_runs_with_other_settings_are_left_out(tmp_path: Path, make_run) -> None:
    make_run("sweep/a", "tsmu")
    make_run("sweep/b", "tsmu", changes={"distillation.jitter": 0.1})
    (left_out,) = find_runs([tmp_path / "sweep"]).left_out
    assert left_out.path.name == "b"
    assert left_out.reason == "written by another release: distillation.jitter is a setting of one of the two alone"


def test_diverged_runs_are_left_out(tmp_path: Path, make_run) -> None:
    make_run("sweep/a", "tsmu")
    with (make_run("sweep/b", "joint_training") / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "03_joint", "train/loss": null}\n')
    (left_out,) = find_runs([tmp_path / "sweep"]).left_out
    assert left_out.reason == "joint has diverged: its loss is no number; train it with a lower rate"


def test_a_broken_record_is_named(make_run) -> None:
    path = make_run("run", "tsmu")
    for content in ("", "{}", '{"result": {}, "tests": {}, "steps": 1}', '{"result": 1, "tests": 2}'):
        (path / "phases" / "02_freeze" / "phase.json").write_text(content)
        with pytest.raises(UserError, match=r"02_freeze/phase.json: (cannot be read|not what a run writes)"):
            find_runs([path])


def test_keys_that_concern_no_two_runs_tell_nothing_apart(tmp_path: Path, make_run) -> None:
    make_run("sweep/a", "tsmu", changes={"epochs.retrain": 1})
    make_run("sweep/b", "tsmu", changes={"distillation.form": "mse"})
    make_run("sweep/c", "retraining", changes={"distillation.weight": 9.0, "reuse": False})
    make_run("sweep/d", "feature_extraction", changes={"data.old_sample": "anew"})
    make_run("sweep/e", "leave_one_out", changes={"data.new_pairs": 5})
    make_run(
        "sweep/f", "tsmu", seed=1, changes={"statistics.joint_fine_tuning": "frozen"}
    )  # as before there was a choice
    assert differing_keys(find_runs([tmp_path / "sweep"]).runs) == ("distillation.form",)


def test_without_synthetic_ecoregions_their_configuration_does_not_count(tmp_path: Path, make_run) -> None:
    make_run("sweep/a", "tsmu", changes={"data.dir": "images"})
    make_run("sweep/b", "tsmu", changes={"data.dir": "images", "data.synthetic": {"height": 64}}, seed=1)
    assert differing_keys(find_runs([tmp_path / "sweep"]).runs) == ()
