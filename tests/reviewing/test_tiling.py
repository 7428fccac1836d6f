"""Each landslide belongs to one tile, and every other tile that shows some of it knows it as a neighbour's."""

from typing import Any

import numpy as np
import pytest
import shapely
from rasterio.crs import CRS
from rasterio.warp import transform

from tests.scenes.conftest import moved
from tsmu_jax.reviewing import tiling
from tsmu_jax.reviewing.candidates import Candidate
from tsmu_jax.reviewing.tiling import Tile
from tsmu_jax.scenes.grid import Grid, grid

UTM = CRS.from_epsg(32633)
SIDE = 64


def placed(left: int = 0, top: int = 0, height: int = 128, width: int = 192) -> Grid:
    return grid(UTM, moved(left, top), height, width, path="")


def candidate(name: str, box: tuple[int, int, int, int], *scenes: str) -> Candidate:
    """A landslide. Args: box: its first and last row and column, of `placed()`."""
    top, bottom, left, right = box
    a, _, c, _, e, f = moved(0, 0)[:6]

    def degrees(points: Any) -> Any:
        xs, ys = transform(UTM, "EPSG:4326", a * points[:, 0] + c, e * points[:, 1] + f)
        return np.stack([xs, ys], axis=1)

    return Candidate(shapely.transform(shapely.box(left, top, right, bottom), degrees), b"", {"uuid": name}, scenes)


def names(tile: Tile) -> tuple[str, list[str], list[tuple[str, str]]]:
    neighbours = [(one.candidate.row["uuid"], one.home) for one in tile.neighbours]
    return tile.name, [one.row["uuid"] for one in tile.members], neighbours


def test_what_reaches_into_a_tile_is_a_neighbour_there_alone() -> None:
    every = [
        candidate("across", (10, 20, 56, 70), "s"),  # its middle lies in the first tile
        candidate("grown into", (30, 40, 80, 84), "s"),  # the first tile grows by 16 px to column 86
        candidate("beside", (50, 60, 86, 90), "s"),  # begins where that ends
        candidate("far", (100, 110, 180, 190), "s"),
    ]
    assert list(map(names, tiling.plan(every, {"s": placed()}, SIDE))) == [
        ("s_000_000", ["across"], [("grown into", "s_000_001")]),
        ("s_000_001", ["grown into", "beside"], [("across", "s_000_000")]),
        ("s_001_002", ["far"], []),
    ]


def test_another_scene_of_the_same_ground_shows_the_landslide_too() -> None:
    """The second scene begins 32 px further east and south."""
    grids = {"first": placed(), "second": placed(32, 32)}
    every = [
        candidate("own", (40, 50, 100, 110), "second"),
        candidate("others", (70, 80, 90, 94), "first", "second"),
        candidate("off the first one", (140, 150, 40, 50), "first", "second"),
    ]
    assert list(map(names, tiling.plan(every, grids, SIDE))) == [
        ("first_001_001", ["others"], []),
        ("second_000_001", ["own"], [("others", "first_001_001")]),
        ("second_001_000", ["off the first one"], []),
    ]


@pytest.mark.parametrize("longitude", [0.0, 105.0])
def test_what_lies_off_a_map_belongs_to_no_tile(longitude: float) -> None:
    """On the other side of the globe the map's coordinates are infinite."""
    far = Candidate(shapely.box(longitude, -45, longitude + 1, -44), b"", {"uuid": "far"}, ("s",))
    assert tiling.plan([far], {"s": placed()}, SIDE) == []
    assert len(tiling.plan([far, candidate("near", (0, 9, 0, 9), "s")], {"s": placed()}, SIDE)) == 1
