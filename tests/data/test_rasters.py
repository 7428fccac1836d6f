"""Rasters beyond 8-bit RGB, and where they lie."""

import io
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from tests.data.geotiffs import HEIGHT, NO_PLACE, WIDTH, pair, values, write_raster
from tsmu_jax.data import images, rasters
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.open import open_source
from tsmu_jax.data.prepared import PreparedSource, write
from tsmu_jax.data.source import Intensities
from tsmu_jax.data.stated import Stated, Statements, read
from tsmu_jax.errors import UserError


@NO_PLACE
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_stated_bands_and_ranges_become_colours(tmp_path: Path, dtype: str) -> None:
    stored = values(dtype)
    data = write_raster(tmp_path / "a.tif", stored)
    ranges = ((0.0, 3000.0), (500.0, 2500.0), (100.0, 4000.0))
    found = rasters.decode(data, "a.tif", Stated((4, 3, 1), ranges))
    for channel, (band, (low, high)) in enumerate(zip((4, 3, 1), ranges, strict=True)):
        wanted = np.round(255 * np.clip((stored[band - 1].astype(float) - low) / (high - low), 0, 1))
        np.testing.assert_array_equal(found.rgb[..., channel], wanted)
    assert found.observed is None
    assert found.intensities == Intensities(dtype, (4, 3, 1), ranges)


@NO_PLACE
def test_a_png_of_16_bits(tmp_path: Path) -> None:
    stored = values("uint16", bands=3)
    data = write_raster(tmp_path / "a.png", stored, driver="PNG")
    found = rasters.decode(data, "a.png", Stated(ranges=((0.0, 4000.0),) * 3))
    np.testing.assert_array_equal(found.rgb, np.round(255 * (np.moveaxis(stored, 0, -1) / 4000.0)))


@NO_PLACE
def test_pixels_without_data_are_not_observed(tmp_path: Path) -> None:
    stored = values("uint16", bands=4)
    stored[:, 0] = 0
    stored[0, 3, 3] = 0  # in one band alone: data
    stated = Stated((1, 2, 3), ((0.0, 4000.0),) * 3)
    named = rasters.decode(write_raster(tmp_path / "a.tif", stored, nodata=0), "a.tif", stated)
    assert named.observed is not None
    np.testing.assert_array_equal(named.observed, np.arange(HEIGHT)[:, None].repeat(WIDTH, 1) > 0)
    stored[3] = 4000
    stored[3, :, 0] = 0
    alpha = rasters.decode(write_raster(tmp_path / "b.tif", stored, photometric="RGB", alpha="YES"), "b.tif", stated)
    assert alpha.observed is not None
    np.testing.assert_array_equal(alpha.observed, np.arange(WIDTH)[None].repeat(HEIGHT, 0) > 0)
    chosen = rasters.decode((tmp_path / "b.tif").read_bytes(), "b.tif", Stated((4, 2, 1), stated.ranges))
    assert chosen.observed is None  # what the file calls alpha is a colour
    missing = values("float32", bands=3)
    missing[:, 2, 2] = np.nan
    held = rasters.decode(write_raster(tmp_path / "c.tif", missing), "c.tif", stated)
    assert held.observed is not None
    assert np.argwhere(~held.observed).tolist() == [[2, 2]]


@NO_PLACE
@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (Stated(bands=(1, 2, 3)), "a.tif: holds uint16; say which values are black and white: --range=LOW:HIGH"),
        (Stated(ranges=((0.0, 9.0),) * 3), "a.tif: has 5 bands; say which are red, green and blue: --bands=3,2,1"),
        (
            Stated((1, 2, 6), ((0.0, 9.0),) * 3),
            "a.tif: has 5 bands, and band 6 is asked for; state others: --bands=3,2,1",
        ),
    ],
)
def test_what_is_not_stated_is_asked_for(tmp_path: Path, stated: Stated, message: str) -> None:
    data = write_raster(tmp_path / "a.tif", values("uint16"))
    with pytest.raises(UserError) as caught:
        rasters.decode(data, "a.tif", stated)
    assert str(caught.value) == message


def without_strips() -> bytes:
    """A TIFF whose list of strips has no type, of which GDAL raises an error that is none of rasterio's."""
    file = io.BytesIO()
    Image.fromarray(np.ones((HEIGHT, WIDTH), np.float32)).save(file, "TIFF")
    data = bytearray(file.getvalue())
    data[data.index(b"\x11\x01\x04\x00") + 3] = 255
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"II*\0 and no more", "a.tif: does not decode; replace the file"),
        (without_strips(), "a.tif: does not decode; replace the file"),
        (b"", "a.tif: is empty; replace the file"),
    ],
)
def test_a_damaged_file_is_bad(data: bytes, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        rasters.decode(data, "a.tif", Stated(ranges=((0.0, 9.0),) * 3))
    assert str(caught.value) == message


@NO_PLACE
def test_a_range_that_a_type_cannot_hold_is_for_other_files(tmp_path: Path) -> None:
    data = write_raster(tmp_path / "a.tif", values("uint8", 3))
    with pytest.raises(BadFile, match=r"holds uint8, 0 to 255, so --range=0:3000 is not for it.*--range=NAME=0:3000"):
        rasters.decode(data, "a.tif", Stated(ranges=((0.0, 3000.0),) * 3))


@NO_PLACE
def test_a_fourth_colour_that_is_called_alpha_hides_nothing(tmp_path: Path) -> None:
    stored = np.moveaxis(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8), -1, 0)
    data = write_raster(tmp_path / "a.tif", stored, photometric="RGB", alpha="YES")
    assert rasters.decode(data, "a.tif", Stated(bands=(1, 2, 3))).observed is None
    assert images.decode(data, "a.tif").observed is None
    stored[3] = np.where(np.arange(WIDTH) < 2, 0, 255)
    data = write_raster(tmp_path / "b.tif", stored, photometric="RGB", alpha="YES")
    for found in (rasters.decode(data, "b.tif", Stated(bands=(1, 2, 3))), images.decode(data, "b.tif")):
        np.testing.assert_array_equal(found.observed, np.arange(WIDTH)[None].repeat(HEIGHT, 0) >= 2)


