"""Virtual rasters take pixels from files of this machine alone, and are known by what these hold."""

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest

from tests.scenes.conftest import WriteRaster, texture
from tsmu_jax.data.contract import PLAIN
from tsmu_jax.errors import UserError
from tsmu_jax.scenes.image import SceneImage

WMS = "<GDAL_WMS><Service name='TMS'><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>"


def virtual(source: str, *, bands: int = 1, shape: tuple[int, int] = (80, 100), relative: bool = True) -> str:
    """A virtual raster at the place of `write_raster`; `source` as XML, from the virtual raster's directory or not."""
    found = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative:d}">{source}</SourceFilename>'
        f"<SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in range(1, bands + 1)
    )
    place = "<SRS>EPSG:32633</SRS><GeoTransform>500000,2,0,5000000,0,-2</GeoTransform>"
    return f'<VRTDataset rasterXSize="{shape[1]}" rasterYSize="{shape[0]}">{place}{found}</VRTDataset>'


def written(path: Path, source: str, **options: bool) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(virtual(source, bands=3, shape=(20, 30), **options))
    return path


def read(path: Path) -> np.ndarray:
    with SceneImage(path, PLAIN, flag="--post") as image:
        return image.read(image.grid, slice(0, 20), slice(0, 30)).rgb


@pytest.mark.parametrize(
    "source",
    [
        "/vsicurl/http://127.0.0.1:9/x.tif",
        "&#47;vsicurl/http://127.0.0.1:9/x.tif",
        "<![CDATA[/vsicurl/http://127.0.0.1:9/x.tif]]>",
        "http://127.0.0.1:9/x.tif",
        "/vsimem/x",
        "none.tif",
        "nested/a.vrt",
        "service.tif",
        escape(WMS),
    ],
)
def test_a_virtual_raster_takes_nothing_from_elsewhere(tmp_path: Path, source: str) -> None:
    written(tmp_path / "nested" / "a.vrt", "/vsicurl/http://127.0.0.1:9/x.tif")
    (tmp_path / "service.tif").write_text(WMS)
    file = written(tmp_path / "a.vrt", source)
    for before in ("", "x", '<?xml version="1.0"?>', " " * 500):
        file.write_text(before + virtual(source, bands=3, shape=(20, 30)))
        with pytest.raises(UserError, match=r"a.vrt: takes pixels from .*, which is no file of this machine; copy it"):
            SceneImage(file, PLAIN, flag="--post")


def test_a_virtual_raster_of_files(tmp_path: Path, write_raster: WriteRaster) -> None:
    """Beside it, by their whole path, and by way of another virtual raster."""
    write_raster(tmp_path / "nested" / "b & c.tif", texture(20, 30))
    beside = written(tmp_path / "nested" / "a.vrt", "b &amp; c.tif")
    whole = written(tmp_path / "whole.vrt", f"{tmp_path}/nested/b &amp; c.tif", relative=False)
    nested = written(tmp_path / "a.vrt", "nested/a.vrt")
    for path in (beside, whole, nested):
        np.testing.assert_array_equal(read(path), texture(20, 30))


def test_an_image_is_known_by_the_pixels_of_its_sources(tmp_path: Path, write_raster: WriteRaster) -> None:
    def digest(seed: int) -> str:
        write_raster(tmp_path / "nested" / "b.tif", texture(20, 30, seed))
        written(tmp_path / "nested" / "a.vrt", "b.tif")
        with SceneImage(written(tmp_path / "a.vrt", "nested/a.vrt"), PLAIN, flag="--post") as image:
            return image.digest()

    assert digest(0) == digest(0) != digest(1)
