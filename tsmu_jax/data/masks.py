"""Masks as people have them, read by what their colours and values mean, not by how a file codes them.

Black is background. White is landslide, and so are the values 1 and 255, the customary "true" of some tool each; masks
merged from two tools hold both. What could mean either is an error that says what to do.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging
from PIL import Image

from tsmu_jax.data import images
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.mask import BACKGROUND, LANDSLIDE, UNKNOWN
from tsmu_jax.words import counted

_TRUE, _DEEP_TRUE = (1, 255), (1, 255, 65535)  # of 8 bits, and of more
_LOSSY = {"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF"}
_LOSSY_TIFF = {"jpeg", "tiff_jpeg", "webp"}
_DARK, _BRIGHT = 64, 192  # between them lie few pixels of a lossy mask, those at edges
_MOST_BETWEEN = 0.1  # share of them
_DEEP = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}  # one channel, all bits of which Pillow keeps
_NOBODY_KNOWS = 255  # of a colour
_VOID = (224, 224, 192)  # the colour of index 255 in palettes of Pascal VOC: not to be judged
_SAVE = "save it with one channel of 0 and 255"


class Mask(NamedTuple):
    """A mask.

    Attributes:
      values: u8[h, w] of the values in mask.py.
      orientation: of EXIF, which is applied; 1 where the file is upright.
      blurred: a lossy format had changed its values, and a threshold restored them.
      revised: earlier releases read another mask of the same file: by a palette's indices, or not turned.
    """

    values: np.ndarray
    orientation: int = 1
    blurred: bool = False
    revised: bool = False


def decode(data: bytes, path: str, *, unknown: bool = False) -> np.ndarray:
    """The values of `read` alone, u8[h, w]."""
    return read(data, path, unknown=unknown).values


def read(data: bytes, path: str, *, unknown: bool = False) -> Mask:
    """Decodes a mask.

    - One channel, or equal ones, of any number of bits: 0 is background, 1 and 255 (or 65535) are landslide.
    - A palette: its colours count, black and white, or black and one other that is class 1. VOC's void is unknown.
    - A lossy format: a threshold parts dark from bright.
    - What a TIFF file names as without data, other than 0, is unknown.

    Args:
      unknown: whether 2 may stand for unknown ground, as in prepared datasets.

    Raises:
      BadFile: it does not decode, has unequal channels or other values, or can mean two things.
    """

    def convert(image: Image.Image) -> Mask:
        if images.has_own_mask(data):
            raise BadFile(path, f"holds another mask, of where it has data; {_SAVE}")
        turned, nodata, lossy = images.orientation(image), images.nodata_value(image), _is_lossy(image)
        signed, white_0 = images.is_signed(image), images.is_white_0(image)
        nodata = 255 * nodata if nodata is not None and image.mode == "1" else nodata
        image = images.upright(image)
        if image.has_transparency_data:
            _check_transparency(image, path)
        if image.mode in ("P", "PA"):
            found = _of_palette(image, path, nodata)
            by_index = np.asarray(image.getchannel(0)) > 0
            return Mask(found, turned, revised=turned != 1 or bool((found != by_index).any()))
        values = _grey(image, path, lossy=lossy)
        if signed and values.dtype == np.uint8:
            values = values.view(np.int8)
        if white_0 and values.dtype == np.uint16:
            values = np.uint16(65535) - values
        blurred = lossy and not np.isin(values, (0, 255)).all()
        if blurred:
            values = _sharpened(values, path)
        return Mask(_by_value(values, path, nodata, unknown=unknown), turned, blurred, revised=turned != 1)

    def by_raster(data: bytes, path: str) -> Mask:
        from tsmu_jax.data import rasters  # rasterio takes a quarter of a second to import, and few masks need it

        values, nodata = rasters.single_band(data, path)
        return Mask(_by_value(values, path, nodata, unknown=unknown))

    return images.read_with(data, path, convert, _check, by_raster)


def warn_of_blurred(paths: Sequence[str]) -> None:
    """Warns of masks that a lossy format had changed, and names the first of them."""
    if paths:
        logging.warning(
            "%s in lossy formats, %s the first: what is brighter than 127 counts as landslide; PNG is exact",
            counted(len(paths), "mask"), paths[0],
        )  # fmt: skip


def _check(image: Image.Image, path: str) -> None:
    """Raises BadFile where Pillow would drop a part of the values."""
    if images.is_deep(image) and image.mode not in _DEEP:
        raise BadFile(path, f"a mask of more than 8 bits in several channels; {_SAVE}")
    if image.mode == "L" and images.bands(image) > 1:
        raise BadFile(path, f"holds 2 bands; {_SAVE}")
    if images.is_white_0(image) and image.mode in ("I", "F"):
        raise BadFile(path, f"stores white as its least value; {_SAVE}")


def _is_lossy(image: Image.Image) -> bool:
    return image.format in _LOSSY or image.info.get("compression") in _LOSSY_TIFF


def _check_transparency(image: Image.Image, path: str) -> None:
    """Raises BadFile where a pixel means one thing with its transparency and another without."""
    pixels = np.asarray(image.convert("RGBA"))
    coloured, opaque = pixels[..., :3].any(-1), pixels[..., 3] == 255
    if (coloured & ~opaque).any():
        reason = "a mask whose transparent pixels have a colour, and may mean background, landslide or unknown ground"
    elif not coloured.any() and opaque.any() and not opaque.all():
        reason = "a mask in black on transparent ground, and either may mean landslide"
    else:
        return
    raise BadFile(path, f"{reason}; {_SAVE}, without transparency")


def _of_palette(image: Image.Image, path: str, nodata: float | None) -> np.ndarray:
    """The values of mask.py for the colours of a palette: u8[h, w]."""
    indices = np.asarray(image)
    indices = indices if indices.ndim == 2 else indices[..., 0]
    colours = np.zeros((256, 3), np.uint8)
    listed = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    colours[: len(listed)] = listed
    present = np.flatnonzero(np.bincount(indices.reshape(-1), minlength=256))
    used, black = colours[present], np.asarray(~colours.any(-1))
    meaning = np.full(256, _NOBODY_KNOWS, np.uint8)  # by index
    if np.isin(used[:, 0], (0, *_TRUE)).all() and (used == used[:, :1]).all():
        meaning = np.where(black, np.uint8(BACKGROUND), np.uint8(LANDSLIDE))
    elif black[0] and not black[1]:  # classes by their numbers, as VOC and LabelMe write them
        meaning[:2] = BACKGROUND, LANDSLIDE
        if tuple(colours[255]) == _VOID:
            meaning[255] = UNKNOWN
    elif len(np.unique(listed, axis=0)) == 2 and black[: len(listed)].any():  # black and one other
        meaning = np.where(black, np.uint8(BACKGROUND), np.uint8(LANDSLIDE))
    if nodata in present and nodata != 0:
        meaning[int(nodata or 0)] = UNKNOWN
    if (meaning[present] == _NOBODY_KNOWS).any() or len(np.unique(used, axis=0)) < len(used):
        shown = ", ".join(f"{index} ({', '.join(map(str, colours[index]))})" for index in present[:3])
        more = ", ..." if len(present) > 3 else ""
        reason = f"a mask in colours by a palette, {shown}{more}: which of them mean landslide cannot be told"
        raise BadFile(path, f"{reason}; {_SAVE}")
    return np.asarray(meaning[indices])


def _grey(image: Image.Image, path: str, *, lossy: bool) -> np.ndarray:
    """Values of an image without a palette: [h, w] of any type."""
    if image.mode in ("L", *_DEEP):
        return np.array(image)
    if image.mode in ("1", "LA"):
        return np.array(image.convert("L"))
    colours = np.array(image.convert("RGB"))
    apart = np.ptp(colours, axis=-1)
    if (apart > _DARK).any() if lossy else apart.any():
        raise BadFile(path, f"a mask in colours; {_SAVE}")
    return np.array(image.convert("L")) if lossy else colours[..., 0]


def _sharpened(values: np.ndarray, path: str) -> np.ndarray:
    """Black and white of a mask in a lossy format: 0 and 255."""
    most = int(values.max())
    if most < _BRIGHT:
        reason = f"a mask in a lossy format whose brightest value is {most}, so it may be empty or have lost its shapes"
        raise BadFile(path, f"{reason}; {_SAVE} as PNG")
    if ((values >= _DARK) & (values < _BRIGHT)).mean() > _MOST_BETWEEN:
        raise BadFile(path, f"a mask in shades of grey; {_SAVE} as PNG")
    return np.where(values < 128, np.uint8(0), np.uint8(255))


def _by_value(values: np.ndarray, path: str, nodata: float | None, *, unknown: bool) -> np.ndarray:
    """The values of mask.py for those of a file: u8[h, w]."""
    if values.dtype == np.uint8:
        present = np.flatnonzero(np.bincount(values.reshape(-1), minlength=256)).tolist()  # quicker than np.unique
    else:
        present = [value for value in np.unique(values).tolist() if value == value]
    true = _TRUE if values.dtype.itemsize == 1 else _DEEP_TRUE
    void = nodata if nodata in present and nodata != 0 else None  # 0 is what tools that draw shapes leave elsewhere
    known = [value for value in present if value != void]
    if void in true and not set(known) & set(true):
        reason = f"a mask whose value {void:g} is landslide by custom, but without data by the file's own word"
        raise BadFile(path, f"{reason}; {_SAVE}, and name no value for pixels without data")
    odd = [value for value in known if value not in (0, *true, *([UNKNOWN] if unknown else []))]
    if odd:
        shown = ", ".join(f"{value:g}" for value in odd[:3]) + (", ..." if len(odd) > 3 else "")
        raise BadFile(path, f"a mask with values {shown}; only 0, 1 and 255 are allowed (no smoothing): {_SAVE}")
    mask = (values != 0).astype(np.uint8)
    if void is not None:
        mask[values == void] = UNKNOWN
    if values.dtype.kind == "f":
        mask[np.isnan(values)] = UNKNOWN
    if UNKNOWN in known:
        mask[values == UNKNOWN] = UNKNOWN
    return mask
