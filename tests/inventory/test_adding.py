"""Maps become rows: once each, never on reviewed rows, all or nothing; other programs open and edit the file."""

import contextlib
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

from tests.scenes.conftest import moved
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, known, schema
from tsmu_jax.inventory.adding import Added, add
from tsmu_jax.inventory.rows import UNDATED, Dates
from tsmu_jax.inventory.sensors import UNNAMED, Sensors
from tsmu_jax.scenes import layers, words
from tsmu_jax.scenes.grid import grid

DATES = Dates("2024-05-01T00:00:00+00:00", "2024-06-01T00:00:00+00:00")


class Model:
    """Stands for a saved model: its digest, route and description."""

    def __init__(self, digest: str) -> None:
        self.digest = digest * 64
        self.route = {"alps": "alps"}
        self.description = {"decoders": {"alps": {"calibration": {"temperature": 2.0}}}, "ecoregions": {"alps": {}}}


ONE, TWO = Model("1"), Model("2")


def write_map(
    path: Path,
    boxes: Any,
    *,
    model: Model = ONE,
    at: tuple[int, int] = (0, 0),
    seed: int = 0,
    shape: Any = (60, 80),
    gsd_m: dict[str, Any] | None = None,
    level: int = 180,
) -> Path:
    """A finished map of 2 m pixels with landslides of the given rows and columns (top, bottom, left, right).

    Args:
      gsd_m: of the images; None as in records of earlier releases.
      level: 250 times the probability of the landslides.
    """
    levels = np.full(shape, 20, np.uint8)
    for top, bottom, left, right in boxes:
        levels[top:bottom, left:right] = level
    path.mkdir(parents=True)
    place = grid(rasterio.CRS.from_epsg(32633), moved(at[1], at[0]), *shape, path="")
    layers.write(path, place, lambda start, stop: levels[start:stop], {})
    images = {name: hashlib.sha256(f"{name}{seed}".encode()).hexdigest() for name in ("pre", "post")}
    record = {"model": model.digest, "images": images, "configuration": "c" * 64, "grid": place.plain}
    record |= {"chosen": {"decoder": "alps", "ecoregion": "alps", "margin": 0.4}, "damaged_windows": 0}
    record |= {"fit": {"overlap": 1.0, "shift_m": [3.0, 4.0]}, "landslide_share": 0.1, "observed_share": 1.0}
    record["files"] = {"pre": "before.tif", "post": "after.tif"}
    record |= {"gsd_m": gsd_m} if gsd_m else {}
    (path / "scene.json").write_text(json.dumps(record))
    return path


def table(path: Path, name: str = "landslides") -> list[dict[str, Any]]:
    one = next(each for each in schema.TABLES if each.name == name)
    with geopackage.transaction(path) as database:
        return list(geopackage.rows(database, one))


BOXES = ((10, 20, 10, 22), (40, 44, 50, 70))


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "landslides.gpkg"
    assert add(path, write_map(tmp_path / "first", BOXES), ONE, dates=DATES) == Added(2, 0, 0, same=False)
    return path


# The columns that are agreed on; the images and their dates stand in `scenes`, of which a landslide may have several.
USGS = "Date Fatalities Confidence Inventory InventoryURL LS_ID Info_source Notes Latitude Longitude"
OURS = """area_m2 perimeter_m date_min date_max gsd_m na_l1key na_l1name ecoregion_source decoder selection_margin
    prob_mean prob_max uncertainty threshold model_id config_digest touches_edge review_status reviewer reviewed_at
    original_geometry matched_usgs_id match_distance_m license"""
IMAGES = "pre_sha256 post_sha256 pre_date post_date"


def test_all_columns_are_there(inventory: Path) -> None:
    info = pyogrio.read_info(inventory, layer="landslides")
    assert (info["fid_column"], info["geometry_type"]) == ("OBJECTID", "MultiPolygon")
    assert {*USGS.split(), *OURS.split()} <= {*info["fields"]}
    assert {*IMAGES.split()} <= {*pyogrio.read_info(inventory, layer="scenes")["fields"]}
    assert {row["scene"] for row in table(inventory, "observations")} == {table(inventory, "scenes")[0]["scene"]}


@pytest.mark.parametrize(("level", "confidence"), [(126, 1), (162, 1), (163, 2), (199, 2), (201, 3), (250, 3)])
def test_confidence_is_possible_probable_from_65_and_likely_from_80_percent(
    tmp_path: Path, level: int, confidence: int
) -> None:
    add(tmp_path / "x.gpkg", write_map(tmp_path / "map", BOXES, level=level), ONE, dates=DATES)
    assert {row["Confidence"] for row in table(tmp_path / "x.gpkg")} == {confidence}


