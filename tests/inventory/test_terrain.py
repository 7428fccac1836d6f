"""Planes whose slope and aspect are known come back so, whatever the coordinates and pixels of the elevation model."""

from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine

from tests.scenes.conftest import UTM, WriteRaster
from tests.scenes.test_reading import PLACES
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import terrain
from tsmu_jax.inventory.terrain import UNKNOWN, Terrain, slope_and_aspect
from tsmu_jax.scenes.grid import grid

SHAPE = (90, 110)
FAR_NORTH = {"degrees at 68 north": ("EPSG:4326", Affine(1 / 3600, 0, 20.0, 0, -1 / 3600, 68.0))}


class Local:
    """Metres east and north of the middle of a raster."""

    def __init__(self, crs: str, transform: Any) -> None:
        to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
        longitude, latitude = to_degrees.transform(*(transform * (SHAPE[1] / 2, SHAPE[0] / 2)))
        here = f"+proj=aeqd +lat_0={latitude} +lon_0={longitude} +datum=WGS84 +units=m"
        self._raster = pyproj.Transformer.from_crs(crs, here, always_xy=True)
        self._degrees = pyproj.Transformer.from_crs(here, "EPSG:4326", always_xy=True)
        columns, rows = np.meshgrid(np.arange(SHAPE[1]) + 0.5, np.arange(SHAPE[0]) + 0.5)
        self.east, self.north = self._raster.transform(*(transform * (columns, rows)))

    def box(self, half_east: float, half_north: float) -> Any:
        """Around the middle, in degrees."""
        corners = np.array(shapely.box(-half_east, -half_north, half_east, half_north).exterior.coords)
        return shapely.Polygon(np.stack(self._degrees.transform(*corners.T), -1))


def plane(local: Local, slope_deg: float, aspect_deg: float) -> np.ndarray:
    """Metres f32[h, w, 1]: 1000 in the middle."""
    steep, facing = np.tan(np.radians(slope_deg)), np.radians(aspect_deg)
    heights = 1000 - steep * (np.sin(facing) * local.east + np.cos(facing) * local.north)
    return heights[..., None].astype(np.float32)


def measured(path: Path, polygon: Any, crs: str = "EPSG:4326") -> Terrain:
    with terrain.opened(path) as model:
        return model.measure(polygon, crs)


@pytest.mark.parametrize("place", [*PLACES, *FAR_NORTH])
@pytest.mark.parametrize(("slope_deg", "aspect_deg"), [(30.0, 135.0), (12.0, 1.0), (50.0, 290.0)])
@pytest.mark.parametrize("half_px", [0.2, 12])  # smaller than a pixel of the elevation model, and larger
def test_a_plane(
    tmp_path: Path, write_raster: WriteRaster, place: str, slope_deg: float, aspect_deg: float, half_px: float
) -> None:
    crs, transform = (PLACES | FAR_NORTH)[place]
    local = Local(crs, transform)
    pixel_m = min(np.ptp(local.east) / SHAPE[1], np.ptp(local.north) / SHAPE[0])
    path = write_raster(tmp_path / "dem.tif", plane(local, slope_deg, aspect_deg), crs=crs, transform=transform)
    found = measured(path, local.box(half_px * pixel_m, 0.7 * half_px * pixel_m))
    assert found.height_m == pytest.approx(1000, abs=1.5 * pixel_m)
    assert found.slope_deg == pytest.approx(slope_deg, abs=0.1)
    assert found.aspect_deg == pytest.approx(aspect_deg, abs=0.3)


def test_a_map_in_other_coordinates(tmp_path: Path, write_raster: WriteRaster) -> None:
    """Of 2 m pixels in UTM, over an elevation model of 1 arc second in degrees."""
    crs, transform = "EPSG:4326", Affine(1 / 3600, 0, 15 - 0.014, 0, -1 / 3600, 45.152)
    local = Local(crs, transform)
    path = write_raster(tmp_path / "dem.tif", plane(local, 25, 200), crs=crs, transform=transform)
    x, y = pyproj.Transformer.from_crs(crs, "EPSG:32633", always_xy=True).transform(15.0, 45.14)
    found = measured(path, shapely.box(x - 40, y - 40, x + 40, y + 40), "EPSG:32633")
    assert found.slope_deg == pytest.approx(25, abs=0.1) and found.aspect_deg == pytest.approx(200, abs=0.3)


