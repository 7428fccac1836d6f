"""Landslides are found again: by models that map in turns, under people's edits, and by later options."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from tests.inventory.test_adding import BOXES, DATES, ONE, TWO, table, write_map
from tests.scenes.conftest import UTM, WriteRaster
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.adding import Added, add
from tsmu_jax.scenes import layers, words


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    add(root / "landslides.gpkg", write_map(root / "first", BOXES), ONE, dates=DATES)
    return root / "landslides.gpkg"


@pytest.fixture
def inventory(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


def change(path: Path, statement: str, *values: Any) -> None:
    with geopackage.transaction(path) as database:
        database.execute(statement, values)


def marks(path: Path) -> list[tuple[str, str]]:
    return [(row["model_id"][0], (row["superseded_by"] or "-")[0]) for row in table(path)]


def test_the_model_that_maps_last_is_the_current_one(inventory: Path, tmp_path: Path) -> None:
    """An older model that maps the ground again, in a scene that shows the first landslide alone."""
    add(inventory, write_map(tmp_path / "two", BOXES, model=TWO), TWO, dates=DATES)
    assert marks(inventory) == [("1", "2"), ("1", "2"), ("2", "-"), ("2", "-")]
    part = write_map(tmp_path / "part", BOXES[:1], seed=1, shape=(30, 40))
    assert add(inventory, part, ONE, dates=DATES) == Added(0, 1, 1, same=False)
    assert marks(inventory) == [("1", "-"), ("1", "2"), ("2", "1"), ("2", "-")]


def test_a_reviewed_row_comes_before_the_models_own(inventory: Path, tmp_path: Path) -> None:
    add(inventory, write_map(tmp_path / "two", BOXES, model=TWO), TWO, dates=DATES)
    change(inventory, "UPDATE landslides SET review_status = 'accepted' WHERE OBJECTID = 3")
    before = table(inventory)[2]
    again = write_map(tmp_path / "again", BOXES[:1], seed=1, shape=(30, 40))
    assert add(inventory, again, ONE, dates=DATES) == Added(0, 1, 0, same=False)
    assert marks(inventory) == [("1", "2"), ("1", "2"), ("2", "-"), ("2", "-")] and table(inventory)[2] == before
    assert table(inventory, "observations")[-1]["uuid"] == before["uuid"]


def shrunk(shape: Any) -> Any:
    west, south, east, north = shape.bounds
    return shapely.box(west, south, west + 0.4 * (east - west), north)


def moved(shape: Any) -> Any:
    return shapely.transform(shape, lambda points: points + [0.01, 0])


@pytest.mark.parametrize("edit", [shrunk, moved])
@pytest.mark.parametrize("model", [ONE, TWO])
def test_an_outline_that_a_person_changed_is_found_again(
    inventory: Path, tmp_path: Path, edit: Any, model: Any
) -> None:
    shape = geopackage.decoded(table(inventory)[0]["geometry"])
    change(inventory, "UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", geopackage.encoded(edit(shape)))
    later = write_map(tmp_path / "later", BOXES[:1], model=model, seed=1)
    assert add(inventory, later, model).new == 0
    row = table(inventory)[0]
    assert row["review_status"] == "edited" and table(inventory, "observations")[-1]["uuid"] == row["uuid"]
    assert geopackage.decoded(row["geometry"]).area == pytest.approx(edit(shape).area)


def test_landslides_that_people_split_or_drew_are_found_again(inventory: Path, tmp_path: Path) -> None:
    """Also without an outline of the model's: three parts that cover it almost."""
    west, south, east, north = geopackage.decoded(table(inventory)[0]["geometry"]).bounds
    change(inventory, "UPDATE landslides SET review_status = 'rejected' WHERE OBJECTID = 2")
    first, *others = (
        geopackage.encoded(shapely.box(west + one * (east - west), south, west + other * (east - west), north))
        for one, other in ((0, 0.3), (0.33, 0.63), (0.66, 1))
    )
    with geopackage.transaction(inventory) as database:
        database.execute("DROP TRIGGER landslides_edited")  # as if there were no outline of the model's
        database.execute("UPDATE landslides SET geometry = ?, review_status = 'edited' WHERE OBJECTID = 1", (first,))
        for part in others:
            database.execute("INSERT INTO landslides (geometry) VALUES (?)", (part,))
    later = write_map(tmp_path / "later", BOXES, model=TWO, seed=1)
    assert add(inventory, later, TWO) == Added(0, 2, 0, same=False, measured=2)
    expected = [table(inventory)[at]["uuid"] for at in (3, 0, 2, 1)]  # the largest part, the others, the rejected row
    assert [row["uuid"] for row in table(inventory, "observations")[-4:]] == expected
    wide = write_map(tmp_path / "wide", [(2, 38, 2, 40)], model=TWO, seed=2)  # another landslide, much larger
    assert add(inventory, wide, TWO).new == 1