def test_rows_say_what_is_known(inventory: Path) -> None:
    rows = table(inventory)
    assert [row["area_m2"] for row in rows] == pytest.approx([480, 320], rel=2e-3)
    first = rows[0]
    assert (first["decoder"], first["selection_margin"], first["review_status"]) == ("alps", 0.4, "unreviewed")
    assert first["prob_mean"] == pytest.approx(0.72) and first["prob_max"] == 0.72 and first["Confidence"] == 2
    assert (first["date_min"], first["date_max"]) == tuple(DATES) and first["Fatalities"] is None
    geometry = geopackage.decoded(first["geometry"])
    assert geometry.covers(shapely.Point(first["Longitude"], first["Latitude"]))
    (scene,), (looked,), (model,) = (table(inventory, name) for name in ("scenes", "observed", "models"))
    assert scene["shift_m"] == 5 and scene["overlap"] == 1 and scene["height"] == 60
    assert looked["area_m2"] == pytest.approx(60 * 80 * 4, rel=2e-3)
    assert json.loads(model["calibration"]) == {"alps": {"temperature": 2.0}}


def test_the_same_map_changes_nothing(inventory: Path, tmp_path: Path) -> None:
    before = inventory.read_bytes()
    (tmp_path / "first").rename(tmp_path / "elsewhere")
    assert add(inventory, tmp_path / "elsewhere", ONE, dates=DATES) == Added(0, 0, 0, same=True)
    assert inventory.read_bytes() == before


SENSORS = Sensors("Landsat 8 OLI", "Sentinel-2B MSI")
GSD = {"pre": [30.0, 29.0], "post": [10.0, 10.0]}


def test_a_scene_says_sensors_and_resolutions(tmp_path: Path) -> None:
    path = tmp_path / "landslides.gpkg"
    add(path, write_map(tmp_path / "first", BOXES, gsd_m=GSD), ONE, dates=DATES, sensors=SENSORS)
    (scene,) = table(path, "scenes")
    assert (scene["pre_sensor"], scene["post_sensor"]) == SENSORS
    assert (scene["pre_gsd_m"], scene["post_gsd_m"]) == (30.0, 10.0) and scene["gsd_m"] == pytest.approx(2, rel=1e-3)
    one_date = write_map(tmp_path / "second", BOXES, gsd_m={"post": [10.0, 10.0]}, seed=1, at=(500, 0))
    add(path, one_date, ONE, sensors=Sensors(None, "UAV"))
    scene = table(path, "scenes")[1]
    assert [scene[name] for name in ("pre_sensor", "post_sensor", "pre_gsd_m", "post_gsd_m")] == [None, "UAV", None, 10]


def test_a_later_map_takes_nothing_from_a_scene(tmp_path: Path) -> None:
    """Neither another model's that is told less, nor the same one that is told something else."""
    path = tmp_path / "landslides.gpkg"
    add(path, write_map(tmp_path / "first", BOXES, gsd_m=GSD), ONE, dates=DATES, sensors=SENSORS)
    before = table(path, "scenes")
    add(path, write_map(tmp_path / "other", BOXES, model=TWO), TWO, dates=UNDATED, sensors=UNNAMED)
    assert table(path, "scenes") == before and len(table(path, "observed")) == 2
    held = path.read_bytes()
    assert not add(path, tmp_path / "first", ONE, sensors=Sensors("A", "B")).scene and path.read_bytes() == held
    add(path, write_map(tmp_path / "third", BOXES, seed=1, at=(500, 0)), ONE)
    assert add(path, tmp_path / "third", ONE, sensors=Sensors("A", "B")).scene
    assert [row["post_sensor"] for row in table(path, "scenes")] == [SENSORS.post, "B"]


def test_gdal_opens_it_and_finds_rows_by_place(inventory: Path) -> None:
    layers_ = dict(pyogrio.list_layers(inventory).tolist())
    assert layers_["landslides"] == layers_["observed"] == "MultiPolygon" and layers_["scenes"] is None
    info = pyogrio.read_info(inventory, layer="landslides")
    assert info["features"] == 2 and info["crs"] == "EPSG:4326" and info["fid_column"] == "OBJECTID"
    west, south, east, north = geopackage.decoded(table(inventory)[0]["geometry"]).bounds
    found = pyogrio.raw.read(inventory, layer="landslides", bbox=(west, south, east, north))
    assert len(found[2]) == 1 and shapely.from_wkb(found[2][0]).bounds == pytest.approx((west, south, east, north))


def test_one_landslide_in_two_scenes(inventory: Path, tmp_path: Path) -> None:
    """The second scene lies 5 rows further down, sees the first landslide a little larger, and not the second one."""
    later = Dates("2024-05-20T00:00:00+00:00", "2024-07-01T00:00:00+00:00")
    second = write_map(tmp_path / "second", [(5, 16, 10, 22), (30, 33, 5, 9)], at=(5, 0), seed=1, shape=(34, 80))
    assert add(inventory, second, ONE, dates=later) == Added(1, 1, 0, same=False, small=1)
    first, _, new = table(inventory)
    assert first["area_m2"] == pytest.approx(480, rel=2e-3)  # of record is what was found first
    assert (first["date_min"], first["date_max"]) == (later.pre, DATES.post)  # the narrowest
    assert (new["date_min"], new["date_max"]) == tuple(later)
    seen = [row["scene"] for row in table(inventory, "observations") if row["uuid"] == first["uuid"]]
    assert len(seen) == len(set(seen)) == 2


