"""Triggers, styles and descriptions: any SQLite client is held to the rules; an old inventory is brought up to date."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapely

from tests.inventory.test_adding import BOXES, DATES, ONE, TWO, table, write_map
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import furnishing, geopackage, looks, schema
from tsmu_jax.inventory.adding import add


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    add(root / "landslides.gpkg", write_map(root / "map", BOXES), ONE, dates=DATES)
    return root / "landslides.gpkg"


@pytest.fixture
def inventory(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with geopackage.transaction(path) as database:
        yield database


def change(path: Path, statement: str, *values: Any) -> None:
    with opened(path) as database:
        database.execute(statement, values)


def outline(path: Path, number: int, grow: float) -> bytes:
    row = next(each for each in table(path) if each["OBJECTID"] == number)
    return geopackage.encoded(geopackage.decoded(row["geometry"]).buffer(grow))


def test_a_review_says_when(inventory: Path) -> None:
    change(inventory, "UPDATE landslides SET review_status = 'accepted', Confidence = 8 WHERE OBJECTID = 1")
    assert table(inventory)[0]["reviewed_at"].endswith("Z")
    change(inventory, "UPDATE landslides SET review_status = 'rejected', reviewed_at = '2024-07-01' WHERE OBJECTID = 1")
    assert table(inventory)[0]["reviewed_at"] == "2024-07-01"  # who says when is believed
    change(inventory, "UPDATE landslides SET review_status = 'unreviewed', Confidence = 1 WHERE OBJECTID = 1")
    assert table(inventory)[0]["reviewed_at"] is None


@pytest.mark.parametrize("values", ["review_status = 'unreviewed'", "review_status = 'unreviewed', reviewed_at = NULL"])
def test_an_edited_row_stays_edited_and_dated(inventory: Path, values: str) -> None:
    change(inventory, "UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", outline(inventory, 1, 1e-5))
    change(inventory, f"UPDATE landslides SET {values} WHERE OBJECTID = 1")
    row = table(inventory)[0]
    assert row["review_status"] == "edited" and row["reviewed_at"].endswith("Z")


@pytest.mark.parametrize("status", ["unreviewed", "accepted", "edited", "rejected"])
def test_a_changed_outline_is_an_edited_row(inventory: Path, status: str) -> None:
    """Also where one statement changes both, and where the status comes later."""
    before = table(inventory)[0]
    both = "UPDATE landslides SET geometry = ?, review_status = ? WHERE OBJECTID = 1"
    change(inventory, both, outline(inventory, 1, 1e-5), status)
    for _ in range(2):
        after = table(inventory)[0]
        assert after["review_status"] == ("rejected" if status == "rejected" else "edited")
        assert after["original_geometry"] == before["geometry"] != after["geometry"] and after["area_m2"] is None
        assert after["reviewed_at"].endswith("Z")
        change(inventory, "UPDATE landslides SET review_status = ? WHERE OBJECTID = 1", status)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ("review_status = 'done'", "must be unreviewed, accepted, edited, rejected or unsure"),
        ("review_status = NULL", "must be unreviewed, accepted, edited, rejected or unsure"),
        ("review_status = 'disputed'", "disputed once two reviewers disagree"),
        ("Confidence = 5", "set review_status to accepted"),
        ("Confidence = 4, review_status = 'accepted'", "must be 1, 2 or 3"),
        ("uuid = 'x'", "names the landslide for good"),
    ],
)
def test_what_cannot_be_is_refused(inventory: Path, changed: str, words: str) -> None:
    before = inventory.read_bytes()
    with pytest.raises(UserError, match=words) as caught:
        change(inventory, f"UPDATE landslides SET {changed} WHERE OBJECTID = 1")
    assert "\n" not in str(caught.value) and inventory.read_bytes() == before


def test_what_a_model_found_is_kept(inventory: Path) -> None:
    with pytest.raises(UserError, match="set review_status to rejected instead"):
        change(inventory, "DELETE FROM landslides WHERE OBJECTID = 1")
    change(inventory, "UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", outline(inventory, 1, 1e-5))
    with pytest.raises(UserError, match="keeps the outline that the model found"):
        change(inventory, "UPDATE landslides SET original_geometry = NULL WHERE OBJECTID = 1")
    assert len(table(inventory)) == 2


def test_people_draw_and_remove_what_they_drew(inventory: Path) -> None:
    bowtie = geopackage.encoded(shapely.Polygon([(15, 45), (15.001, 45.001), (15.001, 45), (15, 45.001)]))
    change(inventory, "INSERT INTO landslides (geometry, Confidence) VALUES (?, 8)", bowtie)
    change(inventory, "INSERT INTO landslides (geometry, review_status) VALUES (?, 'rejected')", bowtie)
    _, _, drawn, negative = table(inventory)
    assert drawn["review_status"] == "accepted" and negative["review_status"] == "rejected"
    assert drawn["uuid"] != negative["uuid"] and drawn["uuid"][14] == "4" and drawn["uuid"][19] in "89ab"
    change(inventory, "UPDATE landslides SET geometry = ? WHERE OBJECTID = 3", outline(inventory, 1, 1e-5))
    drawn = table(inventory)[2]
    assert drawn["original_geometry"] is None and drawn["review_status"] == "accepted"
    change(inventory, "DELETE FROM landslides WHERE OBJECTID = 4")
    assert [row["OBJECTID"] for row in table(inventory)] == [1, 2, 3]


def test_a_drawn_row_without_a_status_can_be_reshaped(inventory: Path) -> None:
    change(inventory, "INSERT INTO landslides (geometry) VALUES (?)", outline(inventory, 1, 1e-5))
    with opened(inventory) as database:  # as other programs may leave it
        database.execute("DROP TRIGGER landslides_status_updated")
        database.execute("UPDATE landslides SET review_status = NULL WHERE OBJECTID = 3")
        furnishing.furnish(database)
    change(inventory, "UPDATE landslides SET geometry = ? WHERE OBJECTID = 3", outline(inventory, 1, 2e-5))
    assert table(inventory)[2]["review_status"] == "accepted"


def test_parts_of_a_rejected_landslide_are_rejected(inventory: Path) -> None:
    change(inventory, "UPDATE landslides SET review_status = 'rejected' WHERE OBJECTID = 1")
    columns = "geometry, model_id, review_status, prob_mean, amalgamated"
    change(inventory, f"INSERT INTO landslides ({columns}) SELECT {columns} FROM landslides WHERE OBJECTID = 1")
    change(inventory, f"INSERT INTO landslides ({columns}) SELECT {columns} FROM landslides WHERE OBJECTID = 2")
    assert [row["review_status"] for row in table(inventory)[2:]] == ["rejected", "edited"]


def test_outlines_that_cross_themselves_stop_no_map(inventory: Path, tmp_path: Path) -> None:
    west, south, east, north = geopackage.decoded(table(inventory)[0]["geometry"]).bounds
    bowtie = shapely.Polygon([(west, south), (east, north), (east, south), (west, north)])
    change(inventory, "UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", geopackage.encoded(bowtie))
    assert add(inventory, write_map(tmp_path / "two", BOXES, model=TWO), TWO).superseded == 1
    row = table(inventory)[0]
    assert row["area_m2"] == pytest.approx(240, rel=0.01) and row["review_status"] == "edited"


def test_an_older_inventory_is_brought_up_to_date(inventory: Path) -> None:
    def furniture() -> list[Any]:
        with opened(inventory) as database:
            held = [database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")]
            held.append(database.execute('SELECT f_table_name, "styleQML", "useAsDefault" FROM layer_styles'))
            held.append(database.execute("SELECT table_name, column_name, description FROM gpkg_data_columns"))
            return [each.fetchall() for each in held]

    new = furniture()
    assert len(new[1]) == 4 and ("landslides", "area_m2") in {row[:2] for row in new[2]}
    with opened(inventory) as database:
        for name in ("landslides_kept", "landslides_edited"):
            database.execute(f"DROP TRIGGER {name}")
        database.execute("CREATE TRIGGER landslides_edited AFTER UPDATE OF geometry ON landslides BEGIN SELECT 1; END")
        database.execute("DROP TABLE layer_styles")
        database.execute("DELETE FROM gpkg_contents WHERE table_name = 'layer_styles'")
        database.execute("DROP TABLE gpkg_data_columns")
    for _ in range(2):
        with opened(inventory) as database:
            furnishing.furnish(database)
        assert furniture() == new
        before = inventory.read_bytes()
    with opened(inventory) as database:
        furnishing.furnish(database)
    assert inventory.read_bytes() == before


def test_a_style_that_somebody_has_changed_stays(inventory: Path) -> None:
    change(inventory, "UPDATE layer_styles SET \"styleQML\" = '<qgis/>' WHERE f_table_name = 'landslides'")
    with opened(inventory) as database:
        furnishing.furnish(database)
        held = dict(database.execute('SELECT f_table_name, "styleQML" FROM layer_styles').fetchall())
    assert held["landslides"] == "<qgis/>" and held["observed"].startswith("<!DOCTYPE qgis")


@pytest.mark.parametrize(
    ("status", "superseded_by", "label"),
    [
        ("unreviewed", None, "probable, to review"),
        ("unreviewed", "", "probable, to review"),
        ("unreviewed", "x", "superseded by a later map"),
        ("accepted", "x", "accepted"),
        ("rejected", "", "rejected"),
        ("unsure", None, "unsure, to review"),
    ],
)
def test_each_row_is_drawn_by_one_rule(inventory: Path, status: str, superseded_by: str | None, label: str) -> None:
    """The filters are SQL, too: an empty digest is none, as in exports."""
    values = status, superseded_by
    change(inventory, "UPDATE landslides SET review_status = ?, superseded_by = ? WHERE OBJECTID = 1", *values)
    with opened(inventory) as database:
        query = "SELECT 1 FROM landslides WHERE OBJECTID = 1 AND "
        assert [rule.label for rule in looks.RULES if database.execute(query + rule.filter).fetchone()] == [label]


def test_forms_name_columns_that_are_there() -> None:
    columns = {column.name for column in schema.LANDSLIDES.columns}
    named = [name for tab in looks.FORM.values() for name in tab]
    assert len(named) == len(set(named)) and set(named) <= columns
    assert columns >= {*looks.EDITABLE, *looks.FLAGS, *looks.CHOICES, *looks.DEFAULTS}
