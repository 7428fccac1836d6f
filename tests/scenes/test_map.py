"""`python -m tsmu_jax.predict --post=...`: the map is one pass over the scene, whatever the windows and the breaks."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from scipy import ndimage

from tests import forks
from tests.scenes.conftest import WriteRaster, model_at, moved, texture, with_halo
from tsmu_jax import locks
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import dates, geopackage
from tsmu_jax.inventory.schema import LANDSLIDES
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.halo import halo_of
from tsmu_jax.prediction.output import FULL, NOT_OBSERVED
from tsmu_jax.prediction.predictor import BYTES_PER_CHANNEL, Predictor
from tsmu_jax.prediction.windows import reach
from tsmu_jax.scenes import layers, mapping
from tsmu_jax.scenes.grid import grid
from tsmu_jax.scenes.run import map_scene
from tsmu_jax.scenes.staging import JOURNAL, NAME, Staging

HEIGHT, WIDTH = 150, 220
LITTLE = BYTES_PER_CHANNEL * 16 * 16 * 16 / 2**30  # GiB: windows as small as they may be


@pytest.fixture
def scene(tmp_path: Path, write_raster: WriteRaster) -> tuple[Path, Path]:
    """Two dates; a corner of the later one has no data."""
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[:30, :40] = False
    pre = write_raster(tmp_path / "pre.tif", texture(HEIGHT, WIDTH))
    return pre, write_raster(tmp_path / "post.tif", texture(HEIGHT, WIDTH, 1), valid=valid)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


def contents(output: Path) -> dict[str, bytes]:
    return {name: (output / name).read_bytes() for name in layers.NAMES}


def test_the_map_is_one_pass_over_the_scene(
    model: SavedModel, scene: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert map_scene(model.path, *scene, tmp_path / "out", decoder="b")
    said = capsys.readouterr().out
    assert "scene: 220 x 150 px of 2 x 2 m; mapped at 220 x 150 px of 2 x 2 m" in said and "windows: 1 of" in said
    image = np.concatenate([texture(HEIGHT, WIDTH), texture(HEIGHT, WIDTH, 1)], -1)
    image[:30, :40, 3:] = 0
    probability = model.predict(image[None], decoder="b")[0]
    observed = np.ones(probability.shape, bool)
    observed[:30, :40] = False
    levels = read(tmp_path / "out" / "probability.tif")
    np.testing.assert_array_equal(levels == NOT_OBSERVED, ~observed)
    assert np.abs(levels[observed] / FULL - probability[observed]).max() <= 0.5 / FULL + 1e-6
    mask = read(tmp_path / "out" / "mask.tif")
    np.testing.assert_array_equal(mask[observed] == 1, levels[observed] > FULL / 2)
    assert 0 < (mask == 1).mean() < 1
    np.testing.assert_array_equal(read(tmp_path / "out" / "observed.tif"), observed)
    record = json.loads((tmp_path / "out" / "scene.json").read_text())
    assert record["observed_share"] == pytest.approx(observed.mean())
    assert record["landslide_share"] == pytest.approx((mask == 1).sum() / observed.sum())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*layers.NAMES, "scene.json", locks.NAME}


def test_windows_leave_no_seams(model: SavedModel, scene: tuple[Path, Path], tmp_path: Path) -> None:
    map_scene(model.path, *scene, tmp_path / "whole", decoder="a")
    map_scene(model.path, *scene, tmp_path / "parts", decoder="a", memory_gib=LITTLE)
    little = Predictor(model, decoder="a", memory_gib=LITTLE)
    place = grid(rasterio.CRS.from_epsg(32633), moved(0, 0), HEIGHT, WIDTH, path="")
    assert len(mapping.plan(little, place, little.window_side).windows) > 20
    whole, parts = (read(tmp_path / name / "probability.tif").astype(int) for name in ("whole", "parts"))
    assert np.abs(whole - parts).max() <= 1  # of 250: a rounding


def test_scenes_that_overlap_get_the_same_answers(model: SavedModel, tmp_path: Path, write_raster: WriteRaster) -> None:
    """The second scene begins 37 px further down and 21 px further right, between two multiples of the stride."""
    down, right = 37, 21
    network = model.description["network"]
    assert model.network.stride > 1 and down % model.network.stride
    dates = [texture(160, 190, seed) for seed in (0, 1)]
    for name, rows, columns in (("whole", 0, 0), ("part", down, right)):
        place = moved(columns, rows)
        pair = [
            write_raster(tmp_path / name / f"{n}.tif", one[rows:, columns:], transform=place)
            for n, one in enumerate(dates)
        ]
        map_scene(model.path, *pair, tmp_path / f"{name}_map", decoder="a", memory_gib=LITTLE)
    whole, part = (read(tmp_path / f"{name}_map" / "probability.tif").astype(int) for name in ("whole", "part"))
    assert part.shape == (160 - down, 190 - right)
    seen = reach(network["variant"], network["depth"]).before  # nearer to its edges a scene knows less
    difference = np.abs(whole[down:, right:] - part)[seen:, seen:]
    assert difference.size > 1000 and difference.max() <= 1  # of 250: a rounding


def test_a_map_says_which_halo_it_has_and_is_another_one_with_another_halo(
    model: SavedModel, scene: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model.path, tmp_path / "model")
    with_halo(tmp_path / "model", {"before": 4, "after": 2})
    exact = halo_of(model).seen
    options = {"decoder": "a", "memory_gib": LITTLE}
    for kind in ("measured", "exact"):
        map_scene(tmp_path / "model", *scene, tmp_path / kind, halo=kind, dry_run=True, **options)
        before, after = (4, 2) if kind == "measured" else exact
        said = f"halo: {before} px to the left and top, {after} px to the right and bottom, {kind}\n"
        assert said in capsys.readouterr().out
    map_scene(tmp_path / "model", *scene, tmp_path / "out", **options)
    with rasterio.open(tmp_path / "out" / "probability.tif") as file:
        assert file.tags()["TSMU_HALO"] == "measured"
    _refused(
        lambda: map_scene(tmp_path / "model", *scene, tmp_path / "out", halo="exact", **options),
        "holds a map with another halo \\(measured, now exact\\); name a new directory",
    )


def test_the_map_lies_on_the_later_date_at_the_resolution_of_the_training(
    tmp_path: Path, write_raster: WriteRaster
) -> None:
    coarse = model_at(tmp_path / "model", 4.0)
    pre = write_raster(tmp_path / "pre.tif", texture(200, 300), transform=moved(-20, -30))
    post = write_raster(tmp_path / "post.tif", texture(HEIGHT, WIDTH))
    assert map_scene(coarse.path, pre, post, tmp_path / "out", decoder="a", resolution_m=4.0)  # finer than training's
    with rasterio.open(tmp_path / "out" / "probability.tif") as file:
        assert (file.height, file.width) == (75, 110)
        assert file.bounds == rasterio.open(post).bounds
        assert not (file.read(1) == NOT_OBSERVED).any()


def test_goes_on_where_it_stopped(
    model: SavedModel,
    scene: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {"decoder": "a", "memory_gib": LITTLE}
    map_scene(model.path, *scene, tmp_path / "whole", **options)
    write, out = Staging.write, tmp_path / "out"

    def stop(self: Staging, number: int, *rest: Any, **more: Any) -> None:
        if number == 7:
            raise KeyboardInterrupt
        write(self, number, *rest, **more)

    monkeypatch.setattr(Staging, "write", stop)
    with pytest.raises(KeyboardInterrupt):
        map_scene(model.path, *scene, out, **options)
    assert not (out / "probability.tif").exists()
    with (out / JOURNAL).open("a") as journal:
        journal.write("8")  # cut off
    monkeypatch.setattr(Staging, "write", write)
    capsys.readouterr()
    map_scene(model.path, *scene, out, decoder="a")  # more memory, and the same windows
    assert "goes on after 7 of" in capsys.readouterr().out
    assert contents(out) == contents(tmp_path / "whole")
    assert not (out / NAME).exists() and not (out / JOURNAL).exists()
    before = {path: path.stat().st_mtime_ns for path in out.iterdir() if path.name != locks.NAME}
    moved_scene = [path.rename(path.with_name(f"moved_{path.name}")) for path in scene]
    map_scene(model.path, *moved_scene, out, decoder="a")
    assert "holds this very map already" in capsys.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in out.iterdir() if path.name != locks.NAME}


def test_the_decoder_is_chosen_for_the_whole_scene(
    model: SavedModel, scene: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    map_scene(model.path, *scene, tmp_path / "out")
    record = json.loads((tmp_path / "out" / "scene.json").read_text())
    said = re.search(r"decoder: ([ab]), margin (\d\.\d\d)", capsys.readouterr().out)
    assert said and record["chosen"]["decoder"] == said[1]
    assert record["chosen"]["margin"] == pytest.approx(float(said[2]), abs=0.005)
    map_scene(model.path, *scene, tmp_path / "named", decoder=said[1])
    np.testing.assert_array_equal(*(read(tmp_path / one / "probability.tif") for one in ("out", "named")))


def test_a_dry_run_writes_nothing(
    model: SavedModel, scene: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert map_scene(model.path, *scene, tmp_path / "out", dry_run=True)
    said = capsys.readouterr().out
    assert "overlap 100.0 %" in said and re.search(r"memory: about .* GiB .*; time: about .* min", said)
    assert not (tmp_path / "out").exists()


def test_ground_that_cannot_be_read(
    model: SavedModel, tmp_path: Path, write_raster: WriteRaster, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", "interleave": "pixel"}
    noise = np.random.default_rng(0).integers(0, 256, (192, 256, 3), np.uint8)
    pre, post = (write_raster(tmp_path / f"{name}.tif", noise, **tiles) for name in ("pre", "post"))
    data = bytearray(post.read_bytes())
    within = len(data) * 13 // 24  # of twelve tiles the seventh
    data[within : within + 500] = bytes(500)
    post.write_bytes(data)
    assert not map_scene(model.path, pre, post, tmp_path / "out", decoder="a", resolution_m=2.0)
    assert "could not be read in full; that ground counts as without data" in capsys.readouterr().out
    assert 0.8 < read(tmp_path / "out" / "observed.tif").mean() < 1
    assert not map_scene(model.path, pre, post, tmp_path / "out", decoder="a", resolution_m=2.0)  # said again


def _refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_wrong_input_ends_in_one_line_before_anything_is_written(
    model: SavedModel, scene: tuple[Path, Path], tmp_path: Path, write_raster: WriteRaster
) -> None:
    pre, post = scene
    out = tmp_path / "out"
    _refused(lambda: map_scene(model.path, None, post, out), "--pre: missing; this model compares")
    _refused(
        lambda: map_scene(model.path, pre, post, out, decoder="c"), "no such ecoregion or decoder; known: auto, a, b"
    )
    far = write_raster(tmp_path / "far.tif", texture(50, 50), transform=moved(10_000, 0))
    _refused(lambda: map_scene(model.path, far, post, out, decoder="a"), "shows none of the ground of --pre")
    coarse = write_raster(
        tmp_path / "coarse.tif", texture(50, 50), transform=rasterio.Affine(4, 0, 500_000, 0, -4, 5_000_000)
    )
    words = "a pixel covers 4 m, and one of the network's input 2 m, too coarse .*--resolution=4 to map it as it is"
    _refused(lambda: map_scene(model.path, pre, coarse, out, decoder="a"), words)
    nowhere = model_at(tmp_path / "nowhere", None)
    _refused(lambda: map_scene(nowhere.path, pre, post, out, decoder="a"), "state it: --resolution=METRES")
    one_date = model_at(tmp_path / "one_date", 2.0, channels=3)
    _refused(lambda: map_scene(one_date.path, pre, post, out), "looks at the post-event image alone; leave it out")
    assert not out.exists()
    assert map_scene(one_date.path, None, post, out, decoder="a")
    _refused(lambda: map_scene(model.path, pre, post, out, decoder="a"), "holds a map with another model")
    _refused(lambda: map_scene(one_date.path, None, post, out, decoder="b"), "holds a map with another decoder")
    _refused(lambda: map_scene(one_date.path, None, post, tmp_path), "holds .* and no map of a scene")
    with_lock = locks.lock(out, "--output")
    _refused(lambda: map_scene(one_date.path, None, post, out, decoder="a"), "another process runs in it")
    with_lock.release()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--post=b.tif", "--input=a"), "give one of --input=DIR, a folder of images, or --post=FILE"),
        ((), "scene, or --scenes=LIST, many scenes"),
        (("--post=b.tif", "--workers=2"), "--workers belongs to a list of scenes; give --scenes=LIST"),
        (("--scenes=a.csv", "--scheduler=a", "--workers=2"), "--workers are processes of this machine"),
        (("--input=a", "--pre=b.tif"), "--pre belongs to --post"),
        (("--post=none.tif", "--pre=none.tif"), "--pre=none.tif: no such file"),
    ],
)
def test_flags_that_do_not_go_together(model: SavedModel, tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    own = [f"--model={model.path}", f"--output={tmp_path / 'out'}"]
    code, _, error = forks.ended("tsmu_jax.predict", *own, *flags, said=tmp_path / "said")
    assert code == 2 and error.startswith("error: ") and error.count("\n") == 1
    assert words in error


def test_landslides_go_into_an_inventory(
    model: SavedModel, scene: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {
        "decoder": "b",
        "inventory": tmp_path / "landslides.gpkg",
        "dates": dates.read("2024-05-01", None, pre="", post=""),
    }
    map_scene(model.path, *scene, tmp_path / "out", **options)
    said = re.search(r"inventory: (\d+) new landslides?", capsys.readouterr().out)
    mask = read(tmp_path / "out" / "mask.tif") == 1
    with geopackage.transaction(tmp_path / "landslides.gpkg") as database:
        rows = list(geopackage.rows(database, LANDSLIDES))
    assert said and len(rows) == int(said[1]) == ndimage.label(mask)[1] > 1
    assert sum(row["area_m2"] for row in rows) == pytest.approx(4 * mask.sum(), rel=2e-3)
    assert {row["date_min"] for row in rows} == {"2024-05-01T00:00:00+00:00"}
    map_scene(model.path, *scene, tmp_path / "again", **options)
    assert "has this very map already; nothing is changed" in capsys.readouterr().out
    (tmp_path / "text.gpkg").write_text("hello")
    for path, words in (("text.gpkg", "is no inventory of tsmu_jax"), ("nowhere/x.gpkg", "there is no directory")):
        _refused(lambda path=path: map_scene(model.path, *scene, tmp_path / "o", inventory=tmp_path / path), words)
    assert not (tmp_path / "o").exists()


def test_dates_of_images() -> None:
    named = "GE_1_2_3_4_LS_a_US_20200102_{}.jpg"
    assert dates.read(None, "2020-02-01T12:00+02:00", pre=named.format("PRE"), post=None) == (
        "2020-01-02T00:00:00+00:00",
        "2020-02-01T10:00:00+00:00",
    )
    _refused(lambda: dates.read("May", None, pre="", post=""), "--pre_date=May: is no date; give it as 2024-05-01")
    _refused(lambda: dates.read("2020-02-01", "2020-01-01", pre="", post=""), "is not before")
