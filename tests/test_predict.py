"""`python -m tsmu_jax.predict`: what it writes, how it goes on, what it refuses."""

import csv
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import rasterio
from PIL import Image

from tests import forks
from tsmu_jax import locks
from tsmu_jax.data import pair_files
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.examples import stacked
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation import metrics
from tsmu_jax.learning.autoencoders import downsample, reconstruction_errors
from tsmu_jax.models import saved
from tsmu_jax.models.autoencoder import Autoencoder
from tsmu_jax.models.saved import SavedModel, load_model
from tsmu_jax.models.tsmu import init_decoder, init_encoder, make_network
from tsmu_jax.prediction.folder import predict_folder
from tsmu_jax.prediction.output import FULL, NOT_OBSERVED
from tsmu_jax.prediction.pairs import LoadedPair, find, load
from tsmu_jax.prediction.predictor import BYTES_PER_CHANNEL, Choice, Predictor
from tsmu_jax.prediction.sizes import Size, merged, network_size

NETWORK = {"variant": "table_ix", "channels": 6, "width": 0.25, "depth": 2}
ROOT = Path(__file__).parent.parent
SIDE = 16
PIXELS = {"height": [16, 20, 24], "width": [16, 24, 32]}
CONTRACT = {"channels": ["red", "green", "blue"], "side": SIDE, "pixels": PIXELS}

Predict = Callable[..., bool]


