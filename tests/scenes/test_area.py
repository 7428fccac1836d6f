"""Areas of interest and masks: the pixels whose centres lie in them, whatever their files' coordinates and formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from affine import Affine

from tests.scenes.conftest import UTM, WriteRaster, moved, write_polygons
from tests.scenes.test_reading import PLACES
from tests.scenes.test_virtual import virtual
from tsmu_jax.errors import UserError
from tsmu_jax.scenes import area
from tsmu_jax.scenes.area import Area
from tsmu_jax.scenes.grid import Grid, grid

SHAPE = (80, 100)
ALL = slice(0, SHAPE[0]), slice(0, SHAPE[1])
UPRIGHT = [name for name in PLACES if name not in ("south-up", "slanted")]


def scene_grid(place: str = "UTM") -> Grid:
    crs, transform = PLACES[place]
    return grid(rasterio.CRS.from_user_input(crs), transform, *SHAPE, path="")


def centres(near: Grid, crs: str) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates f[h, w] of the pixels' centres."""
    columns, rows = np.meshgrid(np.arange(SHAPE[1]) + 0.5, np.arange(SHAPE[0]) + 0.5)
    to = pyproj.Transformer.from_crs(near.crs.to_wkt(), crs, always_xy=True)
    xs, ys = to.transform(*(near.transform * (columns, rows)))
    return np.array(xs), np.array(ys)


def blob(near: Grid, crs: str, **scaled: Any) -> Any:
    """A polygon with a bay, in the middle of a grid, in other coordinates."""
    points = np.array([(0.2013, 0.2027), (0.8031, 0.1307), (0.7711, 0.8117), (0.5219, 0.3313), (0.3101, 0.9007)])
    xs, ys = near.transform * (points * [SHAPE[1], SHAPE[0]]).T
    to = pyproj.Transformer.from_crs(near.crs.to_wkt(), crs, always_xy=True)
    xs, ys = (np.array(values) for values in to.transform(xs, ys))
    if crs == "EPSG:4326":
        xs = xs[0] + (xs - xs[0] + 180) % 360 - 180  # a polygon that counts on beyond 180 degrees
    return shapely.Polygon(np.stack([xs, ys], -1))


def wanted(near: Grid, **files: Path) -> np.ndarray:
    with area.opened(files.get("aoi"), files.get("mask"), near) as found:
        pixels, damaged = found.wanted(near, *ALL)
    assert not damaged
    return pixels


FILES = [
    (place, crs, ending)
    for place in UPRIGHT
    for crs, ending in (("own", "gpkg"), ("EPSG:4326", "geojson"), ("EPSG:3857", "shp"))
    if not (crs == "EPSG:3857" and "180" in place)  # in these coordinates the halves lie at the ends of the world
]


@pytest.mark.parametrize(("place", "crs", "ending"), FILES)
def test_pixels_whose_centres_lie_in_polygons(tmp_path: Path, place: str, crs: str, ending: str) -> None:
    near = scene_grid(place)
    crs = near.crs.to_wkt() if crs == "own" else crs
    polygon = blob(near, crs)
    file = write_polygons(tmp_path / f"aoi.{ending}", [polygon], crs)
    xs, ys = centres(near, crs)
    if crs == "EPSG:4326":
        xs = polygon.centroid.x + (xs - polygon.centroid.x + 180) % 360 - 180
    expected = shapely.contains_xy(polygon, xs, ys)
    np.testing.assert_array_equal(wanted(near, aoi=file), expected)
    np.testing.assert_array_equal(wanted(near, mask=file), ~expected)
    assert 0.2 < expected.mean() < 0.6


def test_two_halves_beside_180_degrees_are_one_area(tmp_path: Path) -> None:
    x, y = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32760", always_xy=True).transform(180, -18)
    in_utm = grid(rasterio.CRS.from_epsg(32760), Affine(2, 0, x - 90, 0, -2, y), *SHAPE, path="")
    for number, near in enumerate((scene_grid("across 180 degrees"), in_utm)):
        west, south, east, north = blob(near, "EPSG:4326").bounds
        assert west < 180 < east
        halves = [shapely.box(west, south, 180, north), shapely.box(-180, south, east - 360, north)]
        xs, ys = centres(near, "EPSG:4326")
        file = write_polygons(tmp_path / f"{number}.geojson", halves, "EPSG:4326")
        xs = xs % 360
        inside = (xs > west) & (xs < east) & (ys > south) & (ys < north)
        np.testing.assert_array_equal(wanted(near, aoi=file), inside)


