"""A scene is read where it lies, at the resolution that is asked for, and says where it has data."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.rpc
from PIL import Image
from rasterio.warp import transform as project

from tests.scenes.conftest import UTM, WriteRaster, moved, texture
from tsmu_jax.data.contract import PLAIN
from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.scenes.grid import grid, resampled
from tsmu_jax.scenes.image import SceneImage
from tsmu_jax.scenes.opening import Stated
from tsmu_jax.scenes.pair import ScenePair, shift

Affine = rasterio.Affine
ALL = slice(0, 10**9)

# Where 80 x 100 pixels lie: (CRS, transform).
PLACES = {
    "UTM": ("EPSG:32633", UTM),
    "geographic": ("EPSG:4326", Affine(2e-5, 0, 15.0, 0, -2e-5, 45.0)),
    "Web Mercator": ("EPSG:3857", Affine(3, 0, 1_670_000, 0, -3, 5_600_000)),
    "feet": ("EPSG:2263", Affine(6, 0, 1_000_000, 0, -6, 200_000)),
    "south-up": ("EPSG:32633", Affine(2, 0, 500_000, 0, 2, 5_000_000)),
    "slanted": ("EPSG:32633", Affine(1.8, 0.9, 500_000, 0.9, -1.8, 5_000_000)),
    "across 180 degrees": ("EPSG:4326", Affine(2e-5, 0, 180 - 1e-3, 0, -2e-5, -17.0)),
    "across 180 degrees in UTM": ("EPSG:32760", Affine(2, 0, 832_000, 0, -2, 8_000_000)),
}


def whole(image: SceneImage, target: Any) -> tuple[np.ndarray, np.ndarray]:
    part = image.read(target, slice(0, target.height), slice(0, target.width))
    assert not part.damaged
    return part.rgb, part.observed


def centre(bright: np.ndarray, transform: Any, crs: Any) -> tuple[float, float]:
    """Longitude and latitude of the middle of what is bright, in f[h, w]."""
    rows, columns = np.indices(bright.shape) + 0.5
    weights = bright / bright.sum()
    a, b, c, d, e, f = transform[:6]
    column, row = (columns * weights).sum(), (rows * weights).sum()
    x, y = a * column + b * row + c, d * column + e * row + f
    (longitude,), (latitude,) = project(crs, "EPSG:4326", [x], [y])
    return longitude, latitude


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("metres", [1.0, 2.0, 3.1])
def test_a_square_stays_where_it_is(tmp_path: Path, write_raster: WriteRaster, place: str, metres: float) -> None:
    values = np.zeros((80, 100, 3), np.uint8)
    values[30:46, 40:70] = 250
    crs, transform = PLACES[place]
    path = write_raster(tmp_path / "a.tif", values, crs=crs, transform=transform)
    with SceneImage(path, PLAIN, flag="--post") as image:
        target = resampled(image.grid, (metres, metres), path="a")
        assert target.is_upright
        assert all(abs(has / metres - 1) < 0.03 for has in target.gsd_m)
        rgb, observed = whole(image, target)
    found = centre(rgb.mean(-1), target.transform, target.crs)
    expected = centre(values.mean(-1).astype(float), transform, crs)
    east = (found[0] - expected[0] + 180) % 360 - 180
    metres_off = np.hypot(east * 111_320 * np.cos(np.radians(expected[1])), (found[1] - expected[1]) * 110_900)
    assert metres_off < 0.5 * metres
    area = rgb.mean() / 250 * rgb[..., 0].size * np.prod(target.gsd_m)
    assert area == pytest.approx(16 * 30 * np.prod(image.grid.gsd_m), rel=0.02)
    if place not in ("slanted",):
        assert observed.mean() > 0.95


def test_the_grid_of_the_image_is_read_as_it_is(tmp_path: Path, write_raster: WriteRaster) -> None:
    values = texture(80, 100)
    with SceneImage(write_raster(tmp_path / "a.tif", values), PLAIN, flag="--post") as image:
        target = resampled(image.grid, (2.0, 2.0), path="a")
        assert target == image.grid  # .04 % apart, by the projection
        np.testing.assert_array_equal(whole(image, target)[0], values)


def test_parts_are_those_of_the_whole(tmp_path: Path, write_raster: WriteRaster) -> None:
    place = Affine(2e-5, 0, 14.9995, 0, -2e-5, 45.1538)
    path = write_raster(tmp_path / "a.tif", texture(300, 400), crs="EPSG:4326", transform=place)
    other = grid(rasterio.CRS.from_epsg(32633), moved(-20, -20), 400, 500, path="")
    with SceneImage(path, PLAIN, flag="--pre") as image:
        rgb, observed = whole(image, other)
        for rows, columns in ((slice(37, 101), slice(0, 500)), (slice(0, 400), slice(211, 260))):
            part = image.read(other, rows, columns)
            np.testing.assert_array_equal(part.rgb, rgb[rows, columns])
            np.testing.assert_array_equal(part.observed, observed[rows, columns])
    assert 0 < observed.mean() < 1


VALID = np.zeros((80, 100), bool)
VALID[20:60, 30:90] = True


def without_data(kind: str) -> tuple[np.ndarray, dict[str, Any], Intensities]:
    """Values whose pixels outside of VALID have no data, and what a file says of that."""
    values, wide = texture(80, 100), Intensities("uint16", (1, 2, 3), ((0.0, 2550.0),) * 3)
    if kind == "nodata":
        values[..., 1:] = np.maximum(values[..., 1:], 1)
        values[VALID, 0] = 0  # in one band alone: that is data
        values[~VALID] = 0
        return values, {"nodata": 0}, PLAIN
    if kind == "alpha":
        return values, {"alpha": np.where(VALID, 255, 0)}, PLAIN
    if kind == "mask":
        return values, {"valid": VALID}, PLAIN
    if kind == "16 bit":
        return (
            np.where(VALID[..., None], 10 * values.astype(np.uint16), 65535).astype(np.uint16),
            {"nodata": 65535},
            wide,
        )
    floats = np.where(VALID[..., None], values, np.nan).astype(np.float32)
    return floats, {"nodata": float("nan")} if kind == "NaN, said" else {}, dataclasses.replace(PLAIN, dtype="float32")


@pytest.mark.parametrize("kind", ["nodata", "alpha", "mask", "16 bit", "NaN, said", "NaN"])
@pytest.mark.parametrize("metres", [1.0, 2.0, 4.0])
def test_where_there_is_no_data(tmp_path: Path, write_raster: WriteRaster, kind: str, metres: float) -> None:
    values, options, intensities = without_data(kind)
    path = write_raster(tmp_path / "a.tif", values, **options)
    with SceneImage(path, intensities, flag="--post") as image:
        target = resampled(image.grid, (metres, metres), path="a")
        rgb, observed = whole(image, target)
    scale = metres / 2
    rows, columns = (np.arange(length) + 0.5 for length in observed.shape)
    inside = ((rows * scale > 20 + scale) & (rows * scale < 60 - scale))[:, None] & (
        (columns * scale > 30 + scale) & (columns * scale < 90 - scale)
    )
    outside = ((rows * scale < 20 - scale) | (rows * scale > 60 + scale))[:, None] | (
        (columns * scale < 30 - scale) | (columns * scale > 90 + scale)
    )
    assert observed[inside].all() and not observed[outside].any()
    assert not rgb[~observed].any()
    if kind == "16 bit" and metres == 2:
        np.testing.assert_array_equal(rgb[VALID], texture(80, 100)[VALID])


def test_ground_beyond_the_image_has_no_data(tmp_path: Path, write_raster: WriteRaster) -> None:
    pre = write_raster(tmp_path / "pre.tif", texture(80, 100), transform=moved(50, 0))
    post = write_raster(tmp_path / "post.tif", texture(80, 100))
    with SceneImage(pre, PLAIN, flag="--pre") as before, SceneImage(post, PLAIN, flag="--post") as after:
        scene = ScenePair(before, after)
        ground = scene.read(after.grid, slice(0, 80), slice(0, 100))
        fit = scene.fit()
    assert not ground.observed[:, :49].any() and ground.observed[:, 51:].all()
    np.testing.assert_array_equal(ground.image[:, :50, 3:], texture(80, 100)[:, :50])
    assert fit and fit.overlap == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -5), (-7, 2)])
def test_dates_that_lie_apart(tmp_path: Path, write_raster: WriteRaster, down: int, right: int) -> None:
    ground = texture(300, 320)
    later = np.clip(ground[20:260, 20:280].astype(int) + texture(240, 260, 1) // 4 - 30, 0, 255).astype(np.uint8)
    pre = write_raster(tmp_path / "pre.tif", ground[20 + down : 260 + down, 20 + right : 280 + right])
    post = write_raster(tmp_path / "post.tif", later)
    with SceneImage(pre, PLAIN, flag="--pre") as before, SceneImage(post, PLAIN, flag="--post") as after:
        fit = ScenePair(before, after).fit()
    assert fit and fit.shift_m == pytest.approx((2 * down, 2 * right), abs=0.5)


@pytest.mark.parametrize("role", ["pre", "post"])
def test_a_file_that_was_cut_off_is_named(tmp_path: Path, write_raster: WriteRaster, role: str) -> None:
    """Its header is whole and says where it lies; its pixels are gone."""
    paths = {name: write_raster(tmp_path / f"{name}.tif", texture(80, 100)) for name in ("pre", "post")}
    whole = paths[role].read_bytes()
    paths[role].write_bytes(whole[: len(whole) // 40])
    images = (SceneImage(paths[name], PLAIN, flag=f"--{name}") for name in ("pre", "post"))
    with pytest.raises(UserError, match=f"--{role}=.*{role}.tif: none of its pixels can be read; .*get it anew"):
        ScenePair(*images).fit()


def test_a_shift_that_cannot_be_told() -> None:
    everywhere = np.ones((100, 100), bool)
    noise = np.random.default_rng(0).normal(size=(2, 100, 100))
    assert shift(*noise, everywhere) is None
    assert shift(np.zeros((100, 100)), np.zeros((100, 100)), everywhere) is None


def test_a_damaged_block_is_ground_without_data(tmp_path: Path, write_raster: WriteRaster) -> None:
    values = np.random.default_rng(0).integers(0, 256, (256, 512, 3), np.uint8)
    tiles = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate", "interleave": "pixel"}
    path = write_raster(tmp_path / "a.tif", values, **tiles)
    data = bytearray(path.read_bytes())
    within = len(data) * 9 // 16  # of random values, each tile is about an eighth of the file
    data[within : within + 2000] = bytes(2000)
    path.write_bytes(data)
    with SceneImage(path, PLAIN, flag="--post") as image:
        part = image.read(image.grid, slice(0, 256), slice(0, 512))
    assert part.damaged and 0.8 < part.observed.mean() < 1
    np.testing.assert_array_equal(part.rgb[part.observed], values[part.observed])


_TERMS = [1.0, *19 * [0.0]]
RATIONAL: dict[str, Any] = {
    **{f"{name}_off": 10.0 for name in ("lat", "long", "height", "line", "samp")},
    **{f"{name}_scale": 1.0 for name in ("lat", "long", "height", "line", "samp")},
    **{f"{name}_coeff": _TERMS for name in ("line_num", "line_den", "samp_num", "samp_den")},
}


def test_files_that_are_no_scene(tmp_path: Path, write_raster: WriteRaster) -> None:
    from rasterio.control import GroundControlPoint

    def refused(path: Path, intensities: Intensities = PLAIN, **options: Any) -> str:
        with pytest.raises(UserError) as caught:
            SceneImage(path, intensities, flag="--post", **options)
        assert str(caught.value).startswith(f"--post={path}: ")
        return str(caught.value)

    values = texture(20, 30)
    assert "no such file" in refused(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("hello")
    assert "cannot be opened as a raster" in refused(tmp_path / "text.tif")
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        nowhere = write_raster(tmp_path / "nowhere.tif", values, crs=None, transform=None)
    assert "no place on a map" in refused(nowhere)
    points = [GroundControlPoint(r, c, 15 + c / 1e4, 45 - r / 1e4) for r, c in ((0, 0), (0, 29), (19, 0), (19, 29))]
    by_points = tmp_path / "points.tif"
    shape = {"height": 20, "width": 30, "count": 3, "dtype": "uint8", "driver": "GTiff"}
    with rasterio.open(by_points, "w", gcps=points, crs="EPSG:4326", **shape) as file:
        file.write(np.moveaxis(values, -1, 0))
    assert "placed by ground control points alone; warp it first" in refused(by_points)
    by_polynomials = tmp_path / "polynomials.tif"
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning), rasterio.open(by_polynomials, "w", **shape) as file:
        file.write(np.moveaxis(values, -1, 0))
        file.rpcs = rasterio.rpc.RPC(**RATIONAL)
    assert "placed by rational polynomials (RPC) alone; warp it first" in refused(by_polynomials)
    palette = write_raster(tmp_path / "palette.tif", values[..., :1])
    with rasterio.open(palette, "r+") as file:
        file.write_colormap(1, {level: (level, 255 - level, 7, 255) for level in range(256)})
    assert "holds colours by a palette; save it as RGB" in refused(palette)
    five = write_raster(tmp_path / "five.tif", np.concatenate([values, values[..., :2]], -1))
    assert "has 5 bands; say which are red, green and blue: --bands=3,2,1" in refused(five)
    assert "band 6 is asked for" in refused(five, stated=Stated((6, 2, 1)))
    wide = write_raster(tmp_path / "wide.tif", values.astype(np.uint16))
    assert "holds uint16, and the model was trained on uint8" in refused(wide)
    unsaid = write_raster(tmp_path / "unsaid.tif", values, crs=None)
    assert "no coordinate reference system; state it, as --crs=EPSG:32633" in refused(unsaid)
    with pytest.raises(UserError, match=r"^--crs=EPSG:1: is no coordinate reference system"):
        SceneImage(unsaid, PLAIN, flag="--post", stated=Stated(crs="EPSG:1"))
    with SceneImage(unsaid, PLAIN, flag="--post", stated=Stated(crs="EPSG:32633")) as image:
        assert image.grid.gsd_m == pytest.approx((2, 2), rel=1e-3)
    far = write_raster(tmp_path / "far.tif", values, crs="EPSG:4326", transform=Affine(1, 0, 0, 0, -1, 200))
    assert "outside of the globe; mend its georeference" in refused(far)
    with SceneImage(five, PLAIN, flag="--post", stated=Stated((3, 2, 1))) as image:
        np.testing.assert_array_equal(whole(image, image.grid)[0], values[..., ::-1])


def test_a_picture_with_a_world_file(tmp_path: Path) -> None:
    Image.fromarray(texture(20, 30)).save(tmp_path / "a.png")
    (tmp_path / "a.pgw").write_text("2\n0\n0\n-2\n500001\n4999999\n")
    with SceneImage(tmp_path / "a.png", PLAIN, flag="--post", stated=Stated(crs="EPSG:32633")) as image:
        assert image.grid.transform == UTM
        np.testing.assert_array_equal(whole(image, image.grid)[0], texture(20, 30))


def test_a_picture_with_the_papers_name(tmp_path: Path) -> None:
    path = tmp_path / "GE_45.0_15.0_45.001_15.002_LS_a_US_20200101_POST.png"
    Image.fromarray(texture(50, 60)).save(path)
    with SceneImage(path, PLAIN, flag="--post") as image:
        assert image.grid.crs == rasterio.CRS.from_epsg(4326)
        assert image.grid.gsd_m == pytest.approx((111.1 / 50, 157.7 / 60), rel=0.01)
        bright = texture(50, 60)[..., 0].astype(float)
        assert centre(bright, image.grid.transform, image.grid.crs) == pytest.approx((15.001, 45.0005), abs=1e-4)
        coarse = resampled(image.grid, (5.0, 5.0), path="")
        rgb, observed = whole(image, coarse)
        assert observed.all() and rgb.mean() == pytest.approx(texture(50, 60).mean(), abs=1)
