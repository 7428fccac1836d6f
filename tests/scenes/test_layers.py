"""Further files of a scene: areas, masks, elevation models, ecoregions; and the spread over turned versions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from tests import forks
from tests.scenes.conftest import WriteRaster, moved, texture, write_polygons
from tests.scenes.test_map import HEIGHT, LITTLE, WIDTH, contents, read, scene
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.schema import LANDSLIDES, OBSERVED
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.output import FULL, NOT_OBSERVED
from tsmu_jax.prediction.predictor import Predictor
from tsmu_jax.scenes import layers, mapping, turning
from tsmu_jax.scenes.area import EVERYWHERE, Area
from tsmu_jax.scenes.grid import grid
from tsmu_jax.scenes.run import map_scene
from tsmu_jax.scenes.shapes import Shapes
from tsmu_jax.scenes.staging import Staging

__all__ = ["scene"]  # a fixture

PLACE = grid(rasterio.CRS.from_epsg(32633), moved(0, 0), HEIGHT, WIDTH, path="")


def box(top: int, bottom: int, left: int, right: int) -> Any:
    """Along the edges of these rows and columns of the scene."""
    return PLACE.outline(slice(top, bottom), slice(left, right))


def pixels(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    found = np.zeros((HEIGHT, WIDTH), bool)
    for top, bottom, left, right in boxes:
        found[top:bottom, left:right] = True
    return found


@pytest.fixture(scope="session")
def whole(model: SavedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map of the whole scene."""
    folder = tmp_path_factory.mktemp("whole")
    pre, post = (folder / f"{name}.tif" for name in ("pre", "post"))
    for seed, path in enumerate((pre, post)):
        place = {"crs": PLACE.crs, "transform": PLACE.transform, "height": HEIGHT, "width": WIDTH}
        with rasterio.open(path, "w", count=3, dtype="uint8", **place) as file:
            file.write(np.moveaxis(texture(HEIGHT, WIDTH, seed), -1, 0))
    map_scene(model.path, pre, post, folder / "out", decoder="a", memory_gib=LITTLE)
    return folder


def pair(folder: Path) -> tuple[Path, Path]:
    return folder / "pre.tif", folder / "post.tif"


def test_an_area_and_a_mask_change_nothing_within(
    model: SavedModel, whole: Path, tmp_path: Path, write_raster: WriteRaster, capsys: pytest.CaptureFixture[str]
) -> None:
    within, clouds = ((10, 60, 20, 90), (55, 80, 80, 100)), ((30, 40, 50, 120),)
    aoi = write_polygons(tmp_path / "aoi.gpkg", [box(*one) for one in within])
    mask = write_raster(tmp_path / "clouds.tif", (7 * pixels(*clouds)[..., None]).astype(np.uint8))
    options = {"decoder": "a", "memory_gib": LITTLE}
    assert map_scene(model.path, *pair(whole), tmp_path / "out", aoi=aoi, mask=mask, **options)
    said = capsys.readouterr().out
    assert (
        "those that --aoi touches" in said and "% of the scene has no data, is masked or lies outside of --aoi" in said
    )
    wanted = pixels(*within) & ~pixels(*clouds)
    np.testing.assert_array_equal(read(tmp_path / "out" / "observed.tif"), wanted)
    for name in ("probability.tif", "mask.tif"):
        expected = np.where(wanted, read(whole / "out" / name), NOT_OBSERVED)
        np.testing.assert_array_equal(read(tmp_path / "out" / name), expected)
    as_polygons = write_polygons(tmp_path / "clouds.geojson", [box(*one) for one in clouds], "EPSG:32633")
    assert map_scene(model.path, *pair(whole), tmp_path / "polygons", aoi=aoi, mask=as_polygons, **options)
    np.testing.assert_array_equal(*(read(tmp_path / one / "mask.tif") for one in ("out", "polygons")))
    record = json.loads((tmp_path / "out" / "scene.json").read_text())
    assert record["observed_share"] == pytest.approx(wanted.mean())
    with rasterio.open(tmp_path / "out" / "mask.tif") as file:
        assert file.tags()["TSMU_AOI_SHA256"] == record["aoi"] and file.tags()["TSMU_MASK_SHA256"] == record["mask"]