def test_a_newer_model_marks_and_never_deletes(inventory: Path, tmp_path: Path) -> None:
    with geopackage.transaction(inventory) as database:  # somebody accepts the second landslide
        database.execute("UPDATE landslides SET review_status = 'accepted', reviewer = 'ada' WHERE OBJECTID = 2")
    reviewed = table(inventory)[1]
    again = write_map(tmp_path / "again", [(10, 20, 10, 20), (40, 44, 50, 69), (2, 5, 2, 8)], model=TWO)
    assert add(inventory, again, TWO, dates=DATES) == Added(2, 1, 1, same=False)
    rows = table(inventory)
    assert len(rows) == 4 and rows[1] == reviewed
    assert rows[0]["superseded_by"] == TWO.digest and rows[0]["review_status"] == "unreviewed"
    assert [row["model_id"] for row in rows[2:]] == [TWO.digest] * 2


def test_small_landslides_are_left_out(tmp_path: Path) -> None:
    path, boxes = tmp_path / "x.gpkg", [*BOXES, (50, 52, 10, 12), (50, 54, 30, 34)]  # the last ones of 4 and 16 pixels
    first = write_map(tmp_path / "first", boxes)
    done = add(path, first, ONE)
    assert done == Added(4, 0, 0, same=False, small=1)
    said = f"inventory: 4 new landslides: {path}\n1 of them under 16 pixels; a new inventory keeps such out with --min"
    assert words.added(path, done).startswith(said)
    assert table(path, "observed")[0]["min_area_m2"] is None

    path = tmp_path / "y.gpkg"
    assert add(path, first, ONE, min_area_m2=50) == Added(3, 0, 0, same=False)
    assert min(row["area_m2"] for row in table(path)) == pytest.approx(64, rel=2e-3)
    assert [row["min_area_m2"] for row in table(path, "observed")] == [50]
    held = path.read_bytes()
    assert add(path, first, ONE, min_area_m2=50) == Added(0, 0, 0, same=True)
    for least in (0.0, 1000.0):  # the map is there as it was asked for first
        again = add(path, first, ONE, min_area_m2=least)
        assert again == Added(0, 0, 0, same=True, least_m2=50)
        said = "has this very map already, with landslides from 50 m2 on; nothing is changed"
        assert said in words.added(path, again)
    assert path.read_bytes() == held


def test_small_parts_that_an_edge_cuts_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.gpkg"
    add(path, write_map(tmp_path / "upper", [(56, 60, 10, 20)]), ONE, min_area_m2=200)
    assert [row["touches_edge"] for row in table(path)] == [1]
    corner = write_map(tmp_path / "corner", [(58, 60, 0, 2)], seed=1)
    assert add(path, corner, ONE, min_area_m2=200) == Added(1, 0, 0, same=False)  # nobody is told to ask for more


def test_edits_in_any_program_keep_the_models_outline(inventory: Path) -> None:
    before = table(inventory)[0]
    edited = shapely.box(*geopackage.decoded(before["geometry"]).bounds).buffer(1e-5)
    for shape in (edited, edited.buffer(1e-6)):
        with geopackage.transaction(inventory) as database:
            database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", (geopackage.encoded(shape),))
    after = table(inventory)[0]
    assert after["review_status"] == "edited" and after["reviewed_at"].endswith("Z")
    assert after["original_geometry"] == before["geometry"]  # of the model, also after a second edit


def test_all_or_nothing(inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = inventory.read_bytes()
    second = write_map(tmp_path / "second", BOXES, model=TWO)
    calls = []

    def fail(*_: Any, **__: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(known.Known, "same", fail)
    with pytest.raises(KeyboardInterrupt):
        add(inventory, second, TWO)
    assert inventory.read_bytes() == before and not list(tmp_path.glob("*-journal"))


def test_what_keeps_it_from_writing(inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = write_map(tmp_path / "second", BOXES, model=TWO)

    def refused(words: str, path: Path = inventory, model: Model = TWO) -> None:
        with pytest.raises(UserError, match=words) as caught:
            add(path, second, model)
        assert "\n" not in str(caught.value)

    monkeypatch.setattr(geopackage, "_WAIT_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(inventory, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused("another program is writing it; close its edits there")
    (tmp_path / "text.gpkg").write_text("hello" * 1000)
    refused("is no inventory of tsmu_jax", tmp_path / "text.gpkg")
    with contextlib.closing(sqlite3.connect(tmp_path / "other.gpkg")) as other, other:
        other.execute("CREATE TABLE x (y)")
    refused("is no inventory of tsmu_jax", tmp_path / "other.gpkg")
    refused("was mapped by another model", model=ONE)
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE tsmu_about SET value = '99' WHERE name = 'schema'")
    refused("of a newer release; update")
    refused("cannot be written", tmp_path / "text.gpkg" / "x.gpkg")