def test_strips_of_a_large_landslide_are_one(
    tmp_path: Path, write_raster: WriteRaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = Local("EPSG:32633", UTM)
    heights = plane(local, 20, 90) + np.random.default_rng(0).normal(size=(*SHAPE, 1)).astype(np.float32)
    path = write_raster(tmp_path / "dem.tif", heights)
    whole = measured(path, local.box(60, 50))
    monkeypatch.setattr(terrain, "_ROWS", 7)
    assert measured(path, local.box(60, 50)) == pytest.approx(whole)


def test_directions_that_cancel_out_and_level_ground(tmp_path: Path, write_raster: WriteRaster) -> None:
    local = Local("EPSG:32633", UTM)
    cone = 1000 - 0.5 * np.hypot(local.east, local.north)
    found = measured(write_raster(tmp_path / "cone.tif", cone[..., None].astype(np.float32)), local.box(40, 40))
    assert found.slope_deg == pytest.approx(np.degrees(np.arctan(0.5)), abs=0.5) and found.aspect_deg is None
    level = write_raster(tmp_path / "level.tif", np.full((*SHAPE, 1), 7, np.int16))
    assert measured(level, local.box(40, 40)) == (7.0, 0.0, None)
    north = plane(local, 10, 0) + 0.05 * local.east[..., None].astype(np.float32) * np.sign(local.east)[..., None]
    roof = measured(write_raster(tmp_path / "roof.tif", north.astype(np.float32)), local.box(40, 40))
    assert roof.aspect_deg is not None and min(roof.aspect_deg, 360 - roof.aspect_deg) < 1  # 16 and 344 mean 0


@pytest.mark.parametrize(("void", "nodata"), [(-9999, -9999), (-32768, None), (-9999, None), (np.nan, None)])
def test_where_it_has_no_data(tmp_path: Path, write_raster: WriteRaster, void: float, nodata: float | None) -> None:
    local = Local("EPSG:32633", UTM)
    heights = plane(local, 30, 270)
    without = (local.east > 20)[..., None]
    path = write_raster(tmp_path / "dem.tif", np.where(without, void, heights).astype(np.float32), nodata=nodata)
    found = measured(path, local.box(40, 40))  # a quarter of it
    assert found.slope_deg == pytest.approx(30, abs=0.1) and found.aspect_deg == pytest.approx(270, abs=0.3)
    assert found.height_m == pytest.approx(1000 - 10 * np.tan(np.radians(30)), abs=1)
    moved = shapely.transform(local.box(40, 40), lambda points: points + [60 / 78_000, 0])
    assert measured(path, moved) == UNKNOWN  # all of it
    beyond = shapely.transform(local.box(40, 40), lambda points: points + [1.0, 0])
    assert measured(path, beyond) == UNKNOWN


def test_scales_and_offsets_of_stored_heights(tmp_path: Path, write_raster: WriteRaster) -> None:
    local = Local("EPSG:32633", UTM)
    path = write_raster(tmp_path / "dem.tif", np.round(10 * (plane(local, 30, 90) - 500)).astype(np.int16))
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.1,), (500.0,)
    found = measured(path, local.box(30, 30))
    assert found.height_m == pytest.approx(1000, abs=1) and found.slope_deg == pytest.approx(30, abs=0.2)


def test_horns_differences() -> None:
    """By hand: of nine heights, 10 m columns, 20 m rows downwards."""
    heights = np.array([[1.0, 2, 4], [3, 5, 9], [6, 7, 8]])
    east = ((4 + 2 * 9 + 8) - (1 + 2 * 3 + 6)) / 8 / 10
    south = ((6 + 2 * 7 + 8) - (1 + 2 * 2 + 4)) / 8 / 20
    slope, aspect = slope_and_aspect(heights, np.array([[10.0, 0], [0, -20.0]]))
    assert slope[0, 0] == pytest.approx(np.degrees(np.arctan(np.hypot(east, south))))
    assert aspect[0, 0] == pytest.approx(np.degrees(np.arctan2(-east, south)) % 360)


def test_files_that_are_no_elevation_model(tmp_path: Path, write_raster: WriteRaster) -> None:
    near = grid(rasterio.CRS.from_epsg(32633), UTM, *SHAPE, path="")

    def refused(path: Path, words: str) -> None:
        with pytest.raises(UserError, match=words) as caught:
            terrain.check(path, near)
        assert str(caught.value).startswith(f"--dem={path}: ") and "\n" not in str(caught.value)

    heights = plane(Local("EPSG:32633", UTM), 10, 0)
    terrain.check(write_raster(tmp_path / "dem.tif", heights), near)
    refused(tmp_path / "none.tif", "no such file")
    (tmp_path / "text.tif").write_text("hello")
    refused(tmp_path / "text.tif", "cannot be opened as a raster; give a GeoTIFF file of heights")
    refused(write_raster(tmp_path / "two.tif", np.repeat(heights, 2, -1)), "has 2 bands; give a raster of one band")
    refused(write_raster(tmp_path / "nowhere.tif", heights, crs=None), "no coordinate reference system")
    far = write_raster(tmp_path / "far.tif", heights, transform=UTM * Affine.translation(5000, 0))
    refused(far, "covers none of the scene")
    feet = write_raster(tmp_path / "feet.tif", heights)
    with rasterio.open(feet, "r+") as file:
        file.units = ("ft",)
    refused(feet, "holds heights in 'ft'; convert them to metres")