def test_content_decides_whether_a_map_is_another(
    model: SavedModel, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aoi = write_polygons(tmp_path / "aoi.gpkg", [box(10, 60, 20, 90)])
    options = {"decoder": "a", "memory_gib": LITTLE}
    map_scene(model.path, *pair(whole), tmp_path / "out", aoi=aoi, **options)
    capsys.readouterr()
    elsewhere = write_polygons(tmp_path / "other.fgb", [box(10, 60, 20, 90)])
    map_scene(model.path, *pair(whole), tmp_path / "out", aoi=elsewhere, **options)
    assert "holds this very map already" in capsys.readouterr().out
    smaller = write_polygons(tmp_path / "smaller.gpkg", [box(10, 60, 20, 80)])
    for asked in ({}, {"aoi": smaller}, {"aoi": aoi, "uncertainty": 4}, {"aoi": aoi, "mask": smaller}):
        with pytest.raises(
            UserError, match=r"holds a map with another (aoi|mask|uncertainty) .*; name a new directory"
        ):
            map_scene(model.path, *pair(whole), tmp_path / "out", **asked, **options)


def test_windows_that_an_area_does_not_touch_are_not_read(
    model: SavedModel, tmp_path: Path, write_raster: WriteRaster
) -> None:
    """Else the damage would be noticed."""
    tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", "interleave": "pixel"}
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, 640, 3), np.uint8)
    pre, post = (write_raster(tmp_path / f"{name}.tif", noise, **tiles) for name in ("pre", "post"))
    data = bytearray(post.read_bytes())
    within = len(data) * 2 // 5  # of the first row's last tile: those of the third row are a third as large
    data[within : within + 200] = bytes(200)
    post.write_bytes(data)
    options = {"decoder": "a", "memory_gib": LITTLE}
    near = write_polygons(tmp_path / "near.gpkg", [box(0, 60, 560, 630)])
    assert not map_scene(model.path, pre, post, tmp_path / "near", aoi=near, **options)
    far = write_polygons(tmp_path / "far.gpkg", [box(0, 60, 10, 100)])
    assert map_scene(model.path, pre, post, tmp_path / "far", aoi=far, **options)
    little = Predictor(model, decoder="a", memory_gib=LITTLE)
    wide = grid(PLACE.crs, PLACE.transform, HEIGHT, 640, path="")
    numbers = [
        {window.number: window for window in mapping.plan(little, wide, little.window_side, area).windows}
        for area in (EVERYWHERE, Area(Shapes([box(0, 60, 10, 100)])))
    ]
    assert numbers[1].items() < numbers[0].items() and len(numbers[1]) < len(numbers[0]) / 3


