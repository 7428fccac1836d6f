"""Image files as arrays: anything that 8-bit RGB can hold without loss of range, and nothing else."""

import io
import math
import warnings
from collections.abc import Callable
from typing import NamedTuple, NoReturn, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from tsmu_jax.data.bad_file import BadFile, DeepFile
from tsmu_jax.data.source import Intensities
from tsmu_jax.data.stated import example_bands
from tsmu_jax.words import counted

MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # of an image; Pillow refuses more, since a bomb may claim anything
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # of half as many: large scenes have them
# Of Pillow's many formats. Others call programs (EPS runs Ghostscript), and nobody keeps satellite images in them.
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "GIF", "WEBP", "JPEG2000", "PPM")
_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}
_NODATA_TAG = 42113  # of TIFF: GDAL's value of pixels without data, as text
_GEOGRAPHIC_TAGS = (33550, 34264)  # of TIFF: a pixel's size, or a whole transformation
_PAGE_TAG, _REDUCED, _MASK = 254, 1, 4  # of TIFF: the kind of a page, and two bits of it
_SAMPLES_TAG, _FORMAT_TAG, _SIGNED = 277, 339, 2  # of TIFF: number of bands, and how their values are stored
_PHOTOMETRIC_TAG, _WHITE_IS_0 = 262, 0  # of TIFF: what values mean
_MOST = {"1": 1, "L": 255, "I;16": 65535}  # value of modes that may hold white as 0
_ORIENTATION_TAG = 274  # of EXIF
_RANGE = "say which values are black and white: --range=LOW:HIGH of tsmu_jax.prepare"
T = TypeVar("T")


class Decoded(NamedTuple):
    """An image.

    Attributes:
      rgb: u8[h, w, 3].
      observed: bool[h, w], where the file has data; None if everywhere.
      intensities: how stored values were mapped; None for 8-bit RGB.
      orientation: of EXIF, 1 to 8, which is applied; 1 where the file is upright.
    """

    rgb: np.ndarray
    observed: np.ndarray | None = None
    intensities: Intensities | None = None
    orientation: int = 1


def decode(data: bytes, path: str) -> Decoded:
    """Decodes an image of 8 bits.

    Grey is repeated, palettes are looked up, EXIF rotation is applied. Where it is wholly transparent, or holds the
    value that a TIFF file names for pixels without data, or where its own mask says so, it is not observed.

    Raises:
      BadFile: it does not decode, has several pictures or two bands, or holds more than 8 bits a channel (dividing
        16-bit values by 256 would turn most satellite images black; the user knows their range, we do not).
    """

    def convert(image: Image.Image) -> Decoded:
        tiff, turned, nodata = image.format == "TIFF", orientation(image), nodata_value(image)
        masked = has_own_mask(data)
        if masked and turned != 1:
            raise BadFile(path, "is turned by its EXIF orientation and has a mask of its own; save it upright")
        image = upright(image)
        observed, transparent = np.ones((image.height, image.width), bool), image.has_transparency_data
        colours = image.convert("RGBA") if transparent else image  # Pillow warns where a palette loses its transparency
        rgb = np.array(colours.convert("RGB"))
        if transparent:
            alpha = np.asarray(colours.getchannel("A"))
            if not tiff or is_cut_out(alpha):
                observed &= alpha > 0
            elif image.mode == "LA":
                raise _two_bands(path)
        if nodata is not None:
            observed &= ~_equal(image, nodata)
        if masked:
            observed &= _own_mask(data, path)
        return Decoded(rgb, None if observed.all() else observed, orientation=turned)

    return read_with(data, path, convert, _check_bits, _unreadable)


def decode_rgb(data: bytes, path: str) -> np.ndarray:
    """The colours of `decode` alone, u8[h, w, 3]."""
    return decode(data, path).rgb


def is_georeferenced(data: bytes) -> bool:
    """Whether a file is a TIFF that says where it lies; `rasters.georeference` says where."""
    try:
        with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
            return any(tag in getattr(image, "tag_v2", {}) for tag in _GEOGRAPHIC_TAGS)
    except Exception:  # not a TIFF, or one that Pillow cannot hold
        return is_tiff(data)


def encode_png(array: np.ndarray) -> bytes:
    """PNG bytes of u8[h, w] or u8[h, w, 3], lossless; quick rather than small."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def read_with(
    data: bytes,
    path: str,
    convert: Callable[[Image.Image], T],
    check: Callable[[Image.Image, str], None],
    otherwise: Callable[[bytes, str], T],
) -> T:
    """Opens an image of one picture and converts it.

    Args:
      check: sees the image before it is decoded.
      otherwise: reads a TIFF that Pillow cannot open, or says why not.

    Raises:
      BadFile: it does not decode, holds several pictures, or what `check` and `otherwise` raise.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_pictures(image, data, path)
            check(image, path)
            return convert(image)
    except BadFile:
        raise
    except Image.DecompressionBombError:
        raise too_large(path) from None
    except UnidentifiedImageError:
        if is_tiff(data):
            return otherwise(data, path)
        raise BadFile(path, "does not decode (not an image that can be read); replace the file") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and others
        raise BadFile(path, f"does not decode ({error}); replace the file") from None


def too_large(path: str) -> BadFile:
    """The error of an image with more pixels than are read."""
    reason = f"claims more than the {MOST_PIXELS / 1e6:.0f} million pixels that are read; cut it into smaller images"
    return BadFile(path, f"{reason}, or replace it if it is damaged")


def _check_pictures(image: Image.Image, data: bytes, path: str) -> None:
    """Raises BadFile where a file holds several pictures. A camera's JPEG may hold previews, a TIFF smaller copies."""
    if image.format == "TIFF":
        count = sum(not kind & (_REDUCED | _MASK) for kind in _page_kinds(data))
    else:
        count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    if count > 1:
        raise BadFile(path, f"holds {counted(count, 'picture')}; save the one that is meant as a file of its own")


