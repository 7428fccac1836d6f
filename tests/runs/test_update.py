"""A model lives on: saved, its data deleted, updated with one new ecoregion after the other, opened anywhere."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tsmu_jax
from tests.runs.circle import ROOT, TINY, configuration, write_images
from tests.runs.trained import trained
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.intervals import Interval
from tsmu_jax.mask import UNKNOWN
from tsmu_jax.prediction.folder import predict_folder
from tsmu_jax.prediction.halo import MOSAICS, MOST_CHANGE
from tsmu_jax.reporting import documents
from tsmu_jax.reporting.comparison import compare
from tsmu_jax.reporting.lineage import lineage_table
from tsmu_jax.reporting.reading import find_runs
from tsmu_jax.runs import update
from tsmu_jax.runs.experiment import prepare


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of images: of the first two ecoregions, of the third, of the fourth, and of all."""
    root = tmp_path_factory.mktemp("images")
    parts = {"first": ("etf", "nad"), "third": ("mwcf",), "fourth": ("nwfm",), "all": ("etf", "nad", "mwcf", "nwfm")}
    for name, ecoregions in parts.items():
        write_images(root / name, ecoregions)
    return root


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sequential run that has all images."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    config = configuration(images / "all", method="sequential_tsmu", old="etf", new="nad,mwcf,nwfm")
    trained(config, workdir)
    return workdir


