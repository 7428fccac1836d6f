"""The files of one pair, read, decoded and checked against one another."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tsmu_jax.data import images, labelme
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.index import SceneFiles, where
from tsmu_jax.data.source import Pair

Contents = Mapping[Path, bytes]


def read(files: SceneFiles) -> dict[Path, bytes]:
    """The bytes of every file of a pair; raises BadFile."""
    contents = {}
    for path in files.files:
        try:
            contents[path] = path.read_bytes()
        except OSError as error:
            reason = f"cannot be read ({error.strerror}); check its permissions"
            raise BadFile(_where(files, path), reason) from None
    return contents


def decode(files: SceneFiles, contents: Contents, labels: Sequence[str]) -> Pair:
    """Decodes a labelled pair at its original size.

    Args:
      files: of the pair.
      contents: their bytes.
      labels: LabelMe labels that mean landslide.

    Raises:
      BadFile: a file does not decode, or has another size than the post-event image.
    """
    pre, post = decode_images(files, contents)
    mask = decode_mask(files, contents, labels, post)
    assert mask is not None  # `collect` saw to it
    return Pair(pre, post, mask)


def decode_images(files: SceneFiles, contents: Contents) -> tuple[np.ndarray | None, np.ndarray]:
    """Pre- and post-event image, u8[h, w, 3] each; see `decode`."""
    post = images.decode_rgb(contents[files.post], _where(files, files.post))
    if files.pre is None:
        return None, post
    pre = images.decode_rgb(contents[files.pre], _where(files, files.pre))
    _check_size(files, files.pre, pre, post)
    return pre, post


def decode_mask(files: SceneFiles, contents: Contents, labels: Sequence[str], post: np.ndarray) -> np.ndarray | None:
    """Mask of a pair, u8[h, w], from its mask or its labels; None where it has neither. See `decode`."""
    if files.mask is not None:
        mask = images.decode_mask(contents[files.mask], _where(files, files.mask))
        _check_size(files, files.mask, mask, post)
        return mask
    if files.labels is not None:
        return _drawn(files, files.labels, contents[files.labels], labels, post)
    return None


def _drawn(files: SceneFiles, path: Path, data: bytes, labels: Sequence[str], post: np.ndarray) -> np.ndarray:
    """The mask that a LabelMe file draws, if it was drawn on this very image."""
    file = _where(files, path)
    annotation = labelme.read(data, path=file, labels=labels)
    if annotation.image_name.casefold() != files.post.name.casefold():
        found = path.with_name(annotation.image_name).is_file()
        named = f"imagePath names {'another' if found else 'the missing'} image {annotation.image_name!r}"
        raise BadFile(file, f"{named}; these labels belong to {files.post.name}: mend imagePath")
    height, width = post.shape[:2]
    if (annotation.width or width, annotation.height or height) != (width, height):
        size = f"{annotation.width} x {annotation.height} px"
        reason = f"drawn on an image of {size}, but {files.post.name} is {_size(post)}; draw it again"
        raise BadFile(file, reason)
    return labelme.rasterise(annotation.shapes, height, width)


def _check_size(files: SceneFiles, path: Path, array: np.ndarray, post: np.ndarray) -> None:
    if array.shape[:2] != post.shape[:2]:
        reason = f"{_size(array)} px, but {files.post.name} is {_size(post)}; resample one of them"
        raise BadFile(_where(files, path), reason)


def _where(files: SceneFiles, path: Path) -> str:
    return where(files.ecoregion, path)


def _size(array: np.ndarray) -> str:
    height, width = array.shape[:2]
    return f"{width} x {height}"