def write_model(path: Path, *, autoencoders: bool = True, **changes: Any) -> SavedModel:
    """A model with two decoders, of random values; `changes` of its network."""
    network = make_network(**NETWORK | changes)
    shared, a, b = init_encoder(network, jax.random.key(0)), *(init_decoder(network, jax.random.key(k)) for k in (1, 2))
    params, stats = ({"shared": shared[i], "old": {"a": a[i], "b": b[i]}, "new": {}} for i in (0, 1))
    for name, sign in (("a", -1), ("b", 1)):  # what they answer lies on both sides of the threshold
        params["old"][name] = jax.tree.map(lambda x, sign=sign: x + 0.05 * sign, params["old"][name])
    described = {
        "network": NETWORK | changes,
        "side": SIDE,
        "decoders": {name: {"ecoregions": [name], "calibration": {"temperature": 2.0}} for name in "ab"},
        "ecoregions": {name: {"contract": CONTRACT} for name in "ab"},
        "margin": 0.1,
        "autoencoders": {"side": 8, "hidden": 3},
    }
    blank = np.zeros((1, 8 * 8 * network.channels), np.float32)
    trees = {name: Autoencoder(3).init(jax.random.key(k), blank)["params"] for k, name in enumerate("ab")}
    saved.save(path, described, params, stats, autoencoders=trees if autoencoders else {}, exam={})
    return load_model(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SavedModel:
    return write_model(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Nine pairs in two folders and one beside them; those of `first` have masks."""
    random = np.random.default_rng(0)
    for number in range(9):
        folder = tmp_path / "images" / ("" if number == 8 else ("first", "second")[number % 2])
        folder.mkdir(parents=True, exist_ok=True)
        for date in ("pre", "post"):
            image = random.integers(0, 256, (20, 24, 3), np.uint8)
            Image.fromarray(image).save(folder / f"{number}_{date}.png")
        if folder.name == "first":
            Image.fromarray(255 * random.integers(0, 2, (20, 24), np.uint8)).save(folder / f"{number}_mask.png")
    return tmp_path / "images"


@pytest.fixture
def run() -> Predict:
    """Predicts as the entry point does with the given flags."""

    def call(*, model: Path, input: Path, output: Path, **options: Any) -> bool:
        return predict_folder(model, input, output, **options)

    return call


def table(output: Path) -> dict[str, dict[str, str]]:
    with (output / "predictions.csv").open(newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_every_image_gets_the_chosen_decoders_answer_at_its_own_size(
    model: SavedModel, images: Path, tmp_path: Path, run: Predict, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run(model=model.path, input=images, output=out)
    rows = table(out)
    assert sorted(rows) == ["8", *(f"first/{n}" for n in range(0, 8, 2)), *(f"second/{n}" for n in range(1, 8, 2))]
    for name, row in rows.items():
        dates = [read(images / f"{name}_{date}.png") for date in ("pre", "post")]
        square = stacked(*dates, size=(SIDE, SIDE), channels=6)[None]
        small = np.asarray(downsample(square.astype(np.float32) / 255, side=8))
        errors = {one: float(reconstruction_errors(tree, small)[0]) for one, tree in model.autoencoders().items()}
        chosen = min(errors, key=errors.__getitem__)
        assert row["decoder"] == row["ecoregion"] == chosen
        margin = 1 - min(errors.values()) / max(errors.values())
        assert float(row["margin"]) == pytest.approx(margin, abs=1e-5)
        assert row["look"] == ("yes" if margin < 0.1 else "no")
        probability = Image.fromarray(model.predict(square, chosen)[0]).resize((24, 20), Image.Resampling.BILINEAR)
        levels, mask = read(out / f"{name}_probability.png"), read(out / f"{name}_mask.png")
        assert np.abs(levels / FULL - np.asarray(probability)).max() <= 0.5 / FULL + 1e-5
        assert (mask == np.where(np.asarray(probability) > 0.5, 255, 0)).mean() > 0.99  # ties of rounding
        assert float(row["landslide_share"]) == pytest.approx((mask > 0).mean(), abs=1e-6)
        if name.startswith("first"):
            counts = metrics.count(mask[None], read(images / f"{name}_mask.png")[None])
            assert [int(row[field]) for field in counts._fields] == [int(values[0]) for values in counts]
            assert float(row["iou"]) == pytest.approx(metrics.scores(counts).iou[0], abs=1e-6)
        else:
            assert row["iou"] == row["tp"] == ""
    assert read(out / "contact_sheet.png").ndim == 3
    printed = capsys.readouterr().out
    looked = sum(row["look"] == "yes" for row in rows.values())
    assert f"9 images, {looked} of them to look at" in printed
    for decoder in {row["decoder"] for row in rows.values()}:
        own = [row for row in rows.values() if row["decoder"] == decoder]
        scored = [float(row["iou"]) for row in own if row["iou"]]
        assert f"decoder {decoder}: {len(own)} images" in printed
        assert not scored or f"mean IoU {np.mean(scored):.3f} of {len(scored)} with masks" in printed


def test_a_named_decoder_answers_for_all(model: SavedModel, images: Path, tmp_path: Path, run: Predict) -> None:
    run(model=model.path, input=images, output=tmp_path / "out", decoder="b")
    rows = table(tmp_path / "out").values()
    assert {row["decoder"] for row in rows} == {"b"}
    assert {row["margin"] for row in rows} == {""} and {row["look"] for row in rows} == {"no"}


def test_it_goes_on_where_it_stopped(
    model: SavedModel, images: Path, tmp_path: Path, run: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(model=model.path, input=images, output=whole)
    run(model=model.path, input=images, output=out)
    lines = (out / "predictions.csv").read_bytes().splitlines(keepends=True)
    (out / "predictions.csv").write_bytes(b"".join(lines[:5]) + lines[5][:40])  # killed while it wrote the fifth row
    (images / "first" / "0_post.png").write_bytes((images / "first" / "2_post.png").read_bytes())  # and one is replaced
    answered: list[int] = []
    begin = Predictor.begin

    def counted(self: Predictor, squares: Sequence[np.ndarray], decoder: str) -> jax.Array:
        answered.append(len(squares))
        return begin(self, squares, decoder)

    monkeypatch.setattr(Predictor, "begin", counted)
    run(model=model.path, input=images, output=out)
    assert sum(answered) == 9 - 4 + 1
    before, after = table(whole), table(out)
    assert before.pop("first/0") != after.pop("first/0")
    assert before == after
    for name in before:
        for role in ("mask", "probability"):
            assert (whole / f"{name}_{role}.png").read_bytes() == (out / f"{name}_{role}.png").read_bytes()


def test_threads_prepare_what_they_read(
    model: SavedModel, images: Path, tmp_path: Path, run: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    prepared = Predictor.prepared

    def noted(self: Predictor, pair: LoadedPair) -> np.ndarray | None:
        threads.append(threading.current_thread())
        return prepared(self, pair)

    monkeypatch.setattr(Predictor, "prepared", noted)
    run(model=model.path, input=images, output=tmp_path / "out")
    assert len(threads) == 9 and threading.main_thread() not in threads


def test_parameters_are_sent_once_for_all_pairs(model: SavedModel) -> None:
    """The transfer guard refuses what would go to the devices with each batch, but for the images."""
    predictor, random = Predictor(model), np.random.default_rng(0)
    squares = [random.integers(0, 256, (SIDE, SIDE, 6), np.uint8) for _ in range(3)]

    def answered() -> tuple[list[Choice], np.ndarray]:
        return predictor.choices(squares), np.asarray(predictor.begin(squares, "a"))

    choices, probabilities = answered()  # compiles
    with jax.transfer_guard_host_to_device("disallow"):
        again = answered()
    assert again[0] == choices
    np.testing.assert_array_equal(again[1], probabilities)


def test_a_pair_that_goes_by_windows_is_not_squeezed_to_a_square(model: SavedModel) -> None:
    large, fitting = (
        LoadedPair("", "", *(np.zeros((*size, 3), np.uint8) for _ in range(2)), None) for size in ((150, 210), (20, 24))
    )
    named, choosing = Predictor(model, decoder="a"), Predictor(model)
    assert named.prepared(large) is None
    for predictor, pair in ((named, fitting), (choosing, large), (choosing, fitting)):
        square = predictor.prepared(pair)
        assert square is not None and square.shape == (SIDE, SIDE, 6)


def test_a_bad_file_is_listed_and_stops_nothing(
    model: SavedModel, images: Path, tmp_path: Path, run: Predict, capsys: pytest.CaptureFixture[str]
) -> None:
    out, bad = tmp_path / "out", images / "second" / "3_post.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:200])
    (images / "second" / "5_pre.png").unlink()
    assert not run(model=model.path, input=images, output=out)
    rows = table(out)
    assert "second/3_post.png: does not decode" in rows["second/3"]["error"]
    assert "has no pre-event image" in rows["second/5_post.png"]["error"]
    assert sum(not row["error"] for row in rows.values()) == 7
    assert "2 bad files, the first: " in capsys.readouterr().out
    bad.write_bytes(whole)
    assert not run(model=model.path, input=images, output=out)
    assert "1 bad file, the first: second/5_post.png: " in capsys.readouterr().out
    (images / "second" / "5_post.png").unlink()
    assert run(model=model.path, input=images, output=out)
    assert sorted(table(out)) == ["8", *(f"first/{n}" for n in range(0, 8, 2)), "second/1", "second/3", "second/7"]


def test_images_of_another_scale_go_by_windows(model: SavedModel) -> None:
    random = np.random.default_rng(0)
    pair = LoadedPair("large", "", *(random.integers(0, 256, (150, 210, 3), np.uint8) for _ in range(2)), None)
    choice = Choice("a", "a", None)
    size = Predictor(model).size(pair, choice)
    assert size == (120, 140)  # as many pixels of the file to one of the network's as 20 and 24 have to 16
    pixel = BYTES_PER_CHANNEL * model.network.encoder.feature_channels
    little = Predictor(model, memory_gib=pixel * 40**2 / 2**30)
    assert len(list(little._windows(size))) > 4
    image = stacked(pair.pre, pair.post, size=size, channels=6)[None]
    np.testing.assert_allclose(
        little.answer_by_windows(pair, size, "a"), model.predict(image, "a")[0], rtol=1e-5, atol=1e-6
    )


def with_contracts(path: Path, **contracts: dict[str, Any]) -> SavedModel:
    """A model whose ecoregions have contracts of their own; each is added to the usual one."""
    described = json.loads((write_model(path).path / "model.json").read_text())
    for name, changes in contracts.items():
        described["ecoregions"][name]["contract"] |= changes
    return SavedModel(path, described, *(getattr(load_model(path), part) for part in ("params", "batch_stats")))


def test_scale_goes_by_metres_where_both_know_them(tmp_path: Path) -> None:
    ground = {"height": [2.0, 2.0, 2.0], "width": [3.0, 3.0, 3.0]}  # a training image covered 32 m by 48 m
    predictor = Predictor(with_contracts(tmp_path / "m", a={"gsd_m": ground}), decoder="a")
    image = np.zeros((20, 24, 3), np.uint8)

    def size(gsd_m: tuple[float, float] | None) -> Size:
        pair = LoadedPair("x", "", image, image, None, gsd_m=gsd_m)
        return predictor.size(pair, predictor.choices([None])[0])

    assert size(None) == size((1.6, 2.0)) == size((2.0, 2.0)) == Size(SIDE, SIDE)
    assert size((5.0, 5.0)) == Size(50, 40)  # 100 m by 120 m at 2 m and 3 m
    with pytest.raises(BadFile, match="a pixel covers 10 m, and one of the network's input 2 m, too coarse"):
        size((10.0, 10.0))


def deep(stored: dict[str, Any]) -> dict[str, Any]:
    return {"intensities": {"dtype": "uint16", "bands": [3, 2, 1], "ranges": [[0.0, 4000.0]] * 3} | stored}


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # of writing
def test_values_mean_what_they_meant_in_training(model: SavedModel, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for date in ("pre", "post"):
        stored = random.integers(0, 4001, (3, SIDE, SIDE)).astype(np.uint16)
        plain = np.round(255 * (np.moveaxis(stored[::-1], 0, -1) / 4000.0)).astype(np.uint8)
        for name, array in (("deep", stored), ("plain", np.moveaxis(plain, -1, 0))):
            path = tmp_path / name / f"1_{date}.tif"
            path.parent.mkdir(exist_ok=True)
            size = {"count": 3, "height": SIDE, "width": SIDE, "dtype": array.dtype}
            with rasterio.open(path, "w", driver="GTiff", **size) as file:
                file.write(array)
    trained_on_deep = Predictor(with_contracts(tmp_path / "m", a=deep({}), b=deep({})))
    found = {}
    for name, predictor in (("deep", trained_on_deep), ("plain", Predictor(model))):
        for kind in ("deep", "plain"):
            files, _ = find(tmp_path / kind, require_pre=True)
            try:
                pair = load(files[0], pair_files.read(files[0]), ["landslide"], predictor.intensities, digest="")
                found[name, kind] = predictor.prepared(pair)
            except BadFile as error:
                found[name, kind] = str(error)
    np.testing.assert_array_equal(found["deep", "deep"], found["plain", "plain"])
    assert found["deep", "plain"] == "1_post.tif: holds uint8, and the model was trained on uint16"
    assert found["plain", "deep"] == ("1_post.tif: holds uint16, and the model was trained on uint8")


def test_ecoregions_whose_values_differ_are_not_chosen_from(tmp_path: Path) -> None:
    mixed = with_contracts(tmp_path / "m", b=deep({}))
    with pytest.raises(
        UserError, match=r"uint8, bands 1, 2, 3, 0 to 255.* in b \(uint16.*name the ecoregion: --decoder=b"
    ):
        Predictor(mixed)
    assert Predictor(mixed, decoder="b").intensities.dtype == "uint16"


def test_ground_without_data_is_not_observed(model: SavedModel, images: Path, tmp_path: Path, run: Predict) -> None:
    post = read(images / "first" / "0_post.png")
    alpha = np.full(post.shape[:2], 255, np.uint8)
    alpha[:5] = 0
    Image.fromarray(np.dstack([post, alpha])).save(images / "first" / "0_post.png")
    Image.fromarray(np.dstack([post, 0 * alpha])).save(images / "second" / "1_post.png")
    out = tmp_path / "out"
    assert not run(model=model.path, input=images, output=out)
    rows = table(out)
    assert float(rows["first/0"]["observed_share"]) == 0.75 and float(rows["8"]["observed_share"]) == 1
    levels, mask = read(out / "first" / "0_probability.png"), read(out / "first" / "0_mask.png")
    assert (levels[:5] == NOT_OBSERVED).all() and (levels[5:] <= FULL).all() and not mask[:5].any()
    truth = read(images / "first" / "0_mask.png")[5:] > 0
    assert int(rows["first/0"]["tp"]) == ((mask[5:] > 0) & truth).sum()
    assert float(rows["first/0"]["landslide_share"]) == pytest.approx((mask[5:] > 0).mean(), abs=1e-6)
    assert rows["second/1"]["error"] == "second/1_post.png: has no data anywhere"


def test_a_mask_without_known_ground_gives_no_score(
    model: SavedModel, images: Path, tmp_path: Path, run: Predict, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((20, 24), 255, np.uint8)).save(images / "first" / "0_unknown.png")
    assert run(model=model.path, input=images, output=tmp_path / "out", decoder="a")
    rows = table(tmp_path / "out")
    assert (rows["first/0"]["tp"], rows["first/0"]["iou"]) == ("0", "")
    mean = np.mean([float(rows[f"first/{number}"]["iou"]) for number in (2, 4, 6)])
    expected = f"mean IoU {mean:.3f} of 3 with masks, 1 mask without known ground and so without IoU"
    assert expected in capsys.readouterr().out


def test_masks_in_lossy_formats_are_warned_of(
    model: SavedModel, images: Path, tmp_path: Path, run: Predict, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (0, 4):
        path = images / "first" / f"{number}_mask.png"
        squares = np.kron(np.eye(2, dtype=np.uint8), np.full((10, 12), 255, np.uint8))
        Image.fromarray(squares).save(path.with_suffix(".jpg"), quality=60)
        path.unlink()
    assert run(model=model.path, input=images, output=tmp_path / "out", decoder="a")
    assert table(tmp_path / "out")["first/0"]["iou"]
    (line,) = [message for message in caplog.messages if "lossy" in message]
    assert line.startswith("2 masks in lossy formats, first/0_mask.jpg the first: what is brighter than 127 counts")
    caplog.clear()
    assert run(model=model.path, input=images, output=tmp_path / "out", decoder="a")
    assert not caplog.messages  # nothing is scored again


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [((16, 16), (64, 64)), ((36, 11), (64, 64)), ((37, 16), (112, 48)), ((1600, 10), (5120, 32)), ((5, 5), (16, 16))],
)
def test_sizes_keep_the_scale_of_the_training(pixels: tuple[int, int], expected: tuple[int, int]) -> None:
    trained = {"height": (16, 20, 24), "width": (16, 20, 24)}
    assert network_size(*pixels, side=64, stride=16, trained=trained) == Size(*expected)
    assert network_size(*pixels, side=64, stride=16, trained=None) == Size(64, 64)


def test_sizes_of_several_ecoregions() -> None:
    a = {"height": [1, 2, 3], "width": [4, 5, 6]}
    b = {"height": [2, 4, 9], "width": [1, 1, 1]}
    assert merged([a, b, a]) == {"height": (1, 2, 9), "width": (1, 5, 6)}
    assert merged([a, None]) is None


def test_wrong_input_ends_in_one_line(model: SavedModel, images: Path, tmp_path: Path, run: Predict) -> None:
    other = write_model(tmp_path / "plain", autoencoders=False, width=0.2)
    out = tmp_path / "out"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    (tmp_path / "empty").mkdir()
    for values, message in (
        ({"model": tmp_path}, f"--model: {tmp_path}: holds no model.json"),
        ({"decoder": "c"}, "--decoder=c: the model has no such ecoregion or decoder; known: auto, a, b"),
        ({"model": other.path}, "holds no autoencoders, which choose decoders; name one of a, b: --decoder=b"),
        ({"input": tmp_path / "empty"}, "no images in it; they must be named <id>_pre.png and <id>_post.png"),
        ({"input": tmp_path / "missing"}, "missing: no such directory"),
        ({"output": images / "out"}, "lies in --input, and would be read as input"),
        (
            {"output": tmp_path / "full"},
            "holds letter.txt and no predictions, which predictions.json would describe; name",
        ),
        ({"output": tmp_path / "full" / "letter.txt"}, "is a file; name a directory"),
    ):
        with pytest.raises(UserError) as error:
            run(**{"model": model.path, "input": images, "output": out} | values)
        assert message in str(error.value)
        assert not out.exists() and not (images / "out").exists()
    run(model=model.path, input=images, output=out)
    with pytest.raises(UserError, match="holds predictions with another decoder \\(auto, now a\\)"):
        run(model=model.path, input=images, output=out, decoder="a")
    with pytest.raises(UserError, match="holds predictions with another model"):
        run(model=other.path, input=images, output=out, decoder="a")


def test_two_commands_do_not_write_into_one_directory(
    model: SavedModel, images: Path, tmp_path: Path, run: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, said = tmp_path / "out", []
    begin = Predictor.begin

    def meanwhile(self: Predictor, squares: Sequence[np.ndarray], decoder: str) -> jax.Array:
        if not said:
            own = f"--input={images}", f"--output={out}", f"--model={model.path}"
            said.append(forks.ended("tsmu_jax.predict", *own, said=tmp_path / "said"))
        return begin(self, squares, decoder)

    monkeypatch.setattr(Predictor, "begin", meanwhile)
    assert run(model=model.path, input=images, output=out)
    ((code, printed, error),) = said
    assert (code, printed, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"error: --output={out}: another process runs in it (process {os.getpid()} on ")
    assert len(table(out)) == 9
    assert run(model=model.path, input=images, output=out)  # it is free again


def test_what_another_process_has_written_before_the_lock_is_kept(
    model: SavedModel, images: Path, tmp_path: Path, run: Predict, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, lock = tmp_path / "out", locks.lock

    def late(path: Path, flag: str) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(locks, "lock", lock)
            run(model=model.path, input=images, output=out)
        monkeypatch.setattr(Predictor, "begin", None)  # nothing is left to answer
        return lock(path, flag)

    monkeypatch.setattr(locks, "lock", late)
    assert run(model=model.path, input=images, output=out)
    assert len(table(out)) == 9


def test_the_command(model: SavedModel, images: Path, tmp_path: Path) -> None:
    (images / "second" / "3_post.png").write_bytes(b"")
    flags = f"--input={images}", f"--output={tmp_path / 'out'}"
    command = [sys.executable, "-m", "tsmu_jax.predict", f"--model={model.path}", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "8 images, " in done.stdout and "Traceback" not in done.stderr
    none = f"--model={model.path.with_name('none')}"
    code, printed, error = forks.ended("tsmu_jax.predict", none, *flags, said=tmp_path / "said")
    assert (code, printed) == (2, "") and error.startswith("error: --model: ")
