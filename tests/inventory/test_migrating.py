"""An inventory of an older release gets what it lacks in the change that needs it, and keeps all that it has."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pyogrio
import pytest
import shapely

from tests.inventory.test_adding import BOXES, DATES, ONE, TWO, write_map
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import exporting, furnishing, geopackage, reading, rows, schema
from tsmu_jax.inventory.adding import Added, add
from tsmu_jax.inventory.reading import Which
from tsmu_jax.inventory.sensors import Sensors

# What later schemas have more than schema 1.
NEWER = {
    *("height_m", "slope_deg", "aspect_deg", "pre_image", "post_image", "ecoregion", "ecoregion_source", "na_l1key"),
    *("na_l1name", "uncertainty", "amalgamated", "matched_usgs_id", "match_distance_m", "found_by"),
}
# What tables have more than in schema 4.
LATER = {"scenes": {"pre_sensor", "post_sensor", "pre_gsd_m", "post_gsd_m"}, "observed": {"min_area_m2"}}


def without(table: schema.Table, names: set[str]) -> schema.Table:
    """A table as an older schema has it."""
    return table._replace(columns=tuple(column for column in table.columns if column.name not in names))


SCENES_4, OBSERVED_4 = (without(table, LATER[table.name]) for table in (schema.SCENES, schema.OBSERVED))


def plain(path: Path, table: str, key: str = "OBJECTID") -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY {key}")]


def described(path: Path, table: str) -> dict[str, str]:
    """Returns what the file says of each column of a table."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        asked = "SELECT column_name, description FROM gpkg_data_columns WHERE table_name = ?"
        return dict(database.execute(asked, (table,)).fetchall())


def styles(path: Path) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM layer_styles")]


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory as schema 1 made it, by GDAL and with its rows."""
    path = tmp_path / "older.gpkg"
    add(tmp_path / "now.gpkg", write_map(tmp_path / "first", BOXES), ONE, dates=DATES)
    landslides = without(schema.LANDSLIDES, NEWER)
    tables = (landslides, SCENES_4, OBSERVED_4, schema.OBSERVATIONS, schema.MODELS, schema.ABOUT)
    with monkeypatch.context() as patched:
        patched.setattr(geopackage, "TABLES", tables)
        patched.setattr(schema, "SCHEMA", 1)
        patched.setattr(furnishing, "furnish", lambda database: None)  # no triggers, no styles
        geopackage.create(path)
        with geopackage.transaction(path) as database:
            for table in tables[:-1]:
                for row in plain(tmp_path / "now.gpkg", table.name):
                    newer = NEWER | LATER.get(table.name, set()) | {"OBJECTID"}
                    kept = {name: value for name, value in row.items() if name not in newer}
                    geopackage.upsert(database, table, kept)
    return path


@pytest.fixture
def of_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An inventory as schema 4 made it, furnished for QGIS, with rows, a decision and a style that somebody changed."""
    path = tmp_path / "four.gpkg"
    tables = tuple(without(table, LATER.get(table.name, set())) for table in schema.TABLES)
    makers = {"scenes": rows.scene_row, "observed": rows.observed_row}

    def of_4(table: str) -> Any:
        return lambda *given: {k: v for k, v in makers[table](*given).items() if k not in LATER[table]}

    with monkeypatch.context() as patched:
        patched.setattr(geopackage, "TABLES", tables)
        patched.setattr(schema, "TABLES", tables)
        patched.setattr(schema, "SCHEMA", 4)
        patched.setattr(rows, "scene_row", of_4("scenes"))
        patched.setattr(rows, "observed_row", of_4("observed"))
        add(path, write_map(tmp_path / "first", BOXES), ONE, dates=DATES)
        with geopackage.transaction(path) as database:
            database.execute("UPDATE landslides SET review_status = 'accepted', reviewer = 'ada' WHERE OBJECTID = 1")
            database.execute("UPDATE layer_styles SET styleQML = 'mine' WHERE f_table_name = 'observed'")
    return path


def test_a_change_brings_it_up_to_date(older: Path, tmp_path: Path) -> None:
    before = {name: plain(older, name) for name in ("landslides", "scenes", "observed", "observations", "models")}
    assert len(before["landslides"]) == 2 and not NEWER & before["landslides"][0].keys()
    assert add(older, write_map(tmp_path / "again", BOXES, model=TWO), TWO, dates=DATES) == Added(2, 0, 2, same=False)
    rows = plain(older, "landslides")
    assert all(row["ecoregion"] is None for row in rows[:2]) and all(row["ecoregion"] == "alps" for row in rows[2:])
    for old, new in zip(before["landslides"], rows, strict=False):
        assert new | {"superseded_by": None} == old | dict.fromkeys(NEWER) | {"found_by": "model"}
    for name in ("scenes", "observed", "observations", "models"):
        newer = dict.fromkeys(LATER.get(name, ()))
        assert plain(older, name)[: len(before[name])] == [row | newer for row in before[name]]
    assert {style["f_table_name"] for style in styles(older)} == {"landslides", "observed", "review_queue", "reviewed"}
    with geopackage.transaction(older) as database:
        database.execute("UPDATE landslides SET review_status = 'accepted' WHERE OBJECTID = 1")  # a trigger dates it
    assert plain(older, "landslides")[0]["reviewed_at"]
    assert dict((row["name"], row["value"]) for row in plain(older, "tsmu_about"))["schema"] == str(schema.SCHEMA)


