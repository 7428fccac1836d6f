"""Masks as people have them: every coding of one mask is the same mask, and what can mean two things is an error."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

from tsmu_jax.data import look, masks, pair_files
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.index import collect
from tsmu_jax.data.stated import NOTHING_STATED
from tsmu_jax.mask import BACKGROUND, LANDSLIDE, UNKNOWN

Write = Callable[..., Any]
SHAPE = (24, 32)
NO_PLACE = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # of writing


def truth() -> np.ndarray:
    """bool[h, w]: a landslide in a corner, much smaller than its background."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (y >= 4) & (y < 12) & (x >= 8) & (x < 24)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def palette(indices: np.ndarray, *colours: tuple[int, int, int], form: str = "PNG", **options: Any) -> bytes:
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([value for colour in colours for value in colour])
    return saved(image, form, **options)


def grey(values: np.ndarray, form: str = "PNG", **options: Any) -> bytes:
    return saved(Image.fromarray(values), form, **options)


def raster(values: np.ndarray, **options: Any) -> bytes:
    bands = values if values.ndim == 3 else values[None]
    shape = {"driver": "GTiff", "count": len(bands), "height": SHAPE[0], "width": SHAPE[1], "dtype": values.dtype}
    with rasterio.MemoryFile() as file:
        with file.open(**shape, **options) as dataset:
            dataset.write(bands)
        return bytes(file.read())


def voc() -> list[tuple[int, int, int]]:
    """Pascal VOC's palette: black, dark red, and a void."""
    return [(0, 0, 0), (128, 0, 0), *[(n, n, 0) for n in range(2, 255)], (224, 224, 192)]


BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)
T = truth()
SAME: dict[str, Callable[[], bytes]] = {
    "0 and 255": lambda: grey(np.uint8(255) * T),
    "0 and 1": lambda: grey(T.astype(np.uint8)),
    "one bit": lambda: saved(Image.fromarray(np.uint8(255) * T).convert("1"), "PNG"),
    "white is 0, one bit": lambda: saved(Image.fromarray(np.uint8(255) * T).convert("1"), "TIFF", tiffinfo={262: 0}),
    "white is 0, 8 bits": lambda: raster(np.uint8(255) * ~T, photometric="MINISWHITE"),
    "white is 0, 8 bits, compressed": lambda: raster(np.uint8(255) * ~T, photometric="MINISWHITE", compress="LZW"),
    "white is 0, 16 bits": lambda: raster(np.uint16(65535) * ~T, photometric="MINISWHITE"),
    "white is 0, 16 bits, compressed": lambda: raster(np.uint16(65535) * ~T, photometric="MINISWHITE", compress="LZW"),
    "white is 0, its black named as without data": lambda: raster(
        np.uint8(255) * ~T, photometric="MINISWHITE", nodata=255
    ),
    "two greys": lambda: saved(Image.fromarray(np.dstack([np.uint8(255) * T, np.full(SHAPE, 255, np.uint8)])), "PNG"),
    "equal channels": lambda: grey(np.repeat(np.uint8(255) * T[..., None], 3, 2)),
    "quantized by Pillow, white first": lambda: saved(
        Image.fromarray(np.uint8(255) * T).convert("RGB").quantize(2), "PNG"
    ),
    "palette, black first": lambda: palette(T, BLACK, WHITE),
    "palette, white first": lambda: palette(~T, WHITE, BLACK),
    "palette, white first, TIFF": lambda: palette(~T, WHITE, BLACK, form="TIFF"),
    "palette of greys": lambda: saved(Image.fromarray(np.uint8(255) * T).convert("P"), "PNG"),
    "palette of classes": lambda: palette(T, *voc()),
    "palette, black and one colour": lambda: palette(T, BLACK, RED),
    "palette, one colour and black": lambda: palette(~T, RED, BLACK),
    "opaque": lambda: grey(np.dstack([np.uint8(255) * T] * 3 + [np.full(SHAPE, 255, np.uint8)])),
    "white on nothing": lambda: grey(np.dstack([np.uint8(255) * T] * 4)),
    "16 bits, full range": lambda: grey(np.uint16(65535) * T),
    "16 bits, 0 and 1": lambda: grey(T.astype(np.uint16)),
    "16 bits, 0 and 255, TIFF": lambda: grey(np.uint16(255) * T, "TIFF"),
    "32 bits": lambda: grey(T.astype(np.int32), "TIFF"),
    "floats": lambda: grey(T.astype(np.float32), "TIFF"),
    "doubles": lambda: raster(T.astype(np.float64)),
    "signed bytes": lambda: raster(T.astype(np.int8)),
    "tool's 0 outside of shapes": lambda: raster(T.astype(np.uint8), nodata=0),
    "BMP": lambda: grey(np.uint8(255) * T, "BMP"),
    "JPEG": lambda: grey(np.uint8(255) * T, "JPEG", quality=60),
    "JPEG in colours": lambda: grey(np.repeat(np.uint8(255) * T[..., None], 3, 2), "JPEG", quality=60),
}


@NO_PLACE
@pytest.mark.parametrize("coding", SAME)
def test_every_coding_is_the_same_mask(coding: str) -> None:
    found = masks.decode(SAME[coding](), "a_mask.png")
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, T.astype(np.uint8))


