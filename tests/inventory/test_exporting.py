"""Exports say what the inventory says, in the form that each standard asks for, and replace nothing by accident."""

import contextlib
import csv
import datetime
import json
import sqlite3
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyarrow.parquet
import pyproj
import pytest
import shapely

from tests.inventory.test_adding import BOXES, DATES, ONE, table, write_map
from tsmu_jax import cells
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import degrees, exporting, forms, geopackage, others, schema, writing
from tsmu_jax.inventory.adding import add
from tsmu_jax.inventory.reading import Which

USGS = [
    *("OBJECTID", "Date", "Fatalities", "Confidence", "Inventory", "InventoryURL"),
    *("LS_ID", "Info_source", "Notes", "Latitude", "Longitude"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of five landslides: as they were found, accepted, edited with a hole, rejected, superseded."""
    path = tmp_path_factory.mktemp("made") / "landslides.gpkg"
    boxes = (*BOXES, (2, 6, 2, 8), (30, 36, 5, 9), (50, 56, 60, 66))
    add(path, write_map(path.parent / "first", boxes), ONE, dates=DATES)
    with geopackage.transaction(path) as database:
        ids = [row["OBJECTID"] for row in geopackage.rows(database, schema.LANDSLIDES)]
        database.execute(
            "UPDATE landslides SET review_status = 'accepted', Confidence = 8 WHERE OBJECTID = ?", ids[1:2]
        )
        row = next(geopackage.rows(database, schema.LANDSLIDES, "OBJECTID = ?", ids[2:3]))
        shape = geopackage.decoded(row["geometry"]).geoms[0]
        holed = shapely.difference(shape, shapely.box(*shape.centroid.buffer(1e-5).bounds))
        database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID = ?", (geopackage.encoded(holed), ids[2]))
        database.execute("UPDATE landslides SET Notes = '=1+1', Date = '5/12/2024' WHERE OBJECTID = ?", ids[2:3])
        database.execute("UPDATE landslides SET review_status = 'rejected' WHERE OBJECTID = ?", ids[3:4])
        database.execute("UPDATE landslides SET superseded_by = 'another' WHERE OBJECTID = ?", ids[4:])
    return path


@pytest.fixture
def inventory(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "landslides.gpkg"
    path.write_bytes(made.read_bytes())
    return path


def written(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_usgs_columns(inventory: Path, tmp_path: Path) -> None:
    rows = table(inventory)
    exporting.export(inventory, tmp_path / "x.csv", form=None, which=Which.CURRENT)
    first, second, third = written(tmp_path / "x.csv")
    assert list(first) == USGS
    assert first["LS_ID"] == rows[0]["uuid"] and first["Date"] == "2024-05-01/2024-06-01" and first["Fatalities"] == ""
    assert float(first["Latitude"]) == rows[0]["Latitude"] and float(first["Longitude"]) == rows[0]["Longitude"]
    assert first["Info_source"] == "mapped by tsmu_jax model 111111111111 from after.tif"
    assert second["Confidence"] == "8" and third["Date"] == "5/12/2024"
    assert third["Notes"] == "'=1+1" and cells.original(third["Notes"]) == "=1+1"


def test_points_lie_within_the_shapes_of_today(inventory: Path, tmp_path: Path) -> None:
    """Of a shape that somebody moved across 180 degrees, and of one that somebody drew."""
    moved, drawn = shapely.box(179.9, 10, 180.3, 10.1), shapely.box(5, 5, 6, 6)
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", (geopackage.encoded(moved),))
        database.execute("INSERT INTO landslides (geometry) VALUES (?)", (geopackage.encoded(drawn),))
    before = table(inventory)
    exporting.export(inventory, tmp_path / "x.csv", form=None, which=Which.ALL)
    rows = written(tmp_path / "x.csv")
    assert -180 < float(rows[0]["Longitude"]) < -179.7 and 10 < float(rows[0]["Latitude"]) < 10.1
    assert drawn.covers(shapely.Point(float(rows[-1]["Longitude"]), float(rows[-1]["Latitude"])))
    assert float(rows[1]["Longitude"]) == before[1]["Longitude"]
    exporting.export(inventory, tmp_path / "x.geojson", form=None, which=Which.ALL)
    measured = [each["properties"] for each in json.loads((tmp_path / "x.geojson").read_text())["features"]]
    assert before[0]["area_m2"] is None  # emptied by the edit
    assert measured[0]["area_m2"] == pytest.approx(0.4 * 109_640 * 0.1 * 110_610, rel=2e-3)  # metres a degree at 10 N
    assert measured[1]["area_m2"] == pytest.approx(before[1]["area_m2"])


def test_coolr_columns(inventory: Path, tmp_path: Path) -> None:
    exporting.export(inventory, tmp_path / "x.csv", form="coolr", which=Which.CURRENT)
    first, _, third = written(tmp_path / "x.csv")
    assert len(first) == 31 and list(first)[:4] == ["source_name", "source_link", "event_id", "event_date"]
    assert first["event_date"] == "" and third["event_date"] == "05/12/2024"  # a bracket is no date
    assert first["event_description"].startswith("Mapped on images of 2024-05-01 and 2024-06-01; area 96 m2")
    assert first["fatality_count"] == "" and first["event_import_id"] == table(inventory)[0]["uuid"]


def test_columns_of_coolrs_event_polygons(inventory: Path, tmp_path: Path) -> None:
    """Which `match` reads again: its own identifiers and days."""
    exporting.export(inventory, tmp_path / "x.geojson", form="coolr_events", which=Which.CURRENT)
    found = json.loads((tmp_path / "x.geojson").read_text())["features"]
    first, _, third = (each["properties"] for each in found)
    row = table(inventory)[0]
    assert list(first)[:4] == ["src_name", "src_link", "ev_id", "ev_date"]
    assert {each["geometry"]["type"] for each in found} == {"MultiPolygon"}
    assert (first["ev_date"], third["ev_date"]) == (None, "2024-05-12")
    assert (first["sat_date_b"], first["sat_date_a"]) == ("2024-05-01", "2024-06-01")
    assert (first["shape_Area"], first["shape_Leng"]) == (row["area_m2"], row["perimeter_m"])
    assert (first["ev_imp_id"], first["method"], first["fatalities"]) == (row["uuid"], "tsmu_jax, found by model", None)
    for number, each in enumerate(found):
        each["properties"]["ev_id"] = 100 + number  # as the repository gives them
    (tmp_path / "x.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": found}))
    read = others.read(tmp_path / "x.geojson", others.Columns())
    assert read.ids == ("100", "101", "102") and read.dates[2].first == read.dates[2].last == datetime.date(2024, 5, 12)


def test_the_image_type_of_coolr_is_the_sensor(inventory: Path, tmp_path: Path) -> None:
    """Of the image after the event, of the scene in which a landslide was first found; of drawn ones nobody knows."""
    drawn = geopackage.encoded(shapely.box(5, 5, 6, 6))
    with geopackage.transaction(inventory) as database:
        (first,) = database.execute("SELECT scene FROM scenes").fetchone()
        database.execute("UPDATE scenes SET pre_sensor = 'Landsat 8', post_sensor = 'Sentinel-2B MSI'")
        database.execute("INSERT INTO scenes (scene, post_sensor) VALUES ('later', 'UAV')")
        again = "SELECT uuid, 'later', model_id FROM landslides ORDER BY OBJECTID LIMIT 1"
        database.execute(f"INSERT INTO observations (uuid, scene, model_id) {again}")
        changed = "UPDATE observations SET scene = 'later' WHERE scene = ? AND uuid IN "
        database.execute(f"{changed} (SELECT uuid FROM landslides WHERE OBJECTID = 2)", (first,))
        database.execute("INSERT INTO landslides (geometry) VALUES (?)", (drawn,))
    exporting.export(inventory, tmp_path / "x.csv", form="coolr_events", which=Which.CURRENT)
    assert [row["img_type"] for row in written(tmp_path / "x.csv")] == ["Sentinel-2B MSI", "UAV", "Sentinel-2B MSI", ""]


def test_an_older_inventory_has_no_image_type(inventory: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(inventory)) as database, database:
        database.execute("ALTER TABLE scenes DROP COLUMN post_sensor")
        database.execute("UPDATE tsmu_about SET value = '4' WHERE name = 'schema'")
    exporting.export(inventory, tmp_path / "x.csv", form="coolr_events", which=Which.CURRENT)
    assert {row["img_type"] for row in written(tmp_path / "x.csv")} == {""}


@pytest.mark.parametrize(("which", "count"), [(Which.CURRENT, 3), (Which.REVIEWED, 2), (Which.ALL, 5)])
def test_which_rows(inventory: Path, tmp_path: Path, which: Which, count: int) -> None:
    for suffix in exporting.WRITERS:
        done = exporting.export(inventory, tmp_path / f"x{suffix}", form=None, which=which)
        assert done == (count, 0, "")
    assert len(written(tmp_path / "x.csv")) == count == len(geopandas.read_parquet(tmp_path / "x.parquet"))
    assert len(json.loads((tmp_path / "x.geojson").read_text())["features"]) == count


def test_geojson_is_that_of_rfc_7946(inventory: Path, tmp_path: Path) -> None:
    exporting.export(inventory, tmp_path / "x.geojson", form=None, which=Which.CURRENT)
    text = (tmp_path / "x.geojson").read_text()
    found = json.loads(text)
    assert found["type"] == "FeatureCollection" and "crs" not in found
    kept = [row for row in table(inventory) if row["review_status"] != "rejected" and not row["superseded_by"]]
    for feature, row in zip(found["features"], kept, strict=True):
        assert feature["properties"]["uuid"] == row["uuid"] and feature["properties"]["Fatalities"] is None
        shape = shapely.geometry.shape(feature["geometry"])
        assert shape.hausdorff_distance(geopackage.decoded(row["geometry"])) < 1e-7
        for polygon in shapely.get_parts(shape):
            assert polygon.exterior.is_ccw and not any(ring.is_ccw for ring in polygon.interiors)
        numbers = np.array(feature["geometry"]["coordinates"][0][0])
        assert np.abs(numbers - numbers.round(7)).max() < 1e-12 and 14 < numbers[:, 0].min() < 16
    assert len(found["features"][2]["geometry"]["coordinates"][0]) == 2  # with its hole
    assert "original_geometry" not in text


def test_geoparquet_says_what_it_is(inventory: Path, tmp_path: Path) -> None:
    exporting.export(inventory, tmp_path / "x.parquet", form=None, which=Which.ALL)
    meta = json.loads(pyarrow.parquet.read_schema(tmp_path / "x.parquet").metadata[b"geo"])
    assert meta["version"] == "1.1.0" and meta["primary_column"] == "geometry"
    assert meta["columns"]["geometry"]["encoding"] == "WKB"
    found = geopandas.read_parquet(tmp_path / "x.parquet")
    assert found.crs.to_epsg() == 4326 and list(found["OBJECTID"]) == [row["OBJECTID"] for row in table(inventory)]
    assert found["Fatalities"].isna().all() and found["area_m2"].dtype == "Float64"
    assert found.geometry.iloc[0].equals(geopackage.decoded(table(inventory)[0]["geometry"]))


@pytest.mark.parametrize("shift", [0, 360, -360])
def test_polygons_across_180_degrees(shift: float) -> None:
    """With a hole on each side, one across, and an edge along 180 degrees, at whatever turn the longitudes count."""
    holes = [shapely.box(west, -16.97, west + 0.02, -16.93) for west in (179.95, 180.05, 179.99)]
    whole = shapely.difference(shapely.box(179.9, -17, 180.1, -16.9), shapely.union_all(holes))
    placed = shapely.transform(whole, lambda points: points + [shift, 0])
    cut = degrees.within_bounds(placed)
    assert cut.is_valid and cut.geom_type == "MultiPolygon" and cut.bounds[0] == -180 and cut.bounds[2] == 180
    assert cut.area == pytest.approx(whole.area)
    again = shapely.union_all(shapely.transform(cut, lambda points: np.where(points < -90, points + [360, 0], points)))
    assert again.symmetric_difference(whole).area < 1e-12
    edge = degrees.within_bounds(shapely.box(180 + shift, -17, 180.1 + shift, -16.9))
    assert (
        edge.is_valid and edge.area == pytest.approx(0.01) and edge.bounds == pytest.approx((-180, -17, -179.9, -16.9))
    )
    inside = shapely.box(1, 2, 3, 4)
    assert degrees.within_bounds(inside) is inside


def test_files_across_180_degrees_stay_within_bounds(inventory: Path, tmp_path: Path) -> None:
    across = shapely.box(179.99, 10, 180.01, 10.01)
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", (geopackage.encoded(across),))
    for suffix in (".geojson", ".parquet"):
        exporting.export(inventory, tmp_path / f"x{suffix}", form=None, which=Which.ALL)
    shape = shapely.geometry.shape(json.loads((tmp_path / "x.geojson").read_text())["features"][0]["geometry"])
    for one in (shape, geopandas.read_parquet(tmp_path / "x.parquet").geometry.iloc[0]):
        assert len(one.geoms) == 2 and one.bounds[0] == -180 and one.bounds[2] == 180
        assert one.area == pytest.approx(across.area, rel=1e-4)


def test_the_form_is_kept_in_the_inventory(inventory: Path, tmp_path: Path) -> None:
    exporting.export(inventory, tmp_path / "x.csv", form=None, which=Which.ALL)
    (row,) = table(inventory, "column_maps")
    assert (row["name"], row["version"]) == ("usgs", forms.load("usgs").version)
    assert [column["name"] for column in json.loads(row["columns"])["columns"]] == USGS
    before = inventory.read_bytes()
    exporting.export(inventory, tmp_path / "again.csv", form="usgs", which=Which.ALL)
    assert inventory.read_bytes() == before


def test_forms_ask_for_columns_that_there_are() -> None:
    known = {column.name for column in schema.LANDSLIDES.columns} | {"OBJECTID"} | forms.OF_SCENE
    for name in (*forms.NAMES, forms.ALL):
        assert set(forms.load(name).needed) <= known


def test_an_inventory_that_cannot_be_written_is_exported(
    inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geopackage, "_WAIT_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(inventory, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = exporting.export(inventory, tmp_path / "x.csv", form=None, which=Which.CURRENT)
    assert done.landslides == 3 and "another program is writing it" in done.unrecorded
    assert len(written(tmp_path / "x.csv")) == 3 and table(inventory, "column_maps") == []


@pytest.mark.parametrize("suffix", exporting.WRITERS)
def test_an_empty_inventory(tmp_path: Path, suffix: str) -> None:
    geopackage.create(tmp_path / "empty.gpkg")
    done = exporting.export(tmp_path / "empty.gpkg", tmp_path / f"x{suffix}", form=None, which=Which.CURRENT)
    assert done.landslides == 0
    if suffix != ".csv":
        read = geopandas.read_parquet if suffix == ".parquet" else geopandas.read_file
        assert len(read(tmp_path / f"x{suffix}")) == 0


def test_what_a_person_accepted_is_current_whatever_superseded_it(inventory: Path, tmp_path: Path) -> None:
    """Also in the row of a model that another one had superseded before the person came."""
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET superseded_by = 'x', review_status = 'accepted' WHERE OBJECTID = 5")
    exporting.export(inventory, tmp_path / "x.csv", form="all", which=Which.CURRENT)
    found = [row["review_status"] for row in written(tmp_path / "x.csv")]
    assert found == ["unreviewed", "accepted", "edited", "accepted"]


@pytest.mark.parametrize("suffix", exporting.WRITERS)
def test_outlines_that_cross_themselves_are_measured_as_they_look(inventory: Path, tmp_path: Path, suffix: str) -> None:
    """Two triangles drawn in one stroke, as large as each would be alone; a line that goes back encloses nothing."""
    west, south, east, north = 15.0, 47.0, 15.01, 47.01
    middle = (west + east) / 2, (south + north) / 2
    bowtie = shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])
    flat = shapely.Polygon([(west, south), (east, south), (west, south)])
    with geopackage.transaction(inventory) as database:
        for number, shape in ((1, bowtie), (2, flat)):
            values = (geopackage.encoded(shape), number)
            database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID = ?", values)
    done = exporting.export(inventory, tmp_path / f"x{suffix}", form="all", which=Which.CURRENT)
    assert (done.landslides, done.without_geometry) == (2, 1)
    triangles = [[(x, south), (x, north), middle] for x in (west, east)]
    area = sum(abs(pyproj.Geod(ellps="WGS84").polygon_area_perimeter(*zip(*one, strict=True))[0]) for one in triangles)
    if suffix == ".csv":
        found, geometry = written(tmp_path / "x.csv")[0]["area_m2"], None
    else:
        read = geopandas.read_parquet if suffix == ".parquet" else geopandas.read_file
        row = read(tmp_path / f"x{suffix}").iloc[0]
        found, geometry = row["area_m2"], row.geometry
        assert geometry.is_valid and geometry.area == pytest.approx(0.5e-4)
    assert float(found) == pytest.approx(area, rel=1e-6)


def test_what_other_programs_leave_in_a_row(inventory: Path, tmp_path: Path) -> None:
    """SQLite keeps a text in a column of numbers; QGIS can empty a geometry."""
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET Fatalities = 'some', prob_mean = 1e999 WHERE OBJECTID = 1")
        database.execute("UPDATE landslides SET geometry = NULL WHERE OBJECTID = 2")
    done = exporting.export(inventory, tmp_path / "x.geojson", form=None, which=Which.ALL)
    assert (done.landslides, done.without_geometry) == (4, 1)
    first = json.loads((tmp_path / "x.geojson").read_text())["features"][0]["properties"]
    assert first["Fatalities"] is None and first["prob_mean"] is None


def test_nothing_is_replaced_by_accident(inventory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def export(output: Path, **options: Any) -> None:
        exporting.export(inventory, output, **{"form": None, "which": Which.ALL} | options)

    (tmp_path / "x.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "x.csv")
    for name, said in (
        ("x.csv", "is there already; name another file, or add --overwrite"),
        ("folder.csv", "is a directory"),
        ("link.csv", "is a link"),
        ("nowhere/x.csv", "there is no directory"),
        ("x.shp", r"name a file that ends in .geojson, .parquet, .csv"),
        *((f"/proc/x{suffix}", "cannot be written") for suffix in exporting.WRITERS if Path("/proc/self").exists()),
    ):
        with pytest.raises(UserError, match=said) as caught:
            export(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "x.csv").read_text() == "mine"

    def cut_off(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(writing.Path, "replace", cut_off)
        with pytest.raises(UserError, match="No space left"):
            export(tmp_path / "x.csv", overwrite=True)
    assert (tmp_path / "x.csv").read_text() == "mine" and not list(tmp_path.glob(".*partial*"))
    export(tmp_path / "x.csv", overwrite=True)
    assert len(written(tmp_path / "x.csv")) == 5


def test_what_is_no_inventory(tmp_path: Path) -> None:
    (tmp_path / "text.gpkg").write_text("hello" * 1000)
    geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=4326).to_file(tmp_path / "other.gpkg")
    for name, said in (
        ("none.gpkg", "there is no such file"),
        ("text.gpkg", "is no inventory of tsmu_jax"),
        ("other.gpkg", "is no inventory of tsmu_jax"),
    ):
        with pytest.raises(UserError, match=said) as caught:
            exporting.export(tmp_path / name, tmp_path / "x.csv", form=None, which=Which.ALL)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "none.gpkg").exists() and not (tmp_path / "x.csv").exists()
