"""Image files as arrays: anything that 8-bit RGB can hold without loss of range, and nothing else."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tsmu_jax.data.bad_file import BadFile

_EIGHT_BIT = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}


def decode_rgb(data: bytes, path: str) -> np.ndarray:
    """Decodes an image.

    Grey is repeated, palettes are looked up, transparency is ignored, EXIF rotation is applied.

    Returns:
      u8[h, w, 3].

    Raises:
      BadFile: it does not decode, or holds more than 8 bits a channel (dividing 16-bit values by 256 would
        turn most satellite images black; the user knows their range, we do not).
    """
    return _decode(data, path, lambda image: np.array(ImageOps.exif_transpose(image).convert("RGB")))


def decode_mask(data: bytes, path: str) -> np.ndarray:
    """Decodes a mask whose values are 0 and 1, or 0 and 255, in one channel or in equal ones.

    Both 1 and 255 count as landslide, also side by side in one mask: each is the customary "true" of some
    tool, and masks merged from two tools hold both.

    Returns:
      u8[h, w], 1 = landslide, 0 = background.

    Raises:
      BadFile: it does not decode, has unequal channels, or other values.
    """
    values = _decode(data, path, _mask_values)
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            raise BadFile(path, "a mask in colours; save it with one channel of 0 and 255")
        values = values[..., 0]
    present = np.bincount(values.reshape(-1), minlength=256)  # much faster than np.unique
    odd = [value for value in np.flatnonzero(present) if value not in (0, 1, 255)]
    if odd:
        shown = ", ".join(str(value) for value in odd[:3]) + (", ..." if len(odd) > 3 else "")
        raise BadFile(path, f"a mask with values {shown}; only 0, 1 and 255 are allowed (no smoothing, no JPEG)")
    return (values > 0).astype(np.uint8)


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


def _decode(data: bytes, path: str, convert: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.mode not in _EIGHT_BIT or _is_deep(image):
                raise BadFile(path, f"holds more than 8 bits a channel ({image.mode}); stretch it to 8-bit RGB first")
            return convert(image)
    except BadFile:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and others
        reason = "not an image that can be read" if isinstance(error, UnidentifiedImageError) else str(error)
        raise BadFile(path, f"does not decode ({reason}); replace the file") from None


def _is_deep(image: Image.Image) -> bool:
    """Pillow opens 16-bit RGB as "RGB", keeping the upper bytes; only the decoder's raw mode tells."""
    for tile in getattr(image, "tile", ()):
        raw_mode = tile.args if isinstance(tile.args, str) else (tile.args or ("",))[0]
        if ";16" in str(raw_mode):
            return True
    return False