@NO_PLACE
@pytest.mark.parametrize(
    "data",
    [
        lambda mixed: palette(mixed, *voc()),
        lambda mixed: raster(np.where(mixed == 255, 7, mixed).astype(np.uint8), nodata=7),
        lambda mixed: raster(mixed, nodata=255),
        lambda mixed: raster(np.where(mixed == 255, np.nan, mixed).astype(np.float64)),
    ],
    ids=["void of VOC", "value without data", "255 without data", "no number"],
)
def test_what_a_file_leaves_open_is_unknown(data: Callable[[np.ndarray], bytes]) -> None:
    mixed = T.astype(np.uint8)
    mixed[20:] = 255
    expected = np.where(T, LANDSLIDE, BACKGROUND)
    expected[20:] = UNKNOWN
    np.testing.assert_array_equal(masks.decode(data(mixed), "a_mask.png"), expected)


def shaded() -> np.ndarray:
    return np.linspace(0, 255, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.uint8)


@NO_PLACE
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: palette(T, (10, 20, 30), (200, 0, 0)), r"palette, 0 \(10, 20, 30\), 1 \(200, 0, 0\): .* cannot be"),
        (lambda: palette(2 * T, *voc()), r"palette, 0 \(0, 0, 0\), 2 \(2, 2, 0\): .* cannot be told"),
        (lambda: palette(T, BLACK, BLACK, WHITE), "palette"),
        (lambda: palette(T, WHITE, RED), "palette"),
        (lambda: grey(np.dstack([np.full((*SHAPE, 3), 255, np.uint8), np.uint8(255) * T])), "transparent pixels have"),
        (lambda: grey(np.dstack([np.uint8(255) * T, np.full(SHAPE, 128, np.uint8)])), "transparent pixels have"),
        (lambda: grey(np.dstack([0 * T, np.uint8(255) * T]).astype(np.uint8)), "black on transparent ground"),
        (lambda: palette(~T, WHITE, BLACK, transparency=0), "transparent pixels have"),
        (lambda: raster(np.float32(1) * ~T, photometric="MINISWHITE"), "white as its least value; save it with one"),
        (lambda: raster(np.float64(1) * ~T, photometric="MINISWHITE"), "white as its least value; save it with"),
        (lambda: raster(np.uint16(1) * ~T, photometric="MINISWHITE"), "a mask with values 65534; only"),
        (lambda: raster(np.uint8(255) * ~T, photometric="MINISWHITE", nodata=0), "whose value 255 is landslide by cus"),
        (lambda: raster(np.uint8(1) * T, nbits=1, nodata=1), "whose value 255 is landslide by custom, but without"),
        (lambda: grey(np.uint16(300) * T), "a mask with values 300; only 0, 1 and 255 are allowed"),
        (lambda: grey(np.float32(0.5) * T, "TIFF"), "a mask with values 0.5; only"),
        (lambda: raster(np.where(T, -1, 0).astype(np.int8)), "a mask with values -1; only"),
        (lambda: raster(np.uint8(255) * T, nodata=255), "whose value 255 is landslide by custom, but without data"),
        (lambda: raster(np.stack([T, T]).astype(np.uint8)), "holds 2 bands; save it with one channel"),
        (lambda: raster(np.stack([T, T]).astype(np.float64)), "holds 2 bands; save it with one channel"),
        (lambda: raster(np.stack([T] * 3).astype(np.uint16), photometric="RGB"), "holds 3 bands|several channels"),
        (lambda: grey(shaded(), "JPEG"), "a mask in shades of grey"),
        (lambda: grey(np.uint8(9) * T, "JPEG"), "brightest value is [0-9]+, so it may be empty"),
        (lambda: grey(np.dstack([np.uint8(255) * T, 0 * T, 0 * T]).astype(np.uint8), "JPEG"), "a mask in colours"),
        (
            lambda: saved(
                Image.fromarray(np.uint8(255) * T), "TIFF", save_all=True, append_images=[Image.new("L", (32, 24))]
            ),
            "holds 2 pictures",
        ),
    ],
)
def test_what_can_mean_two_things_is_an_error(data: Callable[[], bytes], message: str) -> None:
    with pytest.raises(BadFile, match=f"^etf/a_mask.png: .*{message}"):
        masks.decode(data(), "etf/a_mask.png")


@pytest.mark.parametrize("ending", ["png", "tif", "TIFF", "bmp", "jpg"])
def test_masks_beside_images(tmp_path: Path, write_image: Write, caplog: pytest.LogCaptureFixture, ending: str) -> None:
    write_image(tmp_path / "etf" / "a_post.png", size=SHAPE)
    write_image(tmp_path / "etf" / f"a_mask.{ending}", np.uint8(255) * T)
    unknown = np.zeros(SHAPE, np.uint8)
    unknown[20:] = 255
    write_image(tmp_path / "etf" / f"a_unknown.{ending}", unknown)
    found = FolderSource(tmp_path, require_pre=False)[0].mask
    np.testing.assert_array_equal(found, np.where(unknown > 0, UNKNOWN, T))
    warned = "2 masks in lossy formats, etf/a_mask.jpg the first" in caplog.text or "1 mask" in caplog.text
    assert warned == (ending == "jpg")


@pytest.mark.parametrize(
    ("mask", "same"),
    [(palette(T, BLACK, WHITE), True), (palette(T, *voc()), True), (palette(~T, WHITE, BLACK), False)],
    ids=["black first", "classes", "white first"],
)
def test_datasets_with_a_mask_that_was_read_by_its_coding_are_told(
    tmp_path: Path, write_image: Write, mask: bytes, same: bool
) -> None:
    write_image(tmp_path / "etf" / "a_post.png", size=SHAPE)
    (tmp_path / "etf" / "a_mask.png").write_bytes(mask)
    (files,), _ = collect(tmp_path, "etf", require_pre=False)
    found = look.Look(("landslide",), {"etf": None}, NOTHING_STATED).check(files)
    before = look._digest(pair_files.read(files), unknown=False, revised=False)
    assert (found.digest == before) == same