def test_images_that_libraries_read_differently_are_refused(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(array).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(array).quantize(16).save(tmp_path / "palette.png")
    for name, message in (("turned.jpg", "EXIF orientation; save it upright"), ("palette.png", "save it as RGB")):
        with pytest.raises(BadFile, match=message):
            rasters.decode((tmp_path / name).read_bytes(), name, Stated(ranges=((0.0, 200.0),) * 3))


def test_a_folder_of_geotiffs(tmp_path: Path) -> None:
    pair(tmp_path / "etf", values("uint16"), crs="EPSG:32633", transform=Affine(2.0, 0, 5e5, 0, -3.0, 5.2e6))
    source = FolderSource(tmp_path, require_pre=True, stated=read(["3,2,1"], ["0:4000"], []))
    info = source.infos[0]
    assert info.gsd_m == pytest.approx((3.0, 2.0), rel=0.001)
    assert info.footprint is not None
    assert info.intensities == Intensities("uint16", (3, 2, 1), ((0.0, 4000.0),) * 3)
    write(source, tmp_path / "prepared")
    prepared = PreparedSource(tmp_path / "prepared", require_pre=True)
    assert prepared.infos == source.infos
    np.testing.assert_array_equal(prepared[0].post, source[0].post)
    stated = FolderSource(
        tmp_path, require_pre=True, stated=read(["3,2,1"], ["0:4000"], ["etf=1.5"]), ecoregions=["etf"]
    )
    assert stated.infos[0].gsd_m == (1.5, 1.5)
    with pytest.raises(UserError, match="holds a dataset of other images or options"):
        write(stated, tmp_path / "prepared")


@NO_PLACE
def test_files_of_several_types_are_refused(tmp_path: Path) -> None:
    pair(tmp_path / "etf", values("uint16"), "1")
    pair(tmp_path / "etf", values("int16"), "2")
    statements = read(["3,2,1"], ["0:4000"], [])
    with pytest.raises(
        UserError, match=r"etf/2_post.tif: read as bands 3,2,1 of int16, but 1_post.tif as .* of uint16"
    ):
        FolderSource(tmp_path, require_pre=True, stated=statements)
    for date in ("pre", "post"):
        (tmp_path / "etf" / f"2_{date}.tif").unlink()
    (tmp_path / "etf" / "2_mask.png").unlink()
    write_raster(tmp_path / "etf" / "1_pre.tif", values("float32"))
    with pytest.raises(UserError, match=r"etf/1_pre.tif: read as bands 3,2,1 of float32, but 1_post.tif as .* uint16"):
        FolderSource(tmp_path, require_pre=True, stated=statements)


@NO_PLACE
def test_deep_images_ask_for_a_range(tmp_path: Path) -> None:
    pair(tmp_path / "etf", values("uint16", 1))
    with pytest.raises(UserError, match="holds more than 8 bits a channel .*--range=LOW:HIGH of tsmu_jax.prepare"):
        FolderSource(tmp_path, require_pre=True)


def test_words_of_flags() -> None:
    found = read(["3,2,1", "etf=5,3,2"], ["nad=0:10,1:20,2:30"], ["etf=0.5", "2"])
    assert found.of("etf") == Stated((5, 3, 2), None, 0.5)
    assert found.of("nad") == Stated((3, 2, 1), ((0.0, 10.0), (1.0, 20.0), (2.0, 30.0)), 2.0)
    assert Statements().of("etf") == Stated()


@pytest.mark.parametrize(
    ("bands", "ranges", "gsd", "message"),
    [
        (["3,2"], [], [], "--bands=3,2: must be three band numbers from 1 on"),
        (["0,1,2"], [], [], "--bands=0,1,2: must be"),
        ([], ["5"], [], "--range=5: must be the lowest and the highest value"),
        ([], ["9:5"], [], "--range=9:5: must be"),
        ([], ["0:1,0:1"], [], "--range=0:1,0:1: must be"),
        ([], ["0:inf"], [], "--range=0:inf: must be"),
        ([], [], ["etf=0"], "--gsd=etf=0: must be metres a pixel, greater than 0"),
        ([], [], ["1", "2"], "--gsd is given twice for all ecoregions"),
    ],
)
def test_wrong_words_of_flags(bands: list[str], ranges: list[str], gsd: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        read(bands, ranges, gsd)
    assert str(caught.value).startswith(message)


@NO_PLACE
def test_statements_about_what_is_not_there(tmp_path: Path) -> None:
    pair(tmp_path / "etf", values("uint8", 3))
    with pytest.raises(UserError, match=r"--gsd: no ecoregion 'eft' \(did you mean 'etf'"):
        FolderSource(tmp_path, require_pre=True, stated=read([], [], ["eft=1"]))
    with pytest.raises(UserError, match="synthetic ecoregions need no --bands, --range and --gsd"):
        open_source(None, require_pre=True, stated=read([], [], ["1"]))
