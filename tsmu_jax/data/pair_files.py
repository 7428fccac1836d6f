"""The files of one pair, read, decoded and checked against one another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tsmu_jax import untrusted
from tsmu_jax.data import alike, images, labelme, links, masks, outside, signatures
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.index import PairFiles, where
from tsmu_jax.data.source import Intensities, Pair
from tsmu_jax.data.stated import Stated
from tsmu_jax.mask import BACKGROUND, UNKNOWN

Contents = Mapping[Path, bytes]
NOTHING = Stated()
MOST_BYTES = 2**33  # of a file: as many as the largest image of 8 bands and 16 bits takes, and more
_SIDEWAYS = 5  # EXIF orientations from here on swap width and height


class Images(NamedTuple):
    """The images of a pair at their original size.

    Attributes:
      pre: u8[h, w, 3], or None.
      post: u8[h, w, 3].
      observed: bool[h, w], where the post-event image has data; None if everywhere.
      intensities: how stored values were mapped; None for 8-bit RGB.
      orientation: of EXIF, by which the post-event image was turned.
    """

    pre: np.ndarray | None
    post: np.ndarray
    observed: np.ndarray | None
    intensities: Intensities | None
    orientation: int = 1


class Labelled(NamedTuple):
    """The mask of a pair.

    Attributes:
      mask: u8[h, w] of the values in mask.py.
      blurred: masks that a lossy format had changed, see `masks.Mask`.
      revised: whether earlier releases made another mask of the same files.
    """

    mask: np.ndarray
    blurred: tuple[Path, ...] = ()
    revised: bool = False


def read(files: PairFiles) -> dict[Path, bytes]:
    """The bytes of every file of a pair; raises BadFile, also for what is plainly another kind of file."""
    contents = {}
    for path in files.files:
        try:
            if path.stat().st_size > MOST_BYTES:
                reason = f"holds more than the {MOST_BYTES / 2**30:.0f} GiB that are read; cut it into smaller files"
                raise BadFile(_where(files, path), reason)
            contents[path] = path.read_bytes()
        except OSError as error:
            raise BadFile(_where(files, path), links.why_unread(path, error)) from None
        signatures.check(contents[path], _where(files, path))
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
    labelled = decode_mask(files, contents, labels, decoded)
    assert labelled is not None  # `collect` saw to it
    return Pair(decoded.pre, decoded.post, labelled.mask)


def decode_images(files: PairFiles, contents: Contents, stated: Stated = NOTHING) -> Images:
    """Decodes pre- and post-event image; see `decode`."""
    post = _decoded(files, files.post, contents, stated)
    decoded = Images(None, post.rgb, post.observed, post.intensities, post.orientation)
    if files.pre is None:
        return decoded
    pre = _decoded(files, files.pre, contents, stated)
    _check_fit(files, files.pre, pre.rgb, pre.orientation, decoded)
    if pre.intensities != post.intensities and pre.intensities and post.intensities:
        held, other = words(pre.intensities), words(post.intensities)
        reason = f"read as {held}, but {files.post.name} as {other}; convert one of them, or state --bands"
        raise BadFile(_where(files, files.pre), reason)
    return decoded._replace(pre=pre.rgb)


def words(intensities: Intensities | None) -> str:
    """Names the type and the bands of an image in a message."""
    return (
        "8-bit RGB" if intensities is None else f"bands {','.join(map(str, intensities.bands))} of {intensities.dtype}"
    )


def decode_mask(files: PairFiles, contents: Contents, labels: Sequence[str], decoded: Images) -> Labelled | None:
    """Decodes the mask of a pair, from its mask or its labels.

    Unknown is what `<id>_unknown.png` or the label "unknown" marks, and ground without data in the post-event image.

    Returns:
      None where the pair has neither mask nor labels.

    Raises:
      BadFile: as `decode`.
    """
    read = {path: masks.read(contents[path], _where(files, path)) for path in (files.mask, files.unknown) if path}
    for path, one in read.items():
        _check_fit(files, path, one.values, one.orientation, decoded)
    if files.mask is not None:
        mask = read[files.mask].values
    elif files.labels is not None:
        mask = _drawn(files, files.labels, contents[files.labels], labels, decoded)
    else:
        return None
    if files.unknown is not None:
        mask = np.where(read[files.unknown].values != BACKGROUND, np.uint8(UNKNOWN), mask)
    if decoded.observed is not None:
        mask = np.where(decoded.observed, mask, np.uint8(UNKNOWN))
    blurred = tuple(path for path, one in read.items() if one.blurred)
    return Labelled(mask, blurred, any(one.revised for one in read.values()))


def _decoded(files: PairFiles, path: Path, contents: Contents, stated: Stated) -> images.Decoded:
    if stated.maps_values:
        from tsmu_jax.data import rasters  # rasterio takes a quarter of a second to import, and few images need it

        return rasters.decode(contents[path], _where(files, path), stated)
    return images.decode(contents[path], _where(files, path))


def _drawn(files: PairFiles, path: Path, data: bytes, labels: Sequence[str], decoded: Images) -> np.ndarray:
    """The mask that a LabelMe file draws, if it was drawn on this very image.

    LabelMe turns images by their EXIF orientation before it shows them, so shapes lie on the turned image.
    """
    file = _where(files, path)
    annotation = labelme.read(data, path=file, labels=labels)
    if alike.composed(annotation.image_name).casefold() != alike.composed(files.post.name).casefold():
        found = untrusted.is_name(annotation.image_name) and path.with_name(annotation.image_name).is_file()
        named = f"imagePath names {'another' if found else 'the missing'} image {annotation.image_name!r}"
        raise BadFile(file, f"{named}; these labels belong to {files.post.name}: mend imagePath")
    height, width = decoded.post.shape[:2]
    drawn_on = annotation.width or width, annotation.height or height
    if drawn_on != (width, height):
        turned = decoded.orientation >= _SIDEWAYS and drawn_on == (height, width)
        remedy = _upright(files.post, path) if turned else "draw it again"
        size = f"{drawn_on[0]} x {drawn_on[1]} px"
        reason = f"drawn on an image of {size}, but {files.post.name} is {_size(decoded.post)}; {remedy}"
        raise BadFile(file, reason)
    outside.check(annotation.shapes, height, width, file)
    return labelme.rasterise(annotation.shapes, height, width)


def _check_fit(files: PairFiles, path: Path, array: np.ndarray, turned: int, decoded: Images) -> None:
    """Raises BadFile where a file has another size than the post-event image, or may lie otherwise than it seems to.

    A file that is turned by EXIF shows how others lie where it is not square. Elsewhere nobody can say whether another
    one was made before or after it was turned.

    Args:
      array: of `path`, turned as its EXIF orientation `turned` says.
    """
    post, shape = decoded.post.shape[:2], array.shape[:2]
    stored = [sides[::-1] if by >= _SIDEWAYS else sides for sides, by in ((shape, turned), (post, decoded.orientation))]
    file = _where(files, path)
    if turned != decoded.orientation and stored[0] == stored[1]:
        which, other = (files.post, path) if decoded.orientation != 1 else (path, files.post)
        raise BadFile(file, f"may fit {files.post.name} as stored or as turned by EXIF; {_upright(which, other)}")
    if shape != post:
        raise BadFile(file, f"{_size(array)} px, but {files.post.name} is {_size(decoded.post)}; resample one of them")


def _upright(turned: Path, other: Path) -> str:
    """The remedy where an image is turned by EXIF and another file may not be."""
    return (
        f"save {turned.name} without its EXIF orientation: turned, if {other.name} fits what viewers show, or as it is "
        f"stored (exiftool -Orientation= {turned.name})"
    )


def _where(files: PairFiles, path: Path) -> str:
    return where(files.ecoregion, path)


def _size(array: np.ndarray) -> str:
    height, width = array.shape[:2]
    return f"{width} x {height}"
