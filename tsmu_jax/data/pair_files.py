"""The files of one pair, read, decoded and checked against one another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsmu_jax.data import alike, images, labelme
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.index import PairFiles, where
from tsmu_jax.data.source import Intensities, Pair
from tsmu_jax.data.stated import Stated
from tsmu_jax.mask import BACKGROUND, UNKNOWN

Contents = Mapping[Path, bytes]
NOTHING = Stated()


class Images(NamedTuple):
    """The images of a pair at their original size.

    Attributes:
      pre: u8[h, w, 3], or None.
      post: u8[h, w, 3].
      observed: bool[h, w], where the post-event image has data; None if everywhere.
      intensities: how stored values were mapped; None for 8-bit RGB.
    """

    pre: np.ndarray | None
    post: np.ndarray
    observed: np.ndarray | None
    intensities: Intensities | None


def read(files: PairFiles) -> dict[Path, bytes]:
    """The bytes of every file of a pair; raises BadFile."""
    contents = {}
    for path in files.files:
        try:
            contents[path] = path.read_bytes()
        except OSError as error:
            reason = f"cannot be read ({error.strerror}); check its permissions"
            raise BadFile(_where(files, path), reason) from None
    return contents


def decode(files: PairFiles, contents: Contents, labels: Sequence[str], stated: Stated = NOTHING) -> Pair:
    """Decodes a labelled pair at its original size.

    Args:
      files: of the pair.
      contents: their bytes.
      labels: LabelMe labels that mean landslide.
      stated: how stored values become intensities; 8-bit RGB by default.

    Raises:
      BadFile: a file does not decode, or has another size or type than the post-event image.
    """
    decoded = decode_images(files, contents, stated)
    mask = decode_mask(files, contents, labels, decoded)
    assert mask is not None  # `collect` saw to it
    return Pair(decoded.pre, decoded.post, mask)


def decode_images(files: PairFiles, contents: Contents, stated: Stated = NOTHING) -> Images:
    """Decodes pre- and post-event image; see `decode`."""
    post = _decoded(files, files.post, contents, stated)
    if files.pre is None:
        return Images(None, post.rgb, post.observed, post.intensities)
    pre = _decoded(files, files.pre, contents, stated)
    _check_size(files, files.pre, pre.rgb, post.rgb)
    if pre.intensities != post.intensities and pre.intensities and post.intensities:
        held, other = words(pre.intensities), words(post.intensities)
        reason = f"read as {held}, but {files.post.name} as {other}; convert one of them, or state --bands"
        raise BadFile(_where(files, files.pre), reason)
    return Images(pre.rgb, post.rgb, post.observed, post.intensities)


def words(intensities: Intensities | None) -> str:
    """Names the type and the bands of an image in a message."""
    return (
        "8-bit RGB" if intensities is None else f"bands {','.join(map(str, intensities.bands))} of {intensities.dtype}"
    )


def decode_mask(files: PairFiles, contents: Contents, labels: Sequence[str], decoded: Images) -> np.ndarray | None:
    """Decodes the mask of a pair, from its mask or its labels.

    Unknown is what `<id>_unknown.png` or the label "unknown" marks, and ground without data in the post-event image.

    Returns:
      u8[h, w] of the values in mask.py; None where the pair has neither mask nor labels.

    Raises:
      BadFile: as `decode`.
    """
    post, mask = decoded.post, None
    if files.mask is not None:
        mask = images.decode_mask(contents[files.mask], _where(files, files.mask))
        _check_size(files, files.mask, mask, post)
    elif files.labels is not None:
        mask = _drawn(files, files.labels, contents[files.labels], labels, post)
    if mask is None:
        return None
    if files.unknown is not None:
        marked = images.decode_mask(contents[files.unknown], _where(files, files.unknown))
        _check_size(files, files.unknown, marked, post)
        mask = np.where(marked != BACKGROUND, np.uint8(UNKNOWN), mask)
    return mask if decoded.observed is None else np.where(decoded.observed, mask, np.uint8(UNKNOWN))


def _decoded(files: PairFiles, path: Path, contents: Contents, stated: Stated) -> images.Decoded:
    if stated.maps_values:
        from tsmu_jax.data import rasters  # rasterio takes a quarter of a second to import, and few images need it

        return rasters.decode(contents[path], _where(files, path), stated)
    return images.decode(contents[path], _where(files, path))


def _drawn(files: PairFiles, path: Path, data: bytes, labels: Sequence[str], post: np.ndarray) -> np.ndarray:
    """The mask that a LabelMe file draws, if it was drawn on this very image."""
    file = _where(files, path)
    annotation = labelme.read(data, path=file, labels=labels)
    if alike.composed(annotation.image_name).casefold() != alike.composed(files.post.name).casefold():
        found = path.with_name(annotation.image_name).is_file()
        named = f"imagePath names {'another' if found else 'the missing'} image {annotation.image_name!r}"
        raise BadFile(file, f"{named}; these labels belong to {files.post.name}: mend imagePath")
    height, width = post.shape[:2]
    if (annotation.width or width, annotation.height or height) != (width, height):
        size = f"{annotation.width} x {annotation.height} px"
        reason = f"drawn on an image of {size}, but {files.post.name} is {_size(post)}; draw it again"
        raise BadFile(file, reason)
    return labelme.rasterise(annotation.shapes, height, width)


def _check_size(files: PairFiles, path: Path, array: np.ndarray, post: np.ndarray) -> None:
    if array.shape[:2] != post.shape[:2]:
        reason = f"{_size(array)} px, but {files.post.name} is {_size(post)}; resample one of them"
        raise BadFile(_where(files, path), reason)


def _where(files: PairFiles, path: Path) -> str:
    return where(files.ecoregion, path)


def _size(array: np.ndarray) -> str:
    height, width = array.shape[:2]
    return f"{width} x {height}"
