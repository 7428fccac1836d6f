"""Image pairs to predict: found in a folder as `prepare` finds them, but without masks, and read."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tsmu_jax.data import scenes
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.index import SceneFiles, collect
from tsmu_jax.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedPair:
    """A pair at its original size.

    Attributes:
      name: folder and id, or the id alone for files that lie in the input itself.
      digest: SHA-256 of the names and bytes of its files.
      pre: u8[h, w, 3]; None where there is none.
      post: u8[h, w, 3].
      mask: u8[h, w], 1 = landslide; None where there is neither a mask nor labels.
    """

    name: str
    digest: str
    pre: np.ndarray | None
    post: np.ndarray
    mask: np.ndarray | None


def find(directory: Path, *, require_pre: bool) -> tuple[list[SceneFiles], list[BadFile]]:
    """Finds the pairs that lie in a directory and in its folders, sorted by name; opens none of them.

    Args:
      directory: holds <id>_pre and <id>_post images, or folders of such, or both.
      require_pre: whether a pair without a pre-event image is bad.

    Raises:
      UserError: there is no such directory, or nothing in it is named like an image of a pair.
    """
    if not directory.is_dir():
        raise UserError(f"--input={directory}: no such directory")
    folders = [path.name for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")]
    found: list[SceneFiles] = []
    bad: list[BadFile] = []
    for folder in (".", *sorted(folders)):
        pairs, broken = collect(directory, folder, require_pre=require_pre, require_labels=False)
        found += pairs
        bad += broken
    if not found and not bad:
        wanted = "<id>_pre.png and <id>_post.png" if require_pre else "<id>_post.png"
        raise UserError(f"--input={directory}: no images in it; they must be named {wanted} (or .jpg, .tif)")
    return found, bad


def name_of(files: SceneFiles) -> str:
    """Names a pair in the table and in the output: its folder and its id."""
    return (Path(files.ecoregion) / files.id).as_posix()


def load(files: SceneFiles, contents: scenes.Contents, labels: Sequence[str], *, digest: str) -> LoadedPair:
    """Decodes a pair.

    Args:
      contents: as `scenes.read` returns them.
      labels: those of LabelMe that mean landslide.
      digest: of the contents.

    Raises:
      BadFile: a file does not decode, or has another size than the post-event image.
    """
    pre, post = scenes.decode_images(files, contents)
    mask = scenes.decode_mask(files, contents, labels, post)
    return LoadedPair(name_of(files), digest, pre, post, mask)


def digest(contents: scenes.Contents) -> str:
    """SHA-256 of the names and bytes of a pair's files."""
    total = hashlib.sha256()
    for path, content in contents.items():
        total.update(f"{path.name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()
