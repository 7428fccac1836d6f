"""Landslides that are known come back as polygons at their place, with their area and what the model said."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.warp import transform as project

from tests.scenes.test_reading import PLACES
from tsmu_jax.inventory.ground import on_ground
from tsmu_jax.inventory.polygons import Detection, detections
from tsmu_jax.prediction.output import NOT_OBSERVED
from tsmu_jax.scenes import layers
from tsmu_jax.scenes.grid import Grid, grid

DOCS = Path(__file__).parents[2] / "docs" / "inventory.md"
WriteMap = Callable[..., Grid]


@pytest.fixture
def write_map() -> WriteMap:
    """Writes the rasters of a map, of u8[h, w] as in probability.tif."""

    def write(directory: Path, levels: np.ndarray, crs: str, transform: Any) -> Grid:
        directory.mkdir(exist_ok=True)
        place = grid(rasterio.CRS.from_user_input(crs), transform, *levels.shape, path="")
        layers.write(directory, place, lambda start, stop: levels[start:stop], {})
        return place

    return write


def ellipse(height: int, width: int, centre: tuple[float, float], axes: tuple[float, float]) -> np.ndarray:
    rows, columns = (np.arange(length) + 0.5 for length in (height, width))
    return ((rows[:, None] - centre[0]) / axes[0]) ** 2 + ((columns - centre[1]) / axes[1]) ** 2 <= 1


def metres_apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    east = (one[0] - other[0] + 180) % 360 - 180
    return float(np.hypot(east * 111_320 * np.cos(np.radians(one[1])), (one[1] - other[1]) * 111_130))


@pytest.mark.parametrize("place", [name for name in PLACES if name not in ("south-up", "slanted")])
@pytest.mark.parametrize(("width", "within"), [(8, 0.06), (16, 0.012), (40, 0.01)])
def test_a_known_ellipse_comes_back(tmp_path: Path, write_map: WriteMap, place: str, width: int, within: float) -> None:
    crs, transform = PLACES[place]
    centre, axes = (61.3, 72.8), (width, width / 2)
    levels = np.where(ellipse(130, 140, centre, axes), 200, 20).astype(np.uint8)
    on = write_map(tmp_path / "map", levels, crs, transform)
    (found,) = detections(tmp_path / "map")
    ground = on_ground(found.geometry, on.crs, abs(transform.a))
    expected_m2 = np.pi * axes[0] * axes[1] * np.prod(on.gsd_m)
    assert ground.area_m2 == pytest.approx(expected_m2, rel=within)
    a, _, west, _, e, north = transform[:6]
    (longitude,), (latitude,) = project(on.crs, "EPSG:4326", [west + a * centre[1]], [north + e * centre[0]])
    middle = ground.geometry.centroid
    assert metres_apart((middle.x, middle.y), (longitude, latitude)) < 0.5 * max(on.gsd_m)
    assert ground.geometry.covers(shapely.Point(ground.point))


@pytest.mark.parametrize("width", [4, 8, 12, 16, 30, 40])
def test_area_errors_are_those_that_the_docs_state(tmp_path: Path, write_map: WriteMap, width: int) -> None:
    """Of ellipses twice as long as wide, one for each of 64 places of their centres within a pixel."""
    tile, errors = (2 * width + 4, width + 4), []
    tiles = [
        [ellipse(*tile, (width + 2 + down / 8, width / 2 + 2 + right / 8), (width, width / 2)) for right in range(8)]
        for down in range(8)
    ]
    levels = np.where(np.block(tiles), 200, 20).astype(np.uint8)
    on = write_map(tmp_path / "map", levels, *PLACES["UTM"])
    for found in detections(tmp_path / "map"):
        area_m2 = on_ground(found.geometry, on.crs, 2.0).area_m2
        errors.append(100 * (area_m2 / (np.pi / 2 * width**2 * np.prod(on.gsd_m)) - 1))
    assert len(errors) == 64
    row = re.search(rf"^\| {width} \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    assert row
    stated = [float(cell) for cell in row[1].split(" | ")]
    sizes = np.abs(errors)
    assert [np.mean(errors), sizes.mean(), sizes.max(), (sizes <= 1).sum()] == pytest.approx(stated, abs=0.01)


def test_area_and_perimeter_are_those_of_the_ellipsoid(tmp_path: Path, write_map: WriteMap) -> None:
    levels = np.full((200, 200), 20, np.uint8)
    levels[50:150, 50:150] = 240
    north_47 = rasterio.Affine(1, 0, 1_000_000, 0, -1, 5_942_074)  # Web Mercator: 100 units are 68 m there
    on = write_map(tmp_path / "map", levels, "EPSG:3857", north_47)
    (found,) = detections(tmp_path / "map")
    ground = on_ground(found.geometry, on.crs, 1.0)
    assert ground.area_m2 == pytest.approx(4698, rel=0.01)
    assert ground.perimeter_m == pytest.approx(4 * 68.4, rel=0.01)


def measured(tmp_path: Path, write_map: WriteMap, levels: np.ndarray, **options: Any) -> list[Detection]:
    write_map(tmp_path / "map", levels, *PLACES["UTM"])
    return list(detections(tmp_path / "map", **options))


def test_what_the_model_said_of_them(tmp_path: Path, write_map: WriteMap) -> None:
    levels = np.full((40, 60), 20, np.uint8)
    levels[10:14, 20:23] = np.arange(130, 130 + 12).reshape(4, 3)
    levels[14, 23] = 250  # touches at a corner
    levels[30:35, 5:12], levels[32, 7] = 200, 10  # with a hole
    levels[20:22, 57:60] = 150  # at the edge
    levels[5, 40:44], levels[5, 44] = 140, NOT_OBSERVED
    found = {one.first: one for one in measured(tmp_path, write_map, levels)}
    assert found.keys() == {(10, 20), (14, 23), (30, 5), (20, 57), (5, 40)}
    first = found[10, 20]
    assert first.pixels == 12 and first.prob_mean == pytest.approx(135.5 / 250) and first.prob_max == 141 / 250
    assert found[30, 5].pixels == 34 and len(found[30, 5].geometry.interiors) == 1
    assert {at: one.touches_edge for at, one in found.items()} == {
        (10, 20): False,
        (14, 23): False,
        (30, 5): False,
        (20, 57): True,
        (5, 40): True,
    }
    for one in found.values():
        assert one.geometry.is_valid and one.geometry.area == 4 * one.pixels


def test_polygons_give_the_mask_back(tmp_path: Path, write_map: WriteMap) -> None:
    from rasterio.features import rasterize

    levels = np.random.default_rng(0).integers(0, 250, (70, 90), np.uint8)
    found = measured(tmp_path, write_map, levels)
    drawn = rasterize([one.geometry for one in found], out_shape=levels.shape, transform=PLACES["UTM"][1])
    np.testing.assert_array_equal(drawn == 1, levels > 125)
    assert sum(one.pixels for one in found) == (levels > 125).sum()