def _check_bits(image: Image.Image, path: str) -> None:
    """Raises BadFile where 8-bit RGB cannot hold an image's values, or its two bands are no colours."""
    if image.mode not in _EIGHT_BIT or is_deep(image):
        raise DeepFile(path, f"holds more than 8 bits a channel ({image.mode}); {_RANGE}")
    if image.mode == "L" and bands(image) > 1:
        raise _two_bands(path)
    if is_signed(image):
        raise DeepFile(path, f"holds signed values; {_RANGE}")


def _two_bands(path: str) -> BadFile:
    reason = f"holds 2 bands; say which are red, green and blue: --bands={example_bands(2)} of tsmu_jax.prepare"
    return BadFile(path, reason)


def _unreadable(data: bytes, path: str) -> NoReturn:
    """Says why Pillow cannot open a TIFF."""
    from tsmu_jax.data import rasters  # which imports this file

    found = rasters.kind(data)
    if found is None:
        raise BadFile(path, "does not decode; replace the file")
    dtype, bands = found
    needed = ["--range=LOW:HIGH"] if dtype != "uint8" else []
    if dtype == "uint8" or bands not in (1, 3):  # 8 bits that are no RGB, by what the file says
        needed.append(f"--bands={example_bands(bands)}")
    held = f"holds {counted(bands, 'band')} of {dtype}, not said to be red, green and blue"
    raise DeepFile(path, f"{held}; state {' and '.join(needed)} to tsmu_jax.prepare")


def is_cut_out(alpha: np.ndarray) -> bool:
    """Whether a band [h, w] that a TIFF calls alpha is one: a fourth colour, such as near infrared, has many values.

    So has alpha with soft edges, but most of what it shows at all is opaque.
    """
    opaque, shown = np.count_nonzero(alpha == alpha.max(initial=0)), np.count_nonzero(alpha)
    return len(np.unique(alpha)) <= 2 or bool(opaque > shown / 2)


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an opened image, 1 to 8: 1 is upright, from 5 on width and height change places."""
    value = image.getexif().get(_ORIENTATION_TAG, 1)
    return int(value) if value in range(1, 9) else 1


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says. Pillow turns a TIFF itself when it decodes one."""
    return image if orientation(image) == 1 else ImageOps.exif_transpose(image)


def is_turned(data: bytes) -> bool:
    """Whether a file's EXIF orientation turns or mirrors it."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return orientation(image) != 1
    except Exception:  # Pillow holds few of the rasters that rasterio reads, and those have no orientation
        return False


def is_tiff(data: bytes) -> bool:
    """Whether a file is a TIFF by its first bytes."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def nodata_value(image: Image.Image) -> float | None:
    """The decoded value that marks pixels without data; None where a file names none, or none that can be stored."""
    if image.mode in ("CMYK", "YCbCr"):  # which are converted before they are decoded, or after
        return None
    try:
        value = float(getattr(image, "tag_v2", {}).get(_NODATA_TAG, "").strip("\0 "))
    except (ValueError, AttributeError):
        return None
    if is_white_0(image):
        value = _MOST.get(image.mode, 0) - value
    return value if math.isfinite(value) else None


def is_white_0(image: Image.Image) -> bool:
    """Whether a TIFF file stores white as its least value. Pillow turns values over that have at most 8 bits."""
    return bool(getattr(image, "tag_v2", {}).get(_PHOTOMETRIC_TAG) == _WHITE_IS_0)


def is_deep(image: Image.Image) -> bool:
    """Whether Pillow drops lower bytes: it opens 16-bit RGB as "RGB", and only the decoder's raw mode tells."""
    for tile in getattr(image, "tile", ()):
        raw_mode = tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]
        if ";16" in str(raw_mode):
            return True
    return False


def bands(image: Image.Image) -> int:
    """The number of bands that a TIFF file holds, of which Pillow may read fewer; 1 for other formats."""
    return int(getattr(image, "tag_v2", {}).get(_SAMPLES_TAG, 1))


def is_signed(image: Image.Image) -> bool:
    """Whether a TIFF file holds signed integers, which Pillow reads as unsigned where they have 8 bits."""
    return _SIGNED in getattr(image, "tag_v2", {}).get(_FORMAT_TAG, ())


def has_own_mask(data: bytes) -> bool:
    """Whether a page of a TIFF file says where another one has data."""
    return any(kind & _MASK for kind in _page_kinds(data))


def _equal(image: Image.Image, value: float) -> np.ndarray:
    """bool[h, w], where all stored bands but alpha equal a value; of a palette, its indices."""
    bands = np.atleast_3d(np.asarray(image))
    colours = 1 if image.mode in ("LA", "PA") else 3
    return np.asarray((bands[..., :colours] == value).all(-1))


def _own_mask(data: bytes, path: str) -> np.ndarray:
    """bool[h, w] of a mask that lies in a TIFF file, where the image has data."""
    from tsmu_jax.data import rasters  # which imports this file

    return rasters.observed(data, path)


def _page_kinds(data: bytes) -> list[int]:
    """The kind of each page of a TIFF, as bits; empty for other formats. Pillow cannot open pages that are masks."""
    if not is_tiff(data):
        return []
    file, kinds, seen = io.BytesIO(data), [], set()
    pages = ImageFileDirectory_v2(file.read(16 if data[2:4] in (b"+\0", b"\0+") else 8))
    while pages.next and pages.next not in seen:
        seen.add(pages.next)
        file.seek(pages.next)
        pages.load(file)
        kinds.append(int(pages.get(_PAGE_TAG, 0)))
    return kinds
