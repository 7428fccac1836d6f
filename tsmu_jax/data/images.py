"""Image files as arrays: anything that 8-bit RGB can hold without loss of range, and nothing else."""

import io
import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tsmu_jax.data.bad_file import BadFile, DeepFile
from tsmu_jax.data.source import Intensities
from tsmu_jax.mask import UNKNOWN
from tsmu_jax.words import counted

_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_NODATA_TAG = 42113  # of TIFF: GDAL's value of pixels without data, as text
_GEOGRAPHIC_TAGS = (33550, 34264)  # of TIFF: a pixel's size, or a whole transformation
_ORIENTATION_TAG = 274  # of EXIF
_RANGE = "say which values are black and white: --range=LOW:HIGH of tsmu_jax.prepare"
T = TypeVar("T")


class Decoded(NamedTuple):
    """An image.

    Attributes:
      rgb: u8[h, w, 3].
      observed: bool[h, w], where the file has data; None if everywhere.
      intensities: how stored values were mapped; None for 8-bit RGB.
    """

    rgb: np.ndarray
    observed: np.ndarray | None = None
    intensities: Intensities | None = None


def decode(data: bytes, path: str) -> Decoded:
    """Decodes an image of 8 bits.

    Grey is repeated, palettes are looked up, EXIF rotation is applied. Where it is wholly transparent, or holds the
    value that a TIFF file names for pixels without data, it is not observed.

    Raises:
      BadFile: it does not decode, or holds more than 8 bits a channel (dividing 16-bit values by 256 would
        turn most satellite images black; the user knows their range, we do not).
    """

    def convert(image: Image.Image) -> Decoded:
        nodata, tiff = _nodata(image), image.format == "TIFF"
        image = ImageOps.exif_transpose(image)
        rgb, observed = np.array(image.convert("RGB")), None
        if image.has_transparency_data:
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
            observed = alpha > 0 if not tiff or is_cut_out(alpha) else None
        if nodata is not None:
            there = (rgb != nodata).any(-1)
            observed = there if observed is None else observed & there
        return Decoded(rgb, None if observed is None or observed.all() else observed)

    return _decode(data, path, convert, remedy=_RANGE)


def decode_rgb(data: bytes, path: str) -> np.ndarray:
    """The colours of `decode` alone, u8[h, w, 3]."""
    return decode(data, path).rgb


def is_georeferenced(data: bytes) -> bool:
    """Whether a file is a TIFF that says where it lies; `rasters.georeference` says where."""
    try:
        with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
            return any(tag in getattr(image, "tag_v2", {}) for tag in _GEOGRAPHIC_TAGS)
    except Exception:  # not a TIFF, or one that Pillow cannot hold
        return _is_tiff(data)


def decode_mask(data: bytes, path: str, *, unknown: bool = False) -> np.ndarray:
    """Decodes a mask whose values are 0 and 1, or 0 and 255, in one channel or in equal ones.

    Both 1 and 255 count as landslide, also side by side in one mask: each is the customary "true" of some
    tool, and masks merged from two tools hold both.

    Args:
      unknown: whether 2 may stand for unknown ground, as in prepared datasets.

    Returns:
      u8[h, w] of the values in mask.py.

    Raises:
      BadFile: it does not decode, has unequal channels, or other values.
    """
    values = _decode(data, path, _mask_values, remedy="save it with 8 bits")
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            raise BadFile(path, "a mask in colours; save it with one channel of 0 and 255")
        values = values[..., 0]
    present = np.bincount(values.reshape(-1), minlength=256)  # much faster than np.unique
    odd = [value for value in np.flatnonzero(present) if value not in (0, 1, 255, *([UNKNOWN] if unknown else []))]
    if odd:
        shown = ", ".join(str(value) for value in odd[:3]) + (", ..." if len(odd) > 3 else "")
        raise BadFile(path, f"a mask with values {shown}; only 0, 1 and 255 are allowed (no smoothing, no JPEG)")
    mask = (values > 0).astype(np.uint8)
    if present[UNKNOWN]:
        mask[values == UNKNOWN] = UNKNOWN
    return mask


def encode_png(array: np.ndarray) -> bytes:
    """PNG bytes of u8[h, w] or u8[h, w, 3], lossless; quick rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _mask_values(image: Image.Image) -> np.ndarray:
    if image.mode == "1":
        image = image.convert("L")
    # Palette masks (LabelMe's and VOC's) hold classes as indices; their colours mean nothing.
    return np.array(image if image.mode in ("L", "P") else image.convert("RGB"))


def _decode(data: bytes, path: str, convert: Callable[[Image.Image], T], *, remedy: str) -> T:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode not in _EIGHT_BIT or _is_deep(image):
                raise DeepFile(path, f"holds more than 8 bits a channel ({image.mode}); {remedy}")
            return convert(image)
    except BadFile:
        raise
    except UnidentifiedImageError:
        if _is_tiff(data):
            raise _unreadable(data, path) from None
        raise BadFile(path, "does not decode (not an image that can be read); replace the file") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and others
        raise BadFile(path, f"does not decode ({error}); replace the file") from None


def _unreadable(data: bytes, path: str) -> BadFile:
    """Says why Pillow cannot open a TIFF."""
    from tsmu_jax.data import rasters  # which imports this file

    found = rasters.kind(data)
    if found is None:
        return BadFile(path, "does not decode; replace the file")
    dtype, bands = found
    needed = [*(["--range=LOW:HIGH"] if dtype != "uint8" else []), *(["--bands=3,2,1"] if bands not in (1, 3) else [])]
    return DeepFile(
        path, f"holds {counted(bands, 'band')} of {dtype}; state {' and '.join(needed)} to tsmu_jax.prepare"
    )


def is_cut_out(alpha: np.ndarray) -> bool:
    """Whether a band [h, w] that a TIFF calls alpha is one: a fourth colour, such as near infrared, has many values."""
    return len(np.unique(alpha)) <= 2


def is_turned(data: bytes) -> bool:
    """Whether a file's EXIF orientation turns or mirrors it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return int(image.getexif().get(_ORIENTATION_TAG, 1)) != 1
    except Exception:  # Pillow holds few of the rasters that rasterio reads, and those have no orientation
        return False


def _is_tiff(data: bytes) -> bool:
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _nodata(image: Image.Image) -> int | None:
    """The 8-bit value that marks pixels without data; None where a file names none."""
    text = getattr(image, "tag_v2", {}).get(_NODATA_TAG, "") if image.mode in ("L", "RGB") else ""
    try:
        value = float(text.strip("\0 "))
    except ValueError:
        return None
    return int(value) if math.isfinite(value) and value in range(256) else None


def _is_deep(image: Image.Image) -> bool:
    """Pillow opens 16-bit RGB as "RGB", keeping the upper bytes; only the decoder's raw mode tells."""
    for tile in getattr(image, "tile", ()):
        raw_mode = tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]
        if ";16" in str(raw_mode):
            return True
    return False