@pytest.fixture(scope="module")
def chain(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first run, whose images and directory are gone but for its model; then two updates."""
    root = tmp_path_factory.mktemp("chain")
    directory = shutil.copytree(images / "first", root / "images")
    trained(configuration(directory, old="etf", new="nad"), root / "first")
    shutil.copytree(root / "first" / "model", root / "kept")
    (root / "results.json").write_bytes((root / "first" / "results.json").read_bytes())
    shutil.rmtree(directory)
    shutil.rmtree(root / "first")
    lenient = {"update__max_forgetting": 0.2}  # so few pixels decide little
    trained(configuration(images / "third", start=str(root / "kept"), **lenient), root / "second")
    trained(configuration(images / "fourth", start=str(root / "second"), **lenient), root / "third")
    return root


def test_two_updates_without_old_images_are_the_sequential_run_with_all_to_the_byte(whole: Path, chain: Path) -> None:
    one, other = files(whole / "model"), files(chain / "third" / "model")
    assert one.keys() == other.keys()
    for name in ("parameters", "autoencoders", "exam"):
        assert one[f"{name}.safetensors"] == other[f"{name}.safetensors"], name


def test_a_sequential_run_promotes_and_distils_every_old_decoder(whole: Path) -> None:
    results = json.loads((whole / "results.json").read_text())
    assert len(results["phases"]) == 7
    last = tsmu_jax.load_phase(whole, "07_joint_fine_tuning")
    assert tuple(last.params["old"]) == ("etf", "mwcf", "nad") and tuple(last.params["new"]) == ("nwfm",)
    stored = np.load(whole / "phases" / "07_joint_fine_tuning" / "responses.npy", mmap_mode="r")
    assert stored.shape[1:] == (4, 3, 16, 16)
    routed = {name: scores["decoder"] for name, scores in results["phases"][-1]["ecoregions"].items()}
    assert routed == {name: name for name in ("etf", "nad", "mwcf", "nwfm")}


def test_several_ecoregions_one_after_the_other_in_one_update(chain: Path, images: Path) -> None:
    directory = shutil.copytree(images / "third", chain / "both")
    shutil.copytree(images / "fourth" / "nwfm", directory / "nwfm")
    lenient = {"update__max_forgetting": 0.2}  # so few pixels decide little
    config = configuration(directory, start=str(chain / "kept"), method="sequential_tsmu", **lenient)
    results = trained(config, chain / "at_once")
    assert results["update"]["drift"].keys() == {"etf", "nad"}
    one, other = files(chain / "at_once" / "model"), files(chain / "third" / "model")
    assert one["parameters.safetensors"] == other["parameters.safetensors"]


def test_the_old_scores_before_an_update_are_those_of_the_parent(chain: Path) -> None:
    before = json.loads((chain / "results.json").read_text())["phases"][-1]["ecoregions"]
    start = json.loads((chain / "second" / "results.json").read_text())["phases"][0]
    assert start["name"] == "start" and start["seconds"] == 0
    for name in ("etf", "nad"):
        assert {**start["ecoregions"][name], "decoder": ""} == {**before[name], "decoder": ""}


def test_an_update_reads_the_new_images_alone(chain: Path, images: Path) -> None:
    directory = shutil.copytree(images / "third", chain / "beside")
    shutil.copytree(images / "first" / "etf", directory / "etf")
    broken = directory / "etf" / "0000_post.png"
    broken.write_bytes(b"x" * broken.stat().st_size)  # nobody looks into it
    experiment = prepare(configuration(directory, start=str(chain / "kept")))
    assert {info.ecoregion for info in experiment.data.source.infos} == {"mwcf"}
    assert experiment.old_ecoregions == ("etf", "nad") and experiment.new_ecoregions == ("mwcf",)


def test_the_lineage_names_every_run_and_its_parent(chain: Path) -> None:
    kept, second, third = (tsmu_jax.load_model(chain / name) for name in ("kept", "second", "third"))
    assert third.decoders == third.ecoregions == ("etf", "nad", "mwcf", "nwfm")
    lineage = third.description["lineage"]
    assert [entry["parent"] for entry in lineage] == [None, kept.digest, second.digest]
    assert [entry["ecoregions"] for entry in lineage] == [["etf", "nad"], ["mwcf"], ["nwfm"]]
    assert [entry["run"] for entry in lineage] == ["first", "second", "third"]
    assert third.description["ecoregions"]["etf"]["images"] == kept.description["ecoregions"]["etf"]["images"]


def test_calibrations_of_old_decoders_are_marked_as_earlier_ones(chain: Path) -> None:
    kept, second, third = (tsmu_jax.load_model(chain / name) for name in ("kept", "second", "third"))
    calibration = {name: third.description["decoders"][name]["calibration"] for name in third.decoders}
    fitted = {name: one.get("fitted_in") for name, one in calibration.items()}
    assert fitted == {"etf": kept.digest, "nad": kept.digest, "mwcf": second.digest, "nwfm": None}
    first = kept.description["decoders"]["etf"]["calibration"]
    assert calibration["etf"]["temperature"] == first["temperature"] and first["fitted_on"] == ["etf"]


def test_the_halo_is_measured_in_every_run(chain: Path) -> None:
    halos = [tsmu_jax.load_model(chain / name).description["halo"] for name in ("kept", "second", "third")]
    assert all(halo["mosaics"] == MOSAICS and halo["change"] <= MOST_CHANGE for halo in halos)


def test_the_verdict_stands_in_the_results(chain: Path) -> None:
    results = json.loads((chain / "third" / "results.json").read_text())
    assert results["update"]["accepted"] is True and results["model"] == "model"
    assert results["update"]["drift"].keys() == {"etf", "nad", "mwcf"}
    assert all(0 < value < 1 for value in results["update"]["drift"].values())
    assert results["update"]["ecoregions"].keys() == {"etf", "nad", "mwcf"}


def test_what_several_updates_cost_is_measured_from_where_each_ecoregion_was_learnt(chain: Path) -> None:
    results = json.loads((chain / "third" / "results.json").read_text())
    first, second = (json.loads((chain / name / "results.json").read_text()) for name in ("", "second"))
    learnt = [first["phases"][-1]["ecoregions"][name]["iou"] for name in ("etf", "nad")]
    learnt.append(second["phases"][-1]["ecoregions"]["mwcf"]["iou"])
    last = [results["phases"][-1]["ecoregions"][name]["iou"] for name in ("etf", "nad", "mwcf")]
    assert results["update"]["since_learnt"][0] == pytest.approx(np.mean(last) - np.mean(learnt), abs=1e-6)


def test_a_report_shows_the_tree_of_models(chain: Path) -> None:
    runs = find_runs([chain / "second", chain / "third"]).runs
    table = lineage_table(runs)
    assert table is not None
    columns = {column.title: [row[index] for row in table.rows] for index, column in enumerate(table.columns)}
    assert columns["model"] == ["etf + nad", "– mwcf", "– – nwfm"]
    assert columns["run"] == ["first", "second", "third"] and columns["update"] == [None, "accepted", "accepted"]
    assert columns["time (s)"][1] == sum(phase.seconds for phase in runs[0].phases)
    assert columns["digest"][2] == tsmu_jax.load_model(chain / "third").digest[:12]


def test_the_circle_ends_with_predictions_of_images_that_were_held_back(chain: Path, tmp_path: Path) -> None:
    model = shutil.copytree(chain / "third" / "model", tmp_path / "elsewhere")
    held_back = write_images(tmp_path / "held_back", ("nwfm", "etf"), seed=5)
    assert predict_folder(model, held_back, tmp_path / "predicted")
    with (tmp_path / "predicted" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and {row["decoder"] for row in rows} <= {"etf", "nad", "mwcf", "nwfm"}
    for row in rows:
        mask = np.asarray(Image.open(tmp_path / "predicted" / f"{row['image']}_mask.png")) > 0
        truth = np.asarray(Image.open(held_back / f"{row['image']}_mask.png")) > 0
        counted = [(mask & truth)[2:].sum(), (mask & ~truth)[2:].sum(), (~mask & truth)[2:].sum()]
        assert [int(row[name]) for name in ("tp", "fp", "fn")] == counted  # the strip of unknown ground is left out


def test_the_exam_keeps_unknown_ground(chain: Path) -> None:
    for name in ("etf", "nwfm"):
        exam = tsmu_jax.load_model(chain / "third").exam(name)
        assert exam is not None
        unknown = exam[1] == UNKNOWN
        assert unknown[:, :1].all() and not unknown[:, 1:].any()


def test_a_finished_run_keeps_its_model_to_the_byte(chain: Path, images: Path) -> None:
    before = files(chain / "third" / "model")
    trained(configuration(images / "fourth", start=str(chain / "second")), chain / "third")
    assert files(chain / "third" / "model") == before


def test_an_update_that_forgets_is_kept_aside_and_leaves_its_parent_alone(chain: Path, images: Path) -> None:
    parent, workdir = files(chain / "kept"), chain / "forgetful"
    forgets = {"rates__fine_tune": 0.3, "epochs__fine_tune": 4}
    config = configuration(images / "third", start=str(chain / "kept"), method="fine_tuning", **forgets)
    results = trained(config, workdir)
    assert not results["update"]["accepted"] and "changed by -" in results["update"]["reasons"][0]
    assert results["model"] == "model.rejected" and not (workdir / "model").exists()
    assert tsmu_jax.load_model(workdir / "model.rejected").decoders == ("etf", "nad", "mwcf")
    with pytest.raises(UserError, match=r"its update was rejected; to use its model all the same, name .*rejected"):
        tsmu_jax.load_model(workdir)
    assert files(chain / "kept") == parent
    changes = TINY | {
        "data.dir": images / "third", "start": chain / "kept", "method": "fine_tuning", "rates.fine_tune": 0.3,
        "epochs.fine_tune": 4,
    }  # fmt: skip
    words = [f"--config.{key}={value}" for key, value in changes.items()]
    command = [sys.executable, "-m", "tsmu_jax.main", "--config=configs/tsmu.py:demo", *words, f"--workdir={workdir}"]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert again.returncode == 3 and "The update is REJECTED: " in again.stderr
    config["update"]["max_forgetting"] = 1.0  # judged anew, not trained anew
    assert trained(config, workdir)["model"] == "model" and not (workdir / "model.rejected").exists()


def test_a_model_without_an_exam_is_updated_without_a_verdict_on_the_old(chain: Path, images: Path) -> None:
    trained(configuration(images / "first", old="etf", new="nad", exam=False), chain / "unexamined")
    model = tsmu_jax.load_model(chain / "unexamined")
    assert model.exam("etf") is None and "exam.safetensors" not in files(model.path)
    results = trained(configuration(images / "third", start=str(chain / "unexamined")), chain / "after_unexamined")
    assert results["update"]["accepted"] and "without an exam" in results["update"]["reasons"][0]
    assert results["phases"][-1]["ecoregions"].keys() == {"mwcf"}
    found = find_runs([chain / "after_unexamined"]).runs
    tables = {table.name: table for table in documents.all_tables(compare(found))}  # nothing of the old is in them
    assert tables["transfer"].rows[0][-3] is None and tables["transfer"].rows[0][-2] is not None


def test_feature_extraction_forgets_nothing(chain: Path, images: Path) -> None:
    config = configuration(images / "third", start=str(chain / "kept"), method="feature_extraction")
    results = trained(config, chain / "feature_extraction")
    assert tsmu_jax.load_model(chain / "feature_extraction").decoders == ("etf", "nad", "mwcf")
    assert results["update"]["old"][0] == 0 and set(results["update"]["drift"].values()) == {0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "joint_training"}, "needs images of etf, nad; with --config.start use .*tsmu"),
        ({"method": "all_data"}, "needs images of etf, nad"),
        ({"method": "leave_one_out"}, "has no update"),
        ({"method": "retraining"}, "this model has 2; use a method that adds one, such as tsmu"),
        ({"old": "etf"}, "--config.old=etf: the saved model says which ecoregions are old"),
        ({"new": "nad"}, "the model knows 'nad' already; give pairs that are to have"),
        ({"new": "nwfm"}, "no ecoregion 'nwfm'"),
    ],
)
def test_wrong_updates_say_what_to_do(chain: Path, images: Path, changes: dict[str, Any], message: str) -> None:
    config = configuration(images / "third", start=str(chain / "kept"), **changes)
    with pytest.raises(UserError, match=message):
        trained(config, chain / "none")
    assert not (chain / "none").exists()


def test_the_same_name_with_other_images_is_refused(chain: Path, images: Path) -> None:
    directory = write_images(shutil.copytree(images / "third", chain / "renamed"), ["etf"], seed=1)
    with pytest.raises(UserError, match=r"renamed: 'etf' has other images than those the model knows; give pairs"):
        trained(configuration(directory, start=str(chain / "kept")), chain / "none")
    named = configuration(directory, start=str(chain / "kept"), new="mwcf")  # the way out
    assert prepare(named).new_ecoregions == ("mwcf",)


def test_a_folder_without_anything_new_is_refused(chain: Path, images: Path) -> None:
    with pytest.raises(UserError, match=r"first: no ecoregion that the model does not know; it knows etf, nad"):
        trained(configuration(images / "first", start=str(chain / "kept")), chain / "none")


@pytest.mark.parametrize("name", ["parameters.safetensors", "exam.safetensors", "autoencoders.safetensors"])
def test_a_changed_byte_is_noticed_before_anything_is_written(
    chain: Path, images: Path, tmp_path: Path, name: str
) -> None:
    model = shutil.copytree(chain / "kept", tmp_path / "model")
    content = bytearray((model / name).read_bytes())
    content[-1] ^= 1
    (model / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"--config.start: .*{name}: has changed since it was written"):
        trained(configuration(images / "third", start=str(tmp_path)), chain / "none")
    assert not (chain / "none").exists()


def counted(**ious: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Counts of images with these IoUs, to a thousandth."""
    return {
        name: {
            "id": [str(number) for number in range(len(values))],
            "tp": [round(1000 * value) for value in values],
            "fp": [1000 - round(1000 * value) for value in values],
            "fn": [0] * len(values),
        }
        for name, values in ious.items()
    }


def test_an_update_is_judged_by_the_mean_and_by_what_is_beyond_doubt() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(0.4, 0.8, 30)
    before = counted(a=start, b=start)
    kept = update.judge(before, counted(a=start - 0.005, b=start + 0.001), ["a", "b"], limit=0.01)
    assert kept["accepted"] and not kept["reasons"]
    mean = update.judge(before, counted(a=start - 0.03, b=start), ["a", "b"], limit=0.01)
    assert not mean["accepted"]
    assert [reason.split(" changed")[0] for reason in mean["reasons"]] == ["the old ecoregions", "a"]
    noisy = counted(a=start + rng.permutation(np.repeat([-0.2, 0.17], 15)), b=start + 0.02)
    assert update.judge(before, noisy, ["a", "b"], limit=0.01)["accepted"]  # a's -.015 may be chance
    beyond = update.judge(before, counted(a=start - 0.02, b=start + 0.03), ["a", "b"], limit=0.01)
    assert not beyond["accepted"] and Interval(*beyond["old"]).difference > 0
    assert "REJECTED: a changed by -.020" in update.said(beyond)


def test_losses_that_add_up_are_said_and_reject_nothing() -> None:
    learnt = np.random.default_rng(0).uniform(0.4, 0.8, 30)
    before, after = counted(a=learnt - 0.008), counted(a=learnt - 0.016)
    judged = update.judge(before, after, ["a"], limit=0.01, learnt=counted(a=learnt))
    assert judged["accepted"] and judged["since_learnt"][0] == pytest.approx(-0.016, abs=1e-3)
    assert "accepted: since they were learnt the old ecoregions changed by -.016" in update.said(judged)
    assert not update.judge(counted(a=learnt), counted(a=learnt), ["a"], limit=0.01, learnt=before)["reasons"]
    alone = update.judge(before, after, ["a", "b"], limit=0.01, learnt=counted(b=learnt))
    assert alone["since_learnt"] is None