@pytest.fixture
def dem(tmp_path: Path, write_raster: WriteRaster) -> Path:
    heights = np.full((80, 100, 1), 700, np.float32)
    return write_raster(tmp_path / "dem.tif", heights, transform=UTM * Affine.translation(-10, -10))


def measure_uncertainty(directory: Path) -> None:
    with rasterio.open(directory / layers.PROBABILITY) as file:
        profile = file.profile | {"driver": "GTiff"}
    with rasterio.open(directory / layers.UNCERTAINTY, "w", **profile) as file:
        file.write(np.full((1, 60, 80), 50, np.uint8))
        file.scales = (0.002,)


def test_slopes_and_uncertainty_that_come_later_are_filled_in(inventory: Path, tmp_path: Path, dem: Path) -> None:
    """Of rows that nobody has reviewed; once, whatever elevation model comes after."""
    change(inventory, "UPDATE landslides SET review_status = 'accepted' WHERE OBJECTID = 2")
    first = write_map(tmp_path / "first", BOXES)
    before = table(inventory)
    done = add(inventory, first, ONE, dates=DATES, dem=dem)
    assert done == Added(0, 0, 0, same=True, filled=1)
    assert words.added(inventory, done).endswith(
        "has this very map already; filled in slopes or uncertainty of 1 known landslide"
    )
    row = table(inventory)[0]
    assert (row["height_m"], row["slope_deg"], row["aspect_deg"], row["uncertainty"]) == (700, 0, None, None)
    measure_uncertainty(first)
    assert add(inventory, first, ONE, dates=DATES, dem=dem).filled == 1
    assert table(inventory)[0] == row | {"uncertainty": pytest.approx(0.1)} and table(inventory)[1] == before[1]
    held = inventory.read_bytes()
    done = add(inventory, first, ONE, dates=DATES, dem=dem)
    assert done == Added(0, 0, 0, same=True) and inventory.read_bytes() == held
    assert words.added(inventory, done).endswith("already; nothing is changed")


def test_the_same_outlines_in_a_map_of_another_configuration(inventory: Path, tmp_path: Path, dem: Path) -> None:
    """--uncertainty makes another map of the same scene."""
    second = write_map(tmp_path / "second", BOXES)
    text = (second / "scene.json").read_text()
    (second / "scene.json").write_text(text.replace("c" * 64, "d" * 64))
    measure_uncertainty(second)
    done = add(inventory, second, ONE, dates=DATES, dem=dem)
    assert done == Added(0, 2, 0, same=False, filled=2)
    assert [(row["height_m"], row["uncertainty"]) for row in table(inventory)] == [(700, pytest.approx(0.1))] * 2


def test_what_a_map_measures_is_said(inventory: Path, tmp_path: Path) -> None:
    """Outlines that people have edited, also where the map itself is there already."""
    shape = geopackage.decoded(table(inventory)[0]["geometry"])
    change(inventory, "UPDATE landslides SET geometry = ? WHERE OBJECTID = 1", geopackage.encoded(shrunk(shape)))
    done = add(inventory, write_map(tmp_path / "first", BOXES), ONE, dates=DATES)
    assert done == Added(0, 0, 0, same=True, measured=1)
    assert words.added(inventory, done).endswith("already; measured 1 edited outline")
    assert table(inventory)[0]["area_m2"] == pytest.approx(0.4 * 480, rel=0.05)