def test_polygons_of_a_continent(tmp_path: Path) -> None:
    """A projection has no place for most of them."""
    near = scene_grid()
    world = [shapely.box(-180, -90, 15.0005, 90), shapely.box(16, -90, 180, 90)]
    xs, _ = centres(near, "EPSG:4326")
    np.testing.assert_array_equal(
        wanted(near, aoi=write_polygons(tmp_path / "world.gpkg", world, "EPSG:4326")), xs < 15.0005
    )


def test_windows_are_parts_of_the_whole(tmp_path: Path, write_raster: WriteRaster) -> None:
    near = scene_grid()
    file = write_polygons(tmp_path / "a.gpkg", [blob(near, "EPSG:4326")], "EPSG:4326")
    clouds = np.random.default_rng(0).integers(0, 2, (40, 50, 1), np.uint8)
    mask = write_raster(tmp_path / "m.tif", clouds, transform=UTM * Affine.scale(2) * Affine.rotation(3))
    whole = wanted(near, aoi=file, mask=mask)
    with area.opened(file, mask, near) as found:
        rows, columns = slice(13, 57), slice(31, 90)
        np.testing.assert_array_equal(found.wanted(near, rows, columns)[0], whole[rows, columns])
        assert found.meets(near, rows, columns) and not found.meets(near, slice(0, 9), slice(0, 100))
        top, left = np.argwhere(wanted(near, aoi=file)).min(0)
        bottom, right = np.argwhere(wanted(near, aoi=file)).max(0) + 1
        span = found.span(near)
        assert top - 3 < span[0].start <= top and left - 3 < span[1].start <= left
        assert bottom <= span[0].stop < bottom + 3 and right <= span[1].stop < right + 3


@pytest.mark.parametrize("place", UPRIGHT)
@pytest.mark.parametrize("scale", [0.4, 3.0])
def test_a_mask_on_another_grid(tmp_path: Path, write_raster: WriteRaster, place: str, scale: float) -> None:
    """By the nearest pixel; what it does not cover and what it does not know is not masked."""
    near = scene_grid(place)
    height, width = int(80 / scale * 0.7), int(100 / scale * 1.2)
    values = np.random.default_rng(0).integers(0, 3, (height, width, 1), np.uint8)  # 2 is its nodata
    transform = near.transform * Affine.scale(scale)
    mask = write_raster(tmp_path / "m.tif", values, crs=near.crs, transform=transform, nodata=2)
    columns, rows = ((np.arange(n) + 0.5) / scale for n in (SHAPE[1], SHAPE[0]))
    columns, rows = np.meshgrid(columns.astype(int), rows.astype(int))
    expected = np.zeros(SHAPE, bool)
    inside = (rows < height) & (columns < width)
    expected[inside] = values[rows[inside], columns[inside], 0] == 1
    np.testing.assert_array_equal(wanted(near, mask=mask), ~expected)


def test_a_mask_in_other_coordinates(tmp_path: Path, write_raster: WriteRaster) -> None:
    near = scene_grid()
    xs, ys = centres(near, "EPSG:4326")
    pixel = 1e-5
    transform = Affine(pixel, 0, xs.min() - 5 * pixel, 0, -pixel, ys.max() + 5 * pixel)
    values = np.zeros((200, 280, 1), np.float32)
    values[50:90, 60:200], values[100:110, 60:200] = 1, np.nan
    mask = write_raster(tmp_path / "m.tif", values, crs="EPSG:4326", transform=transform)
    columns, rows = ((xs - transform.c) / pixel).astype(int), ((transform.f - ys) / pixel).astype(int)
    assert (wanted(near, mask=mask) != ~(np.nan_to_num(values[rows, columns, 0]) == 1)).mean() < 1e-3


