"""The formats beside plain GeoTIFF in which scenes come: the same pixels at the same place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.shutil import copy

from tests.scenes.conftest import UTM, texture
from tests.scenes.test_reading import centre, whole
from tsmu_jax.data.contract import PLAIN
from tsmu_jax.errors import UserError
from tsmu_jax.scenes.grid import resampled
from tsmu_jax.scenes.image import SceneImage
from tsmu_jax.scenes.opening import Stated

HEIGHT, WIDTH = 600, 520  # more than a block of a COG
CORNERS = (45.0, 15.0, 45.012, 15.014)  # south, west, north, east
NAMED = "GE_45.0_15.0_45.012_15.014_LS_a_US_20200101_POST.jpg"
IN_UTM = (rasterio.CRS.from_epsg(32633), UTM)
BY_NAME = (
    rasterio.CRS.from_epsg(4326),
    rasterio.Affine((CORNERS[3] - CORNERS[1]) / WIDTH, 0, 15.0, 0, -(CORNERS[2] - CORNERS[0]) / HEIGHT, 45.012),
)


def picture() -> np.ndarray:
    """u8[h, w, 3], dark with a bright square that is not in the middle."""
    values = texture(HEIGHT, WIDTH) // 8
    values[120:200, 300:430] += 180
    return values


def write_tiff(folder: Path) -> Path:
    place = {"height": HEIGHT, "width": WIDTH, "crs": IN_UTM[0], "transform": UTM}
    with rasterio.open(folder / "plain.tif", "w", driver="GTiff", count=3, dtype="uint8", **place) as file:
        file.write(np.moveaxis(picture(), -1, 0))
    return folder / "plain.tif"


def jpeg_2000(folder: Path) -> Path:
    copy(write_tiff(folder), folder / "a.jp2", driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES")
    return folder / "a.jp2"


def cog(folder: Path) -> Path:
    copy(write_tiff(folder), folder / "a.tif", driver="COG", blocksize=256, compress="deflate")
    with rasterio.open(folder / "a.tif") as file:
        assert file.overviews(1) and file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    return folder / "a.tif"


def jpeg_with_world_file(folder: Path) -> Path:
    Image.fromarray(picture()).save(folder / "a.jpg", quality=95)
    (folder / "a.jgw").write_text("2\n0\n0\n-2\n500001\n4999999\n")
    return folder / "a.jpg"


def jpeg_with_the_papers_name(folder: Path) -> Path:
    Image.fromarray(picture()).save(folder / NAMED, quality=95)
    return folder / NAMED


def tiff_with_world_file(folder: Path) -> Path:
    (folder / "a.tfw").write_text("2\n0\n0\n-2\n500001\n4999999\n")
    Image.fromarray(picture()).save(folder / "a.tif")
    return folder / "a.tif"


def picture_with_aux_xml(folder: Path) -> Path:
    """As GDAL and ArcGIS write what a format cannot hold itself."""
    transform = ", ".join(str(one) for one in UTM.to_gdal())
    place = f"<SRS>{IN_UTM[0].to_wkt()}</SRS><GeoTransform>{transform}</GeoTransform>"
    (folder / "a.png.aux.xml").write_text(f"<PAMDataset>{place}</PAMDataset>")
    Image.fromarray(picture()).save(folder / "a.png")
    return folder / "a.png"


def tiff_by_points(folder: Path) -> Path:
    """Its coordinates are those of the middles of pixels: GDAL moves them to the corners itself."""
    with rasterio.open(write_tiff(folder)) as file:
        profile = file.profile
    with rasterio.Env(GTIFF_POINT_GEO_IGNORE=False), rasterio.open(folder / "a.tif", "w", **profile) as file:
        file.update_tags(AREA_OR_POINT="Point")
        file.write(np.moveaxis(picture(), -1, 0))
    with rasterio.Env(GTIFF_POINT_GEO_IGNORE=True), rasterio.open(folder / "a.tif") as file:
        assert (file.transform.c, file.transform.f) == (UTM.c + 1, UTM.f - 1)  # as it stands in the file
    return folder / "a.tif"


@pytest.mark.parametrize(
    ("write", "place", "most"),
    [
        (jpeg_2000, IN_UTM, 0),
        (cog, IN_UTM, 0),
        (tiff_with_world_file, IN_UTM, 0),
        (picture_with_aux_xml, IN_UTM, 0),
        (tiff_by_points, IN_UTM, 0),
        (jpeg_with_world_file, IN_UTM, 25),
        (jpeg_with_the_papers_name, BY_NAME, 25),
    ],
)
def test_a_scene_of_another_format(
    tmp_path: Path, write: Callable[[Path], Path], place: tuple[Any, Any], most: int
) -> None:
    """Args: most: levels by which a pixel may differ, where the format loses some."""
    unsaid = write in (jpeg_with_world_file, tiff_with_world_file)
    stated = Stated(crs="EPSG:32633") if unsaid else Stated()
    values = picture()
    with SceneImage(write(tmp_path), PLAIN, flag="--post", stated=stated) as image:
        assert image.grid.crs == place[0] and image.grid.transform.almost_equals(place[1], 1e-12)
        rgb, observed = whole(image, image.grid)
        part = image.read(image.grid, slice(150, 230), slice(290, 310)).rgb
        coarse = resampled(image.grid, tuple(2.5 * metres for metres in image.grid.gsd_m), path="")
        small, all_of_it = whole(image, coarse)
    assert observed.all() and all_of_it.all()
    apart = np.abs(rgb.astype(int) - values)
    assert apart.max() <= most and apart.mean() <= most / 10
    np.testing.assert_array_equal(part, rgb[150:230, 290:310])
    known = centre((values.mean(-1) > 100).astype(float), *place[::-1])
    found = centre((small.mean(-1) > 100).astype(float), coarse.transform, coarse.crs)
    assert found == pytest.approx(known, abs=0.2 * 2.5 * 2 / 111_000)
    assert (small.mean(-1) > 100).mean() == pytest.approx((values.mean(-1) > 100).mean(), rel=0.03)


def test_a_jpeg_with_a_world_file_alone_asks_for_its_coordinates(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.jpg: has no coordinate reference system; state it, as --crs=EPSG:32633"):
        SceneImage(jpeg_with_world_file(tmp_path), PLAIN, flag="--post")