def test_the_decoder_is_chosen_by_squares_of_the_area(
    model: SavedModel, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As for a scene that is nothing else, however small the area is."""
    square = (32, 48, 64, 80)  # as large as the network's squares, and one of them
    aoi = write_polygons(tmp_path / "aoi.gpkg", [box(*square)])
    map_scene(model.path, *pair(whole), tmp_path / "out", aoi=aoi, dry_run=True)
    margin = capsys.readouterr().out.split("margin ")[1][:4]
    dates = [texture(HEIGHT, WIDTH, seed)[32:48, 64:80] for seed in (0, 1)]
    predictor = Predictor(model)
    (choice,) = predictor.chosen(predictor.errors([np.concatenate(dates, -1)]))
    assert choice.margin is not None and margin == f"{choice.margin:.2f}"
    cloud = write_polygons(tmp_path / "cloud.gpkg", [box(32, 40, 64, 80)])
    with pytest.raises(UserError, match="no square of 16 px has data; name a decoder"):
        map_scene(model.path, *pair(whole), tmp_path / "out", aoi=aoi, mask=cloud, dry_run=True)


@pytest.mark.parametrize("versions", [4, 8])
def test_the_spread_over_turned_versions(model: SavedModel, whole: Path, tmp_path: Path, versions: int) -> None:
    map_scene(model.path, *pair(whole), tmp_path / "plain", decoder="a")
    map_scene(model.path, *pair(whole), tmp_path / "out", decoder="a", uncertainty=versions)
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")  # nothing else has changed
    stride = model.network.stride
    image = np.zeros((-(-HEIGHT // stride) * stride, -(-WIDTH // stride) * stride, 6), np.uint8)  # filled up
    image[:HEIGHT, :WIDTH] = np.concatenate([texture(HEIGHT, WIDTH, seed) for seed in (0, 1)], -1)
    group = [(0, False), (2, False), (0, True), (2, True)] + [(1, False), (3, False), (1, True), (3, True)]
    answers = []
    for quarters, mirrored in group[:versions]:
        turned = np.rot90(image, quarters)
        turned = np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)
        answer = model.predict(turned[None], "a")[0]
        answers.append(np.rot90(answer[:, ::-1] if mirrored else answer, -quarters))
    expected = np.std(answers, axis=0)[:HEIGHT, :WIDTH]
    with rasterio.open(tmp_path / "out" / "uncertainty.tif") as file:
        assert file.scales == (layers.UNCERTAINTY_SCALE,) and file.nodata == NOT_OBSERVED
        assert file.descriptions == ("standard deviation of the probability of landslide",)
        assert file.tags()["TSMU_HALO"] == "exact unless turned"
        found = file.read(1) * file.scales[0]
    assert np.abs(found - expected).max() <= 0.51 * layers.UNCERTAINTY_SCALE
    assert expected.max() > 0.05 and layers.UNCERTAINTY_SCALE * FULL == turning.MOST


def test_windows_and_breaks_do_not_change_the_spread(
    model: SavedModel, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"decoder": "a", "uncertainty": 4}
    map_scene(model.path, *pair(whole), tmp_path / "whole", **options)
    map_scene(model.path, *pair(whole), tmp_path / "parts", memory_gib=LITTLE, **options)
    write = Staging.write

    def stop(self: Staging, number: int, *rest: Any, **more: Any) -> None:
        if number == 5:
            raise KeyboardInterrupt
        write(self, number, *rest, **more)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Staging, "write", stop)
        map_scene(model.path, *pair(whole), tmp_path / "out", memory_gib=LITTLE, **options)
    map_scene(model.path, *pair(whole), tmp_path / "out", memory_gib=LITTLE, **options)
    for name in (*layers.NAMES, layers.UNCERTAINTY):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    one, many = (read(tmp_path / each / "uncertainty.tif").astype(int) for each in ("whole", "parts"))
    assert np.abs(one - many).max() <= 1


def test_a_layer_of_ecoregions_names_the_decoder(
    model: SavedModel, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [box(0, HEIGHT, 0, 140), box(0, HEIGHT, 140, WIDTH), box(0, 9, 0, WIDTH)]
    names = ["B", "A", "x\x1b[2J\ny"]  # an escape sequence that clears a terminal
    layer = write_polygons(tmp_path / "layer.gpkg", parts, name=names, area=[1.0, 2.0, 3.0])
    map_scene(model.path, *pair(whole), tmp_path / "out", decoder=str(layer))
    said = capsys.readouterr().out
    assert r"ecoregions of the ground: b 63.6 %, a 36.4 %, x\x1b[2J y 6.0 %" in said and "\x1b" not in said
    assert "warning: this ground is not all of b, whose decoder answers for all of it" in said
    record = json.loads((tmp_path / "out" / "scene.json").read_text())
    assert record["chosen"] == {"ecoregion": "b", "decoder": "b", "margin": None, "source": "layer"}
    assert record["regions"] == pytest.approx({"b": 140 / 220, "a": 80 / 220, names[2]: 9 / HEIGHT})
    aoi = write_polygons(tmp_path / "aoi.gpkg", [box(10, 50, 150, 200)])
    map_scene(model.path, *pair(whole), tmp_path / "part", decoder=str(layer), aoi=aoi, memory_gib=LITTLE)
    said = capsys.readouterr().out
    assert "ecoregions of the ground: a 100.0 %" in said and "warning" not in said
    expected = read(whole / "out" / "probability.tif")[10:50, 150:200]
    np.testing.assert_array_equal(read(tmp_path / "part" / "probability.tif")[10:50, 150:200], expected)


def test_the_inventory_has_slopes_spread_and_who_chose(
    model: SavedModel, whole: Path, tmp_path: Path, write_raster: WriteRaster, capsys: pytest.CaptureFixture[str]
) -> None:
    east = 2 * (np.arange(WIDTH // 2) + 0.5)  # of the western half: rises 1 m a metre to the east
    heights = np.broadcast_to(100 + east, (HEIGHT, WIDTH // 2))[..., None].astype(np.float32)
    dem = write_raster(tmp_path / "dem.tif", heights)
    layer = write_polygons(tmp_path / "layer.gpkg", [box(0, HEIGHT, 0, WIDTH)], name=["a"])
    inventory = tmp_path / "landslides.gpkg"
    options: dict[str, Any] = {"decoder": str(layer), "uncertainty": 4, "inventory": inventory, "dem": dem}
    options["aoi"] = write_polygons(tmp_path / "aoi.gpkg", [box(0, 60, 80, 140)])
    map_scene(model.path, *pair(whole), tmp_path / "out", **options)
    with geopackage.transaction(inventory) as database:
        rows = list(geopackage.rows(database, LANDSLIDES))
    without = [row for row in rows if row["height_m"] is None]
    assert f", {len(without)} without heights in --dem: {inventory}" in capsys.readouterr().out
    known = [row for row in rows if row["slope_deg"] is not None]
    assert len(known) > 20 and len(without) > 20
    for row in known:
        assert row["slope_deg"] == pytest.approx(45, abs=0.1) and row["aspect_deg"] == pytest.approx(270, abs=0.1)
        assert 100 < row["height_m"] < 320
    assert all(row["slope_deg"] is None and row["aspect_deg"] is None for row in without)
    assert all(row["ecoregion_source"] == "layer" and row["selection_margin"] is None for row in rows)
    spread, mask = (read(tmp_path / "out" / name) for name in ("uncertainty.tif", "mask.tif"))
    pixels_of = [row["area_m2"] / 4 for row in rows]
    mean = np.average([row["uncertainty"] for row in rows], weights=pixels_of)
    assert mean == pytest.approx(spread[mask == 1].mean() * layers.UNCERTAINTY_SCALE, rel=1e-3)


def test_the_inventory_knows_what_was_looked_at(model: SavedModel, whole: Path, tmp_path: Path) -> None:
    aoi, inventory = write_polygons(tmp_path / "aoi.gpkg", [box(10, 60, 20, 90)]), tmp_path / "landslides.gpkg"
    options = {"decoder": "a", "aoi": aoi, "memory_gib": LITTLE, "inventory": inventory}
    map_scene(model.path, *pair(whole), tmp_path / "out", min_area_m2=6.0, **options)
    with geopackage.transaction(inventory) as database:
        (looked,) = geopackage.rows(database, OBSERVED)
        rows = list(geopackage.rows(database, LANDSLIDES))
    assert looked["area_m2"] == pytest.approx(50 * 70 * 4, rel=2e-3)
    assert any(row["touches_edge"] for row in rows) and all(row["uncertainty"] is None for row in rows)
    assert looked["min_area_m2"] == 6 and all(row["area_m2"] > 6 or row["touches_edge"] for row in rows)
    assert any(row["area_m2"] < 6 for row in rows)  # an edge may cut off the rest


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--dem=dem.tif",), "--dem=dem.tif: heights and slopes go into an inventory; name one: --inventory="),
        (("--dem=none.tif", "--inventory=x.gpkg"), "--dem=none.tif: no such file"),
        (("--min_area_m2=9",), "--min_area_m2 says which landslides enter an inventory; name one: --inventory="),
        (("--uncertainty=3",), "--uncertainty=3: there are 0, 4 and 8 versions; name one"),
        (("--aoi=none.gpkg",), "--aoi=none.gpkg: no such file"),
        (("--aoi=post.tif",), "--aoi=post.tif: cannot be read as polygons; give a vector file of polygons"),
        (("--mask=none.gpkg",), "--mask=none.gpkg: no such file"),
        (("--decoder=none.gpkg",), "--decoder=none.gpkg: no such file"),
    ],
)
def test_flags_that_are_wrong(model: SavedModel, whole: Path, tmp_path: Path, flags: Any, words: str) -> None:
    """One line, exit code 2, and nothing is written."""
    own = [f"--model={model.path}", "--pre=pre.tif", "--post=post.tif", f"--output={tmp_path / 'out'}"]
    code, _, error = forks.ended("tsmu_jax.predict", *own, *flags, said=tmp_path / "said", cwd=whole)
    assert code == 2 and error.startswith(f"error: {words}") and error.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (whole / "x.gpkg").exists()


def test_flags_of_scenes_are_not_for_folders(model: SavedModel, tmp_path: Path) -> None:
    own = [f"--model={model.path}", f"--output={tmp_path / 'out'}", "--input=a", "--aoi=b"]
    code, _, error = forks.ended("tsmu_jax.predict", *own, said=tmp_path / "said")
    assert code == 2 and "--aoi belongs to a scene with coordinates" in error