def test_schema_4_becomes_the_current_one_and_keeps_rows_decisions_and_styles(of_4: Path, tmp_path: Path) -> None:
    tables = [table.name for table in schema.TABLES if table is not schema.ABOUT] + ["layer_styles"]
    key = {"layer_styles": "id"}
    before = {name: plain(of_4, name, key.get(name, "OBJECTID")) for name in tables}
    assert [len(before[name]) for name in ("landslides", "scenes", "decisions", "layer_styles")] == [2, 1, 1, 4]
    for name, newer in LATER.items():
        assert not newer & before[name][0].keys() and not newer & described(of_4, name).keys()
    about = {row["name"]: row["value"] for row in plain(of_4, "tsmu_about")}
    assert about["schema"] == "4"
    with geopackage.transaction(of_4):
        pass  # any change
    for name in tables:
        newer = dict.fromkeys(LATER.get(name, ()))
        assert plain(of_4, name, key.get(name, "OBJECTID")) == [row | newer for row in before[name]], name
    assert {row["name"]: row["value"] for row in plain(of_4, "tsmu_about")} == about | {"schema": str(schema.SCHEMA)}
    meanings = {column.name: column.meaning for column in schema.SCENES.columns if column.meaning}
    assert described(of_4, "scenes") == meanings and meanings.keys() > LATER["scenes"]  # as QGIS shows them
    info = pyogrio.read_info(of_4, layer="scenes")
    dtypes = dict(zip(info["fields"], info["dtypes"], strict=True))
    assert [dtypes[name] for name in sorted(LATER["scenes"])] == ["float64", "object", "float64", "object"]
    after = of_4.read_bytes()
    with geopackage.transaction(of_4):
        pass
    assert of_4.read_bytes() == after


def test_a_map_that_schema_4_held_fills_what_its_scene_lacks(of_4: Path, tmp_path: Path) -> None:
    again = write_map(tmp_path / "again", BOXES, gsd_m={"pre": [10.0, 9.0], "post": [2.0, 2.5]})
    before = plain(of_4, "scenes")[0]
    told = Added(0, 0, 0, same=True, scene=True)
    assert add(of_4, again, ONE, dates=DATES, sensors=Sensors("Landsat 8", "Sentinel-2B MSI")) == told
    new = {"pre_sensor": "Landsat 8", "post_sensor": "Sentinel-2B MSI", "pre_gsd_m": 10.0, "post_gsd_m": 2.5}
    assert plain(of_4, "scenes") == [before | new]


def test_rows_that_people_drew_get_a_name_and_can_be_reshaped(older: Path) -> None:
    west, south, east, north = geopackage.decoded(plain(older, "landslides")[0]["geometry"]).bounds
    shapes = [geopackage.encoded(shapely.box(west, south, east, north + more)) for more in (0, 1e-4)]
    with contextlib.closing(sqlite3.connect(older, isolation_level=None)) as database:
        for name, function in geopackage._FUNCTIONS.items():
            database.create_function(name, 1, function)
        for status in (None, "unreviewed", "rejected", "seen"):
            row = (shapes[0], status)
            database.execute("INSERT INTO landslides (geometry, review_status) VALUES (?, ?)", row)
    before = plain(older, "landslides")
    with geopackage.transaction(older) as database:
        database.execute("UPDATE landslides SET geometry = ? WHERE OBJECTID > 2", (shapes[1],))
    rows = plain(older, "landslides")
    assert [row["review_status"] for row in rows[2:]] == ["accepted", "accepted", "rejected", "accepted"]
    assert len({row["uuid"] for row in rows}) == 6 and all(len(row["uuid"]) == 36 for row in rows)
    assert all(row["reviewed_at"] and row["geometry"] == shapes[1] for row in rows[2:])
    assert [{name: row[name] for name in before[0]} for row in rows[:2]] == before[:2]
    assert [row["found_by"] for row in rows] == ["model"] * 2 + ["people"] * 4