def test_a_block_of_a_mask_that_cannot_be_read_masks_its_ground(tmp_path: Path, write_raster: WriteRaster) -> None:
    values = np.random.default_rng(0).integers(0, 2, (600, 100, 1), np.uint8)
    near = grid(rasterio.CRS.from_epsg(32633), UTM, 600, 100, path="")
    mask = write_raster(tmp_path / "m.tif", values, compress="deflate", tiled=True, blockxsize=16, blockysize=16)
    data = bytearray(mask.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    mask.write_bytes(data)
    with area.opened(None, mask, near) as found:
        pixels, damaged = found.wanted(near, slice(0, 600), slice(0, 100))
        assert damaged and not pixels[values[..., 0] == 1].any()
        lost = (values[..., 0] == 0) & ~pixels
        assert 0 < lost.sum() < 0.4 * (values == 0).sum() and np.ptp(np.argwhere(lost)[:, 0]) < 250
        pixels, damaged = found.wanted(near, slice(0, 10), slice(0, 10))
        assert not damaged
        np.testing.assert_array_equal(pixels, values[:10, :10, 0] == 0)


def test_content_names_an_area_not_its_file(tmp_path: Path) -> None:
    near = scene_grid()
    shapes = [blob(near, "EPSG:32633"), shapely.box(500_010, 4_999_900, 500_020, 4_999_910)]

    def digest(path: Path) -> str | None:
        with area.opened(path, None, near) as found:
            return found.digests.aoi

    first = digest(write_polygons(tmp_path / "a.gpkg", shapes))
    assert first == digest(write_polygons(tmp_path / "b.fgb", shapes[::-1]))
    assert first != digest(write_polygons(tmp_path / "c.gpkg", shapes[:1]))
    assert Area().digests.aoi is None


def test_a_virtual_mask_is_known_by_its_pixels(tmp_path: Path, write_raster: WriteRaster) -> None:
    near, digests = scene_grid(), []
    (tmp_path / "m.vrt").write_text(virtual("m.tif"))
    for value in (0, 1, 0):
        write_raster(tmp_path / "m.tif", np.full((*SHAPE, 1), value, np.uint8))
        with area.opened(None, tmp_path / "m.vrt", near) as found:
            digests.append(found.digests.mask)
            assert found.wanted(near, *ALL)[0].all() == (value == 0)
    assert digests[0] == digests[2] != digests[1]


def test_files_that_are_no_area(tmp_path: Path, write_raster: WriteRaster) -> None:
    near = scene_grid()
    inside = blob(near, "EPSG:32633")

    def refused(path: Path, words: str, flag: str = "aoi") -> None:
        def opens() -> None:
            with area.opened(path if flag == "aoi" else None, path if flag == "mask" else None, near):
                pass

        _refused(opens, f"--{flag}={path}: ", words)

    for flag in ("aoi", "mask"):
        refused(tmp_path / "none.gpkg", "no such file", flag)
        (tmp_path / "text.gpkg").write_text("hello")
        refused(tmp_path / "text.gpkg", "cannot be read as polygons; give a vector file", flag)
    refused(write_raster(tmp_path / "raster.tif", np.ones((*SHAPE, 1), np.uint8)), "cannot be read as polygons")
    refused(write_polygons(tmp_path / "points.gpkg", [inside.centroid]), "holds no polygons")
    far = write_polygons(tmp_path / "far.gpkg", [shapely.box(400_000, 4_000_000, 401_000, 4_001_000)])
    refused(far, "has no ground in common with the scene")
    refused(
        write_polygons(tmp_path / "beside.gpkg", [shapely.box(500_201, 4_999_840, 500_900, 5_000_000)]), "no ground"
    )
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        refused(write_polygons(tmp_path / "nowhere.shp", [inside], None), "no coordinate reference system")
    several = write_polygons(write_polygons(tmp_path / "two.gpkg", [inside]), [inside])
    refused(several, "holds several layers (layer_0, layer_1)")
    broken = write_polygons(tmp_path / "broken.gpkg", [inside] * 300)
    data = bytearray(broken.read_bytes())
    data[8192:] = bytes(len(data) - 8192)
    broken.write_bytes(data)
    refused(broken, "")
    for elsewhere in ('<OGRVRTDataSource><OGRVRTLayer name="x"/></OGRVRTDataSource>', '{"type": "gdal_streamed_alg"}'):
        (tmp_path / "other.json").write_text(elsewhere)
        refused(tmp_path / "other.json", "takes its shapes from elsewhere")
    two = write_raster(tmp_path / "two.tif", np.ones((*SHAPE, 2), np.uint8))
    refused(two, "has 2 bands; give a raster of one band", "mask")
    beyond = write_raster(tmp_path / "beyond.tif", np.ones((*SHAPE, 1), np.uint8), transform=moved(500, 0))
    refused(beyond, "covers none of the scene", "mask")


def _refused(call: Callable[[], object], start: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        call()
    said = str(caught.value)
    assert said.startswith(start) and words in said and "\n" not in said


def test_bow_ties_and_shapes_with_heights(tmp_path: Path) -> None:
    """A ring that crosses itself is two triangles; a third coordinate does not matter."""
    near = scene_grid()
    ring = np.array([(500_020, 4_999_980), (500_120, 4_999_900), (500_120, 4_999_980), (500_020, 4_999_900)])
    tied = shapely.Polygon(np.c_[ring, [7.0] * 4])
    file = write_polygons(tmp_path / "a.geojson", [tied])
    xs, ys = centres(near, "EPSG:32633")
    both = shapely.MultiPolygon(
        [
            shapely.Polygon([ring[0], (500_070, 4_999_940), ring[3]]),
            shapely.Polygon([ring[1], (500_070, 4_999_940), ring[2]]),
        ]
    )
    np.testing.assert_array_equal(wanted(near, aoi=file), shapely.contains_xy(both, xs, ys))
