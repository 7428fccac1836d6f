"""Images whose files hold more, or something else, than one picture of 8-bit RGB."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from tsmu_jax.data import images, rasters, signatures
from tsmu_jax.data.bad_file import BadFile, DeepFile
from tsmu_jax.data.stated import Stated

SHAPE = (24, 32)
RGB = np.random.default_rng(0).integers(1, 256, (*SHAPE, 3), np.uint8)
BANDS = np.moveaxis(RGB, -1, 0)
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # of writing


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def raster(values: np.ndarray, finish: Callable[[Any], object] = lambda dataset: None, **options: Any) -> bytes:
    shape = {"driver": "GTiff", "count": len(values), "height": SHAPE[0], "width": SHAPE[1], "dtype": values.dtype}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.MemoryFile() as file:
        with file.open(**shape, **options) as dataset:
            dataset.write(values)
            finish(dataset)
        return bytes(file.read())


@pytest.mark.parametrize(
    ("data", "stated"),
    [
        (lambda: raster(BANDS[:2]), Stated((1, 1, 2))),
        (lambda: raster(BANDS[:2], alpha="YES"), Stated((1, 1, 2))),
        (lambda: raster(BANDS, photometric="MINISBLACK"), Stated((1, 2, 3))),
        (lambda: raster(np.concatenate([BANDS, BANDS]), photometric="MINISBLACK"), Stated((3, 2, 1))),
    ],
    ids=["two bands", "two, called alpha", "three, min is black", "six, min is black"],
)
def test_bands_that_are_not_said_to_be_colours_are_asked_for_and_the_remedy_works(
    data: Callable[[], bytes], stated: Stated
) -> None:
    file = data()
    with pytest.raises(BadFile) as caught:
        images.decode(file, "etf/a_post.tif")
    assert stated.bands is not None
    assert f"--bands={','.join(map(str, stated.bands))}" in str(caught.value)
    found = rasters.decode(file, "etf/a_post.tif", stated)
    expected = np.stack([np.concatenate([BANDS, BANDS])[band - 1] for band in stated.bands], -1)
    np.testing.assert_array_equal(found.rgb, expected)


@pytest.mark.parametrize(
    "data",
    [
        lambda: raster(BANDS),
        lambda: raster(np.concatenate([BANDS, BANDS[:1]]), photometric="RGB"),  # the file names its colours
        lambda: raster(BANDS, lambda dataset: dataset.build_overviews([2, 4])),
        lambda: saved(Image.fromarray(RGB), "BMP"),
    ],
    ids=["RGB", "RGB and one more", "overviews", "BMP"],
)
def test_colours_that_a_file_names_are_read(data: Callable[[], bytes]) -> None:
    found = images.decode(data(), "etf/a_post.tif")
    np.testing.assert_array_equal(found.rgb, RGB)
    assert found.observed is None


@pytest.mark.parametrize("form", ["TIFF", "PNG", "GIF"])
def test_several_pictures_are_refused(form: str) -> None:
    other = Image.fromarray(255 - RGB)
    data = saved(Image.fromarray(RGB), form, save_all=True, append_images=[other])
    with pytest.raises(BadFile, match="^etf/a_post.tif: holds 2 pictures; save the one that is meant"):
        images.decode(data, "etf/a_post.tif")
    if form == "TIFF":
        with pytest.raises(BadFile, match="holds 2 pictures"):
            rasters.decode(data, "etf/a_post.tif", Stated((1, 2, 3)))


def test_a_camera_s_preview_is_no_second_picture() -> None:
    data = saved(Image.fromarray(RGB), "MPO", save_all=True, append_images=[Image.fromarray(RGB)])
    assert images.decode(data, "etf/a_post.jpg").rgb.shape == RGB.shape


def test_signed_bytes_and_white_as_0_are_no_intensities() -> None:
    with pytest.raises(DeepFile, match="signed values; say which values are black and white: --range"):
        images.decode(raster(BANDS[:1].astype(np.int8)), "a.tif")
    white = raster(BANDS[:1], photometric="MINISWHITE")
    np.testing.assert_array_equal(images.decode(white, "a.tif").rgb[..., 0], 255 - BANDS[0])
    with pytest.raises(BadFile, match="stores white as its least value; save it with black as 0"):
        rasters.decode(white, "a.tif", Stated((1, 1, 1)))


def cut() -> np.ndarray:
    observed = np.ones(SHAPE, bool)
    observed[:5] = False
    return observed


def tagged(array: np.ndarray, colours: list[int] | None = None) -> bytes:
    tags = ImageFileDirectory_v2()
    tags[42113] = "0"
    image = Image.fromarray(array)
    if colours:
        image.putpalette(colours)
    return saved(image, "TIFF", tiffinfo=tags)


@pytest.mark.parametrize(
    "data",
    [
        lambda: raster(BANDS, lambda dataset: dataset.write_mask(cut())),
        lambda: tagged((cut() * (1 + np.arange(SHAPE[1]) % 3)).astype(np.uint8), [0, 0, 9, 0, 0, 0, 1, 2, 3, 4, 5, 6]),
        lambda: tagged(RGB * cut()[..., None]),
        lambda: raster(np.concatenate([BANDS * cut(), BANDS[:1]]), nodata=0, photometric="RGB"),
        lambda: raster(np.concatenate([BANDS * cut(), BANDS[:1]]), nodata=0),
        lambda: raster(BANDS[:1] * cut(), nodata=0, photometric="MINISWHITE"),
    ],
    ids=["mask in the file", "palette", "RGB", "RGB and one more", "RGB and what is called alpha", "white is 0"],
)
def test_pixels_without_data(data: Callable[[], bytes]) -> None:
    found = images.decode(data(), "a.tif")
    assert found.observed is not None
    np.testing.assert_array_equal(found.observed, cut())


COLOURS = [(9 * index, 255 - 7 * index, 3) for index in range(16)]
NOTHING = 7  # the index of pixels without data, of a colour like others
INDICES = np.where(cut(), np.arange(SHAPE[1]) % 5, NOTHING).astype(np.uint8)


def coloured(driver: str, **options: Any) -> bytes:
    """A palette image as GDAL writes it."""
    shape = {"driver": driver, "count": 1, "height": SHAPE[0], "width": SHAPE[1], "dtype": "uint8", "nodata": NOTHING}
    with rasterio.MemoryFile() as file:
        with file.open(**shape, **options) as dataset:
            dataset.write_colormap(1, {index: (*colour, 255) for index, colour in enumerate(COLOURS)})
            dataset.write(INDICES, 1)
        return bytes(file.read())


def palette_png(**options: Any) -> bytes:
    image = Image.fromarray(INDICES)
    image.putpalette([value for colour in COLOURS for value in colour])
    return saved(image, "PNG", **options)


@pytest.mark.parametrize(
    "data",
    [
        lambda: coloured("GTiff"),
        lambda: coloured("GTiff", nbits=4),
        lambda: coloured("GTiff", compress="lzw", tiled=True, blockxsize=16, blockysize=16),
        lambda: coloured("PNG"),
        lambda: palette_png(transparency=NOTHING),
        lambda: palette_png(transparency=bytes([200] * NOTHING + [0])),
        lambda: palette_png(transparency=NOTHING, bits=4),
    ],
    ids=["GeoTIFF", "4 bits", "tiled", "GDAL's PNG", "PNG", "PNG, others half transparent", "PNG of 4 bits"],
)
def test_an_index_of_a_palette_marks_pixels_without_data(data: Callable[[], bytes]) -> None:
    found = images.decode(data(), "a.tif")
    assert found.observed is not None
    np.testing.assert_array_equal(found.observed, cut())
    np.testing.assert_array_equal(found.rgb, np.array(COLOURS)[INDICES])


def test_a_mask_in_the_file_counts_beside_stated_bands() -> None:
    data = raster(BANDS, lambda dataset: dataset.write_mask(cut()))
    found = rasters.decode(data, "a.tif", Stated((3, 2, 1)))
    assert found.observed is not None
    np.testing.assert_array_equal(found.observed, cut())


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"", "is empty; replace"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "is a Git LFS pointer.*: git lfs pull$",
        ),
        (b"/annex/objects/SHA256E-s9--0.png\n", "is a git-annex pointer.*: git annex get$"),
        (b"\n<!DOCTYPE HTML><html>", "is a web page.*download it again$"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC photo under another name; save it as PNG or JPEG"),
        (b"PK\x03\x04", "is a zip archive; unpack it"),
    ],
)
def test_what_is_no_image_is_told_by_its_bytes(start: bytes, message: str) -> None:
    with pytest.raises(BadFile, match=f"^etf/a_post.png: {message}"):
        signatures.check(start, "etf/a_post.png")


def test_images_are_not_taken_for_something_else() -> None:
    for form in ("PNG", "JPEG", "TIFF", "BMP", "WEBP"):
        signatures.check(saved(Image.fromarray(RGB), form), "a")


def test_absurd_sizes_are_refused_before_memory_is_taken() -> None:
    data = bytearray(saved(Image.new("L", (1, 1)), "BMP"))
    data[18:26] = (30_000).to_bytes(4, "little") * 2
    message = "^a.bmp: claims more than the 179 million pixels that are read; cut it into smaller images"
    with pytest.raises(BadFile, match=message):
        images.decode(bytes(data), "a.bmp")
    with rasterio.MemoryFile() as file:
        shape = {"driver": "GTiff", "count": 3, "height": 30_000, "width": 30_000, "dtype": "uint8"}
        with file.open(**shape, SPARSE_OK=True):
            pass
        sparse = bytes(file.read())
    assert len(sparse) < 10_000_000
    with pytest.raises(BadFile, match=message.replace("bmp", "tif")):
        rasters.decode(sparse, "a.tif", Stated((1, 2, 3)))