def test_what_people_decided_before_decisions_were_kept_is_kept(older: Path) -> None:
    rows = plain(older, "landslides")
    outline = geopackage.encoded(shapely.box(*geopackage.decoded(rows[1]["geometry"]).bounds).buffer(1e-5))
    with contextlib.closing(sqlite3.connect(older, isolation_level=None)) as database:
        for name, function in geopackage._FUNCTIONS.items():
            database.create_function(name, 1, function)
        said = "review_status = ?, reviewer = 'ada', reviewed_at = '2024-07-01T10:00:00Z'"
        database.execute(f"UPDATE landslides SET {said} WHERE OBJECTID = 1", ("rejected",))
        changed = f"UPDATE landslides SET {said}, geometry = ?, original_geometry = geometry WHERE OBJECTID = 2"
        database.execute(changed, ("edited", outline))
    before = plain(older, "landslides")
    with geopackage.transaction(older) as database:
        assert dict(database.execute("SELECT landslide, status FROM tsmu_standing").fetchall()) == {
            rows[0]["uuid"]: "rejected",
            rows[1]["uuid"]: "edited",
        }
    assert [{name: row[name] for name in before[0]} for row in plain(older, "landslides")] == before
    names = ("landslide", "verdict", "reviewer", "decided_at", "geometry_before", "geometry_after")
    assert [tuple(row[name] for name in names) for row in plain(older, "decisions")] == [
        (rows[0]["uuid"], "rejected", "ada", "2024-07-01T10:00:00.000Z", None, None),
        (rows[1]["uuid"], "edited", "ada", "2024-07-01T10:00:00.000Z", rows[1]["geometry"], outline),
    ]


def test_gdal_reads_the_result_as_one_made_today(older: Path, tmp_path: Path) -> None:
    with geopackage.transaction(older) as database:
        geopackage.upsert(database, schema.COLUMN_MAPS, {"name": "usgs", "version": "1", "columns": "{}"})
    for name in ("older.gpkg", "now.gpkg"):
        assert dict(pyogrio.list_layers(tmp_path / name).tolist())["column_maps"] is None
    for layer in ("landslides", "scenes", "column_maps"):
        info = [pyogrio.read_info(tmp_path / name, layer=layer) for name in ("older.gpkg", "now.gpkg")]
        fields = [dict(zip(one["fields"], one["dtypes"], strict=True)) for one in info]
        assert fields[0] == fields[1]
    assert pyogrio.read_info(older, layer="column_maps")["features"] == 1  # as the triggers counted
    with geopackage.transaction(older) as database:
        database.execute("DELETE FROM column_maps")
    assert pyogrio.read_info(older, layer="column_maps")["features"] == 0


def test_a_new_layer_is_as_gdal_makes_it(older: Path, tmp_path: Path) -> None:
    """Its tables, indexes and triggers are those of an inventory made today, and its index finds what is in it."""
    with geopackage.transaction(older) as database:
        for number in range(3):
            row = {"uuid": str(number), "geometry": geopackage.encoded(shapely.box(number, 0, number + 0.5, 1))}
            geopackage.upsert(database, schema.REVIEWED, row)
    held = []
    for name in ("older.gpkg", "now.gpkg"):
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as database:
            found = database.execute(
                "SELECT type, name, sql FROM sqlite_master WHERE name LIKE '%reviewed%'"
            ).fetchall()
            ours = [
                database.execute(f"SELECT * FROM {table} WHERE table_name = 'reviewed'").fetchone()
                for table in ("gpkg_geometry_columns", "gpkg_extensions")
            ]
            held.append((sorted((kind, each, "".join(sql.split())) for kind, each, sql in found), ours))
    assert held[0] == held[1] and len(held[0][0]) > 10
    info = pyogrio.read_info(older, layer="reviewed")
    assert (info["features"], info["geometry_type"]) == (3, "MultiPolygon")
    found = pyogrio.raw.read(older, layer="reviewed", bbox=(1.1, 0.1, 1.2, 0.2), columns=["uuid"])
    assert list(found[3][0]) == ["1"]


def test_what_fails_leaves_it_as_it_was(older: Path) -> None:
    before = older.read_bytes()
    with pytest.raises(KeyboardInterrupt), geopackage.transaction(older) as database:
        assert "ecoregion" in {row[1] for row in database.execute("PRAGMA table_info(landslides)")}
        raise KeyboardInterrupt
    assert older.read_bytes() == before


def test_reading_changes_nothing(older: Path, tmp_path: Path) -> None:
    before = older.read_bytes()
    with reading.opened(older) as database:
        found = reading.columns(database, schema.LANDSLIDES, ("uuid", "ecoregion"))
        assert reading.columns(database, schema.COLUMN_MAPS, ("name",)) == {"name": []}
    assert len(set(found["uuid"])) == 2 and found["ecoregion"] == [None, None]
    done = exporting.export(older, tmp_path / "all.csv", form="all", which=Which.CURRENT)
    assert done.landslides == 2 and older.read_bytes() == before


@pytest.mark.parametrize(("value", "said"), [("99", "is of a newer release; update"), ("two", "is no inventory of")])
def test_other_schemas_are_refused(older: Path, value: str, said: str) -> None:
    with contextlib.closing(sqlite3.connect(older)) as database, database:
        database.execute("UPDATE tsmu_about SET value = ? WHERE name = 'schema'", (value,))
    for open_ in (geopackage.transaction, reading.opened):
        with pytest.raises(UserError, match=said), open_(older):
            pass
