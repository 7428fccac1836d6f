"""Autoencoders within a run: trained on arrival, found again, never touched later, and what they choose."""

import json
import runpy
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import tsmu_jax
from tests.runs.trained import trained
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.selection import WAYS
from tsmu_jax.reporting.tables import notes
from tsmu_jax.runs import choice
from tsmu_jax.runs.directory import RunDirectory
from tsmu_jax.runs.experiment import prepare

Run = tuple[Path, dict]
configuration = runpy.run_path(str(Path(__file__).parent / "test_train.py"))["configuration"]


def contents(directory: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def bits(run: RunDirectory, ecoregion: str) -> list[bytes]:
    params = run.autoencoder(ecoregion).params()
    return [params[layer][kind].tobytes() for layer in ("encode", "decode") for kind in ("kernel", "bias")]


def test_results_tell_how_well_the_decoder_is_chosen(tiny_run: Run) -> None:
    workdir, results = tiny_run
    selection, last = results["selection"], results["phases"][-1]
    assert json.loads((workdir / "results.json").read_text())["selection"] == selection
    assert selection["images"] == 12
    assert {name: sum(row.values()) for name, row in selection["confusion"].items()} == {"etf": 6, "nad": 6}
    right = sum(selection["confusion"][name][name] for name in ("etf", "nad"))
    assert selection["accuracy"] == right / 12 >= 0.75
    assert selection["decoder_accuracy"] == selection["accuracy"]  # a decoder each
    for name in ("etf", "nad"):
        assert selection["ecoregions"][name]["iou"]["oracle"] == last["ecoregions"][name]["iou"]
    assert selection["iou"]["oracle"] == pytest.approx(last["iou"]["global"])
    assert set(selection["iou"]) == set(WAYS)
    assert {"etf", "nad"} == set(selection["autoencoders"])
    inputs, hidden = 16 * 16 * 6, 32
    assert selection["autoencoders"]["etf"]["parameters"] == 2 * inputs * hidden + hidden + inputs
    assert selection["autoencoders"]["etf"]["pairs"] == len(prepare(configuration()).data.split.train["etf"])


def test_each_test_image_is_listed_with_its_errors(tiny_run: Run) -> None:
    workdir, results = tiny_run
    tests = json.loads((workdir / "selection" / "selection.json").read_text())["tests"]
    record = json.loads((workdir / "phases" / "03_joint_fine_tuning" / "phase.json").read_text())
    margins = []
    for name, one in tests.items():
        assert one["id"] == record["tests"][name]["id"]
        assert one["counts"]["oracle"] == {field: record["tests"][name][field] for field in ("tp", "fp", "fn")}
        errors = np.array([one["errors"][candidate] for candidate in ("etf", "nad")])
        assert one["chosen"] == [("etf", "nad")[best] for best in errors.argmin(0)]
        np.testing.assert_allclose(one["margin"], 1 - errors.min(0) / errors.max(0), rtol=1e-5)
        margins += one["margin"]
    assert results["selection"]["margin"]["review"] == sum(margin < 0.1 for margin in margins)


def test_a_picture_and_a_sentence_close_the_run(tiny_run: Run) -> None:
    workdir, results = tiny_run
    with Image.open(workdir / "figures" / "selection.png") as image:
        assert image.size[0] > 600
    right = round(12 * results["selection"]["accuracy"])
    said = f"the right ecoregion for {right} of 12 images, the right decoder for {right}."
    assert any(said in note for note in notes(results))
    assert said in (workdir / "results.md").read_text()


def test_autoencoders_are_trained_when_their_ecoregion_arrives(tiny_run: Run) -> None:
    workdir, _ = tiny_run

    def written(path: str) -> int:
        return (workdir / path).stat().st_mtime_ns

    initial, freeze = (written(f"phases/{phase}/phase.json") for phase in ("01_initial", "02_freeze"))
    first_autoencoder, second_autoencoder = (written(f"selection/{name}/autoencoder.json") for name in ("etf", "nad"))
    assert initial < first_autoencoder < second_autoencoder < freeze


def test_the_same_bits_whoever_trains_and_whatever_arrives_later(tiny_run: Run, tmp_path: Path) -> None:
    first, again = RunDirectory(tiny_run[0]), RunDirectory(tmp_path / "again")
    experiment = prepare(configuration(reuse=False))
    choice.arrive(experiment, again, experiment.old_ecoregions)
    assert not again.autoencoder("nad").path.exists()
    assert bits(again, "etf") == bits(first, "etf")
    before = contents(again.autoencoder("etf").path)
    choice.arrive(experiment, again, experiment.new_ecoregions)
    choice.arrive(experiment, again, (*experiment.old_ecoregions, *experiment.new_ecoregions))  # finished: found again
    assert contents(again.autoencoder("etf").path) == before
    assert bits(again, "nad") == bits(first, "nad") != bits(first, "etf")


def test_an_unfinished_one_is_trained_again_and_one_of_other_settings_too(tiny_run: Run, tmp_path: Path) -> None:
    copy = RunDirectory(tmp_path / "copy")
    shutil.copytree(tiny_run[0] / "selection", copy.selection)
    (copy.autoencoder("etf").path / "autoencoder.json").unlink()
    choice.arrive(prepare(configuration(reuse=False)), copy, ["etf"])
    assert bits(copy, "etf") == bits(RunDirectory(tiny_run[0]), "etf")
    choice.arrive(prepare(configuration(reuse=False, **{"selection.hidden": 3})), copy, ["etf"])
    assert copy.autoencoder("etf").params()["encode"]["bias"].shape == (3,)


def test_one_that_a_run_beside_has_finished_is_taken_over(tiny_run: Run, tmp_path: Path) -> None:
    # A directory of its own: beside `tiny_run`, other tests' runs may have trained the same one in other seconds.
    first, beside = RunDirectory(tmp_path / "first"), RunDirectory(tmp_path / "beside")
    shutil.copytree(tiny_run[0], first.path)
    choice.arrive(prepare(configuration()), beside, ["etf"])
    assert beside.autoencoder("etf").record() == first.autoencoder("etf").record()  # its seconds, too
    assert bits(beside, "etf") == bits(first, "etf")


def test_autoencoders_touch_no_phase(tiny_run: Run) -> None:
    one, other = prepare(configuration()), prepare(configuration(**{"selection.epochs": 0}))
    assert [one.stage_key(stage) for stage in one.stages] == [other.stage_key(stage) for stage in other.stages]
    assert one.autoencoder_key("etf") != one.autoencoder_key("nad")
    assert one.autoencoder_key("etf") == prepare(configuration(**{"selection.margin": 0.3})).autoencoder_key("etf")


def test_a_model_without_update_knows_its_first_ecoregions_only(tiny_run: Run) -> None:
    workdir = tiny_run[0].parent / "leave_one_out"
    selection = trained(configuration(method="leave_one_out"), workdir)["selection"]
    assert selection["confusion"] == {"etf": {"etf": 6}, "nad": {"etf": 6}}
    assert (selection["accuracy"], selection["decoder_accuracy"]) == (0.5, 1.0)
    assert selection["margin"]["quantiles"]["0.0"] == 1.0  # nothing to confuse it with
    assert bits(RunDirectory(workdir), "etf") == bits(RunDirectory(tiny_run[0]), "etf")
    shutil.rmtree(workdir)


def test_no_epochs_no_selection(tiny_run: Run, tmp_path: Path) -> None:
    config = configuration(**{"selection.epochs": 0})
    experiment, run = prepare(config), RunDirectory(tmp_path / "run")
    choice.arrive(experiment, run, experiment.old_ecoregions)
    assert not run.path.exists()
    model = RunDirectory(tiny_run[0]).phase("03_joint_fine_tuning").model()
    assert choice.evaluate_choice(experiment, run, experiment.stages[-1], model) is None
    RunDirectory.claim(run.path, experiment.config, images="", command="")
    with pytest.raises(UserError, match=r"run: no autoencoders here; train with --config\.selection\.epochs above 0"):
        tsmu_jax.load_selector(run.path)
    with pytest.raises(UserError, match="no run here"):
        tsmu_jax.load_selector(tmp_path)


def test_a_loaded_selector_chooses_what_the_run_chose(tiny_run: Run) -> None:
    workdir, _ = tiny_run
    selector, tests = tsmu_jax.load_selector(workdir), prepare(configuration()).data.tests
    assert tuple(selector.autoencoders) == ("etf", "nad")
    listed = json.loads((workdir / "selection" / "selection.json").read_text())["tests"]
    for name, test in tests.items():
        names, margins = selector.choose(test.images.astype(np.float32) / 255)
        np.testing.assert_allclose(margins, listed[name]["margin"], atol=1e-4)
        with jax.transfer_guard("disallow"):  # the autoencoders are there already
            assert selector.choose(test.images.astype(np.float32) / 255)[0] == names
        clear = margins > 1e-3
        assert np.array_equal(np.array(names)[clear], np.array(listed[name]["chosen"])[clear]) and clear.any()
    assert tsmu_jax.load_phase(workdir, "freeze").route == {"etf": "old", "nad": "new"}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 32, 32, 3)), r"shape \(2, 32, 32, 3\); needed: \(b, h, w, 6\), h and w at least 16"),
        (np.zeros((32, 32, 6)), r"shape \(32, 32, 6\)"),
        (np.zeros((2, 8, 32, 6)), r"shape \(2, 8, 32, 6\)"),
        (np.full((2, 32, 32, 6), 255.0), "divide them by their maximum intensity"),
    ],
)
def test_images_that_a_selector_was_not_made_for(tiny_run: Run, images: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tsmu_jax.load_selector(tiny_run[0]).choose(images)
