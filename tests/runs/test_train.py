"""A tiny TSMU run from end to end: two synthetic ecoregions, a small network, all three phases."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

import tsmu_jax
from tests.runs.circle import PROGRAM
from tests.runs.trained import trained
from tests.stress.checkpoint_inputs import PROGRESS
from tsmu_jax import digests
from tsmu_jax.data.examples import to_example
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.probabilities import BINS
from tsmu_jax.reporting.reading import find_runs
from tsmu_jax.runs.experiment import prepare
from tsmu_jax.runs.files import write_record

ROOT = Path(__file__).parents[2]
_FLAGS = {
    "old": "etf",
    "new": "nad",
    "data.size": 32,
    "data.synthetic.height": 32,
    "data.synthetic.width": 48,
    "data.synthetic.pairs": "nad=16,etf=16",
    "data.test_pairs": 6,
    "data.draws": 4,
    "model.depth": 2,
    "rates.initial": 1e-2,
    "rates.joint_fine_tuning": 1e-5,
    "selection.epochs": 30,
    "early_stopping.patience": 20,  # longer than any phase: the best epoch of so few steps, not the last
    "epochs.initial": 16,
    "epochs.freeze": 12,
    "epochs.joint_fine_tuning": 3,
}
_TIMES = ("seconds", "images_per_second", "input_wait")


def configuration(**changes: object) -> dict:
    """The demo, reduced to seconds."""
    config = runpy.run_path(str(ROOT / "configs" / "tsmu.py"))["get_config"]("demo")
    config.update_from_flattened_dict(_FLAGS | changes)
    return config.to_dict()


def metric_lines(workdir: Path) -> list[dict]:
    """The lines of metrics.jsonl without what no two runs share."""
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in _TIMES} for line in lines]


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def assert_same_model(first: Path, second: Path, phase: str) -> None:
    one, other = (tsmu_jax.load_phase(path, phase) for path in (first, second))
    for kind in ("params", "batch_stats"):
        leaves = jax.tree.leaves_with_path(getattr(one, kind))
        others = jax.tree.leaves(getattr(other, kind))
        assert len(leaves) == len(others) > 0
        for (path, leaf), twin in zip(leaves, others, strict=True):
            assert leaf.tobytes() == twin.tobytes(), f"{kind} {jax.tree_util.keystr(path)}"


@pytest.fixture(scope="module")
def run(tiny_run: tuple[Path, dict]) -> tuple[Path, dict]:
    return tiny_run


def test_keeps_the_old_ecoregion_while_the_new_one_rises(run: tuple[Path, dict]) -> None:
    _, results = run
    initial, freeze, joint = (phase["iou"] for phase in results["phases"])
    assert [phase["name"] for phase in results["phases"]] == ["initial", "freeze", "joint_fine_tuning"]
    assert initial["old"] > 0.3  # so few steps reach .45 to .55, by the seed
    assert freeze["old"] == initial["old"]
    assert freeze["new"] > initial["new"] + 0.1  # .04 and .29; tests/test_outcomes.py has more steps, for all seeds
    assert joint["old"] > initial["old"] - 0.02  # of six test images
    assert joint["new"] > initial["new"] + 0.1


def test_a_freeze_phase_changes_no_byte_of_what_is_frozen(run: tuple[Path, dict]) -> None:
    workdir, _ = run
    before, after = (tsmu_jax.load_phase(workdir, phase) for phase in ("initial", "freeze"))
    for kind in ("params", "batch_stats"):
        for part in ("shared", "old"):
            frozen = [leaf.tobytes() for leaf in jax.tree.leaves(getattr(before, kind)[part])]
            assert frozen == [leaf.tobytes() for leaf in jax.tree.leaves(getattr(after, kind)[part])]
    joint = tsmu_jax.load_phase(workdir, "joint_fine_tuning")
    for part in ("shared", "old", "new"):
        pairs = zip(jax.tree.leaves(after.params[part]), jax.tree.leaves(joint.params[part]), strict=True)
        assert any(not np.array_equal(one, other) for one, other in pairs), part
        # The statistics stay as the freeze phase left them: they must not follow the new images.
        stats = zip(jax.tree.leaves(after.batch_stats[part]), jax.tree.leaves(joint.batch_stats[part]), strict=True)
        assert all(np.array_equal(one, other) for one, other in stats)
    first, second = (
        json.loads((workdir / "phases" / name / "phase.json").read_text()) for name in ("01_initial", "02_freeze")
    )
    assert first["tests"]["etf"] == second["tests"]["etf"]


def test_writes_what_a_run_promises(run: tuple[Path, dict]) -> None:
    workdir, results = run
    assert digests.read(workdir / "results.json") == (results, {})
    assert results["schema"] == 1 and results["old"] == ["etf"] and results["new"] == ["nad"]
    last = results["phases"][-1]
    assert last["ecoregions"]["etf"]["decoder"] == "old" and last["ecoregions"]["nad"]["decoder"] == "new"
    assert results["phases"][0]["ecoregions"]["nad"]["decoder"] == "old"
    validated = last["validation_micro_iou"]
    assert validated["global"] == pytest.approx((validated["old"] + validated["new"]) / 2)  # of one ecoregion each
    assert 0 <= validated["old"] <= 1 and validated["old"] != last["micro_iou"]["old"]
    assert results["verdict"].keys() == {"old", "new", "new_decoder"}
    for name, before in (("old", 0), ("new", 0), ("new_decoder", 1)):
        group = name.partition("_")[0]
        moved = last["iou"][group] - results["phases"][before]["iou"][group]
        assert results["verdict"][name]["difference"] == pytest.approx(moved)
    assert (workdir / "results.md").read_text().splitlines()[-1].startswith("The update: old ecoregions ")
    fields = {"decoder", "images", "iou", "precision", "recall", "f1", "micro_iou", "empty"}
    assert fields <= last["ecoregions"]["etf"].keys()
    config = json.loads((workdir / "config.json").read_text())
    assert config["config"]["epochs"]["initial"] == 16 and config["seed"] == 0
    assert {"jax", "flax", "tsmu_jax"} <= config["versions"].keys()
    for line in metric_lines(workdir):
        assert {"phase", "step", "epoch", "train/loss", "validation/micro_iou"} <= line.keys()
        assert ("train/drift" in line) == (line["phase"] == "03_joint_fine_tuning")
    assert list((workdir / "tensorboard").glob("events.*"))
    for name in ("overview", "panels_nad", "panels_etf", "phases", "learning_curves"):
        assert size(workdir / "figures" / f"{name}.png")[0] > 300
    predictions = list((workdir / "predictions" / "03_joint_fine_tuning" / "etf").glob("*.png"))
    assert len(predictions) == 6
    assert all(size(path) == (48, 32) for path in predictions)
    assert len(list((workdir / "tests" / "etf").glob("*_post.jpg"))) == 6
    assert json.loads((workdir / "tests" / "histograms.json").read_text())["nad"]["pairs"] == 6


def test_a_report_reads_what_a_run_writes(run: tuple[Path, dict]) -> None:
    workdir, results = run
    (read,) = find_runs([workdir]).runs
    assert (read.method, read.old_ecoregions, read.new_ecoregions) == ("tsmu", ("etf",), ("nad",))
    for phase, result in zip(read.phases, results["phases"], strict=True):
        assert phase.iou(["etf"]) == pytest.approx(result["iou"]["old"])
        assert phase.iou(["nad"]) == pytest.approx(result["iou"]["new"])
        assert phase.images_per_second is not None
        for test in phase.tests.values():
            landslides = slice(BINS // 2, None)  # predicted with more than one half
            assert test.probabilities is not None
            assert test.probabilities.landslide[landslides].sum() == test.counts.tp.sum()
            assert test.probabilities.background[landslides].sum() == test.counts.fp.sum()
            assert test.probabilities.pixels.sum() == 6 * 32 * 32
    initial, freeze, joint = ((phase.flops / phase.steps, phase.peak_memory_bytes) for phase in read.phases)
    assert freeze[0] < initial[0] < joint[0]  # no gradients of the encoder; two decoders
    assert freeze[1] < min(initial[1], joint[1])


def test_loaded_phases_predict_what_the_run_predicted(run: tuple[Path, dict]) -> None:
    workdir, _ = run
    experiment = prepare(configuration())
    phase = tsmu_jax.load_phase(workdir, "joint_fine_tuning")
    assert phase.decoders == ("old", "new")
    for ecoregion, decoder in (("etf", "old"), ("nad", "new")):
        indices = experiment.data.split.test[ecoregion]
        examples = [to_example(experiment.data.source[index], size=32, channels=6) for index in indices]
        images = np.stack([example.image for example in examples]).astype(np.float32) / 255
        answers = phase.predict(images)
        with jax.transfer_guard("disallow"):  # the parameters are there already
            assert phase.predict(images).keys() == answers.keys()
        positive = (answers[decoder] > 0.5).sum((1, 2))
        counts = phase.record["tests"][ecoregion]
        # Other batches, another compilation: a pixel at the threshold may fall to the other side.
        np.testing.assert_allclose(positive, np.add(counts["tp"], counts["fp"]), atol=2)


def test_rejects_images_it_was_not_made_for(run: tuple[Path, dict]) -> None:
    phase = tsmu_jax.load_phase(run[0], "freeze")
    for wrong in (np.zeros((1, 32, 32, 3)), np.zeros((1, 31, 32, 6)), np.full((1, 32, 32, 6), 255.0)):
        with pytest.raises(ValueError, match="images"):
            phase.predict(wrong)
    with pytest.raises(UserError, match=r"no finished phase 'frieze' .*; there are 01_initial, 02_freeze"):
        tsmu_jax.load_phase(run[0], "frieze")


def test_the_same_command_again_trains_nothing(run: tuple[Path, dict]) -> None:
    workdir, results = run
    times = {path: path.stat().st_mtime_ns for path in workdir.glob("phases/*/phase.json")}
    metrics = (workdir / "metrics.jsonl").read_bytes()
    assert trained(configuration(), workdir) == results
    assert times == {path: path.stat().st_mtime_ns for path in workdir.glob("phases/*/phase.json")}
    assert metrics == (workdir / "metrics.jsonl").read_bytes()


def test_changed_metrics_of_a_finished_phase_are_named_and_cost_no_phase(
    run: tuple[Path, dict], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run[0], tmp_path / "copy")
    log = copy / "metrics.jsonl"
    first, *others = log.read_text().splitlines(keepends=True)
    log.write_text("".join([first.replace('"step": ', '"step": 1'), *others]))
    assert trained(configuration(), copy)["phases"] == run[1]["phases"]
    warned = [line for line in capfd.readouterr().err.splitlines() if str(log) in line]
    assert warned == [f"{log}: lines of initial have changed since they were written; its model and scores have not"]


def test_a_damaged_prediction_is_made_anew(
    run: tuple[Path, dict], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(run[0], tmp_path / "copy")
    masks = {path.relative_to(copy): path.read_bytes() for path in copy.glob("predictions/*/*/*.png")}
    cut, removed = sorted(masks)[:2]
    (copy / cut).write_bytes(masks[cut][:40])
    (copy / removed).unlink()
    assert trained(configuration(), copy)["phases"] == run[1]["phases"]
    assert masks == {path.relative_to(copy): path.read_bytes() for path in copy.glob("predictions/*/*/*.png")}
    assert f"{copy / cut}: 40 bytes instead of {len(masks[cut])}; the model predicts anew" in capfd.readouterr().err
    shutil.rmtree(copy / "predictions")  # to make room
    assert trained(configuration(), copy)["phases"] == run[1]["phases"]
    assert not (copy / "predictions").exists()


def test_another_configuration_is_refused(run: tuple[Path, dict]) -> None:
    with pytest.raises(UserError, match=r"epochs\.freeze \(was 12, is 13\)"):
        trained(configuration(**{"epochs.freeze": 13}), run[0])


def test_a_finished_prefix_is_taken_from_a_run_beside(
    run: tuple[Path, dict], capfd: pytest.CaptureFixture[str]
) -> None:
    workdir, results = run
    beside = workdir.parent / "feature_extraction"
    shorter = trained(configuration(method="feature_extraction"), beside)
    assert shorter["phases"] == results["phases"][:2]
    assert "copied from there" in capfd.readouterr().err
    assert_same_model(workdir, beside, "freeze")
    for name in ("01_initial", "02_freeze"):
        own, copy = (json.loads((path / "phases" / name / "phase.json").read_text()) for path in (workdir, beside))
        assert own.pop("digest") != copy.pop("digest")  # of the record itself
        assert copy == {"trained_in": workdir.name, **own} and "trained_in" not in own
    assert metric_lines(beside) == [line for line in metric_lines(workdir) if line["phase"] != "03_joint_fine_tuning"]
    shutil.rmtree(beside)


def test_more_epochs_go_on_where_fewer_ended_and_end_in_the_same_bits(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def config(epochs: int, schedule: str = "constant") -> dict:
        short = {"epochs.initial": 2, "epochs.freeze": epochs, "selection.epochs": 0}
        small = PROGRAM | {"rates.initial": 5e-3, "data.draws": 1, "data.features_gib": 0.0}
        return configuration(method="feature_extraction", **short, **small | {"optimizer.schedule": schedule})

    few, more, anew = tmp_path / "few", tmp_path / "more", tmp_path / "elsewhere" / "anew"
    trained(config(2), few)
    state = few / "phases" / "02_freeze" / "state"
    assert state.is_dir() and not list(few.glob("phases/01_initial/state"))
    kept = {path: path.read_bytes() for path in few.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"epochs\.freeze \(was 2, is 5\); name another one; beside this one"):
        trained(config(5), few)
    shutil.copytree(few, anew.parent / "few", ignore=shutil.ignore_patterns("state"))
    expected = trained(config(5), anew)
    assert "freeze: goes on" not in capfd.readouterr().err
    results = trained(config(5), more)
    assert "freeze: goes on where few ended" in capfd.readouterr().err
    assert_same_model(more, anew, "freeze")
    assert metric_lines(more) == metric_lines(anew) and len(metric_lines(more)) == 2 + 5
    times = ("seconds", "recording_seconds")
    for one, other in zip(results["phases"], expected["phases"], strict=True):
        assert {**one, **dict.fromkeys(times)} == {**other, **dict.fromkeys(times)}
    assert kept == {path: path.read_bytes() for path in few.rglob("*") if path.is_file()}
    falling = prepare(config(5, "cosine"))
    assert falling.continued_key(falling.stages[-1]) is None  # the rate of the first epochs knows how many there are


def test_an_interrupted_phase_of_other_data_is_not_continued(run: tuple[Path, dict]) -> None:
    workdir, _ = run
    other = workdir.parent / "other"
    (other / "phases").mkdir(parents=True)
    shutil.copy(workdir / "config.json", other)
    unfinished = other / "phases" / "01_initial" / "unfinished"
    unfinished.mkdir(parents=True)
    progress = PROGRESS | {"checkpoint": "step_3", "identity": "that of other data"}
    write_record(unfinished / "latest.json", progress, {})
    with pytest.raises(UserError, match="trained on other images or by other code"):
        trained(configuration(), other)
    shutil.rmtree(other)


@pytest.mark.parametrize("method", ["retraining", "fine_tuning", "joint_training", "all_data"])
def test_the_other_methods_are_further_tuples(run: tuple[Path, dict], method: str) -> None:
    workdir, results = run
    short = {f"epochs.{phase}": 1 for phase in ("retrain", "fine_tune", "joint", "retrain_all")}
    other = trained(configuration(method=method, **short), workdir.parent / method)
    assert other["phases"][0] == results["phases"][0]  # the same initial training, done once
    last, images = other["phases"][-1], results["phases"][1]["images"]
    assert last["images"] == {"joint_training": 2 * images, "all_data": 2 * images}.get(method, images)
    moved = {"retraining": {"shared", "old"}, "fine_tuning": {"shared", "new"}, "all_data": {"shared", "old"}}
    before, after = (tsmu_jax.load_phase(workdir.parent / method, phase["name"]) for phase in other["phases"][-2:])
    for part in ("shared", "old"):
        pairs = zip(jax.tree.leaves(before.params[part]), jax.tree.leaves(after.params[part]), strict=True)
        changed = any(one.tobytes() != twin.tobytes() for one, twin in pairs)
        assert changed == (part in moved.get(method, {"shared", "old", "new"})), part
    shutil.rmtree(workdir.parent / method)


def test_resumed_after_a_kill_equals_uninterrupted(run: tuple[Path, dict]) -> None:
    workdir, results = run
    killed = workdir.parent / "killed"
    config = configuration(checkpoint_minutes=0.01, reuse=False)
    program = (
        "import json, pathlib, sys\n"
        "from tsmu_jax.runs.train import train\n"
        "train(json.loads(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(config), str(killed)],
        cwd=ROOT,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    marker = killed / "phases" / "02_freeze" / "unfinished" / "latest.json"
    deadline = time.monotonic() + 240
    while not (marker.exists() and json.loads(marker.read_text())["checkpoint"] >= "step_1"):
        assert process.poll() is None and time.monotonic() < deadline, "ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "phases" / "02_freeze" / "phase.json").exists()
    again = trained(config, killed)
    for phase in ("initial", "freeze", "joint_fine_tuning"):
        assert_same_model(workdir, killed, phase)
    assert metric_lines(killed) == metric_lines(workdir)

    def without_times(phases: list[dict]) -> list[dict]:
        times = ("seconds", "recording_seconds")
        return [{key: value for key, value in phase.items() if key not in times} for phase in phases]

    assert without_times(again["phases"]) == without_times(results["phases"])
    assert not list(killed.glob("phases/*/unfinished"))
