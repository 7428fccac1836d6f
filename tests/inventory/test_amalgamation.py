"""Single landslides of any size are not called several; shapes with necks and arms are."""

from typing import Any

import numpy as np
import pytest
import shapely
from rasterio import Affine
from rasterio.features import rasterize, shapes
from scipy import ndimage
from shapely import affinity
from shapely.geometry import LineString, Point, shape

from tests.inventory.test_adding import ONE, table, write_map
from tsmu_jax.inventory.adding import add
from tsmu_jax.inventory.amalgamation import is_amalgamated

GRID = {"gsd_m": [2.0, 2.0], "transform": [2.0, 0.0, 0.0, 0.0, -2.0, 0.0]}


def drawn(geometry: Any) -> np.ndarray:
    """bool[h, w] of a geometry in pixels."""
    west, south, east, north = geometry.bounds
    size = int(north - south) + 20, int(east - west) + 20
    return rasterize([geometry], out_shape=size, transform=Affine(1, 0, west - 9.5, 0, -1, north + 9.5)) == 1


def outlined(pixels: np.ndarray) -> Any:
    """The largest polygon along the edges of pixels of 2 m."""
    found = shapes(pixels.astype(np.uint8), connectivity=4, transform=Affine(2, 0, 0, 0, -2, 0))
    return max((shape(outline) for outline, value in found if value == 1), key=lambda each: each.area)


def flagged(geometry: Any) -> bool:
    return is_amalgamated(outlined(drawn(geometry)), GRID)


def ellipse(half_width: float, elongation: float, angle: float) -> Any:
    return affinity.rotate(affinity.scale(Point(0, 0).buffer(1, 64), elongation * half_width, half_width), angle)


@pytest.mark.parametrize("half_width", [1, 1.5, 2, 3, 4, 6, 8, 12, 20, 40])
def test_ellipses_are_single(half_width: float) -> None:
    for elongation in (1, 1.5, 2, 3, 5, 8):
        for angle in range(0, 180, 15):
            assert not flagged(ellipse(half_width, elongation, angle)), (elongation, angle)


def test_ragged_outlines_are_single() -> None:
    random = np.random.default_rng(0)
    found = 0
    for half_width in np.repeat([3, 4, 6, 10, 20], 40):
        pixels = drawn(ellipse(half_width, random.choice([1.5, 2, 3, 4]), 180 * random.random()))
        inside = ndimage.distance_transform_edt(pixels) - ndimage.distance_transform_edt(~pixels)
        noise = ndimage.gaussian_filter(random.normal(size=pixels.shape), 2)
        ragged = inside + min(1.2, half_width / 4) * noise / noise.std() > 0
        found += is_amalgamated(outlined(ragged), GRID)
    assert found <= 0.03 * 200


@pytest.mark.parametrize("width", [4, 6, 10, 20])
def test_winding_flows_are_single(width: float) -> None:
    along = np.linspace(0, 1, 40)
    for swing in np.linspace(0, 3, 7):
        for turns in (0.5, 1.0):
            across = swing * width * np.sin(2 * np.pi * turns * along)
            assert not flagged(LineString(np.stack([10 * width * along, across], 1)).buffer(width / 2)), swing


def test_a_scar_with_a_tail_and_islands_are_single() -> None:
    assert not flagged(Point(0, 0).buffer(12).union(LineString([(0, 0), (60, 0)]).buffer(3)))
    assert not flagged(Point(0, 0).buffer(20).difference(Point(3, 0).buffer(12)))


@pytest.mark.parametrize("radius", [5, 8, 15, 30])
def test_bodies_with_a_neck_are_several(radius: float) -> None:
    for angle in np.linspace(0, np.pi, 7):
        for apart, second, neck in ((2.2, 1.0, 0.3), (3.0, 0.8, 0.2), (4.0, 0.7, 0.35)):
            other = np.array([np.cos(angle), np.sin(angle)]) * apart * radius
            bodies = Point(0, 0).buffer(radius), Point(*other).buffer(second * radius)
            joined = shapely.union_all([*bodies, LineString([(0, 0), other]).buffer(neck * radius)])
            assert flagged(joined), (angle, apart)


@pytest.mark.parametrize("width", [8, 12, 20])
def test_tracks_that_meet_are_several(width: float) -> None:
    for angle in range(0, 360, 24):
        ends = [(-0.6, 1.0), (0.7, 1.0), (0.0, -1.0)]
        tracks = [LineString([(0, 0), (5 * width * x, 5 * width * y)]).buffer(width / 2) for x, y in ends]
        assert flagged(affinity.rotate(shapely.union_all(tracks), angle)), angle


def test_pixels_that_are_no_squares_on_the_ground() -> None:
    """In degrees at 60 degrees north, two bodies side by side look squeezed."""
    two = shapely.union_all([Point(0, 0).buffer(8), Point(24, 0).buffer(8), LineString([(0, 0), (24, 0)]).buffer(2)])
    squeezed = affinity.scale(outlined(drawn(two)), 1e-5, 0.5e-5, origin=(0, 0))
    assert is_amalgamated(squeezed, {"gsd_m": [2.0, 2.0], "transform": [2e-5, 0.0, 0.0, 0.0, -1e-5, 0.0]})


def test_rows_say_so(tmp_path: Any) -> None:
    pair = ((40, 50, 10, 20), (44, 46, 20, 26), (40, 50, 26, 36))
    add(tmp_path / "x.gpkg", write_map(tmp_path / "map", ((5, 15, 30, 60), *pair)), ONE)
    assert [row["amalgamated"] for row in table(tmp_path / "x.gpkg")] == [0, 1]
