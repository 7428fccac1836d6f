"""Image pairs to predict: found in a folder as `prepare` finds them, but without masks, and read."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tsmu_jax.data import links, pair_files, places, rasters
from tsmu_jax.data.bad_file import BadFile, DeepFile
from tsmu_jax.data.contract import PLAIN, stated_like
from tsmu_jax.data.index import PairFiles, collect, where
from tsmu_jax.data.look import place
from tsmu_jax.data.source import Intensities
from tsmu_jax.data.stated import Stated
from tsmu_jax.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedPair:
    """A pair at its original size.

    Attributes:
      name: folder and id, or the id alone for files that lie in the input itself.
      digest: SHA-256 of the names and bytes of its files.
      pre: u8[h, w, 3]; None where there is none.
      post: u8[h, w, 3].
      mask: u8[h, w] of the values in mask.py; None where there is neither a mask nor labels.
      observed: bool[h, w], where the post-event image has data; None if everywhere.
      gsd_m: metres of ground that a pixel covers down and across, where known.
      blurred: names of masks that a lossy format had changed.
    """

    name: str
    digest: str
    pre: np.ndarray | None
    post: np.ndarray
    mask: np.ndarray | None
    observed: np.ndarray | None = None
    gsd_m: tuple[float, float] | None = None
    blurred: tuple[str, ...] = ()


def find(directory: Path, *, require_pre: bool) -> tuple[list[PairFiles], list[BadFile]]:
    """Finds the pairs that lie in a directory and in its folders, sorted by name; opens none of them.

    Args:
      directory: holds <id>_pre and <id>_post images, or folders of such, or both.
      require_pre: whether a pair without a pre-event image is bad.

    Raises:
      UserError: there is no such directory, or nothing in it is named like an image of a pair.
    """
    if not directory.is_dir():
        raise UserError(f"--input={directory}: no such directory")
    links.check_folders(directory)
    found: list[PairFiles] = []
    bad: list[BadFile] = []
    for folder in (".", *places.folders(directory)):
        pairs, broken = collect(directory, folder, require_pre=require_pre, require_labels=False)
        found += pairs
        bad += broken
    if not found and not bad:
        if deeper := places.deeper(directory):
            raise UserError(f"--input={directory}: no images in it; they lie deeper, give --input={deeper}")
        wanted = "<id>_pre.png and <id>_post.png" if require_pre else "<id>_post.png"
        raise UserError(f"--input={directory}: no images in it; they must be named {wanted} (or .jpg, .tif)")
    return found, bad


def name_of(files: PairFiles) -> str:
    """Names a pair in the table and in the output: its folder and its id."""
    return (Path(files.ecoregion) / files.id).as_posix()


def load(
    files: PairFiles,
    contents: pair_files.Contents,
    labels: Sequence[str],
    intensities: Intensities = PLAIN,
    *,
    digest: str,
    gsd_m: float = 0.0,
) -> LoadedPair:
    """Decodes a pair.

    Args:
      contents: as `pair_files.read` returns them.
      labels: those of LabelMe that mean landslide.
      intensities: how stored values become intensities, by the model's contract.
      digest: of the contents.
      gsd_m: metres of ground a pixel, as stated; 0 to ask names and coordinates.

    Raises:
      BadFile: a file does not decode, has another size than the post-event image, another type than the model knows,
        or no data.
    """
    decoded = images_of(files, contents, intensities)
    observed = decoded.observed
    if observed is not None and not observed.any():
        raise BadFile(where(files.ecoregion, files.post), "has no data anywhere")
    labelled = pair_files.decode_mask(files, contents, labels, decoded)
    covered = (gsd_m, gsd_m) if gsd_m else place(files, contents[files.post], (), *decoded.post.shape[:2]).gsd_m
    mask, blurred = (labelled.mask, labelled.blurred) if labelled else (None, ())
    lossy = tuple(where(files.ecoregion, path) for path in blurred)
    return LoadedPair(name_of(files), digest, decoded.pre, decoded.post, mask, observed, covered, lossy)


def images_of(files: PairFiles, contents: pair_files.Contents, intensities: Intensities) -> pair_files.Images:
    """Decodes the images of a pair as a model's contract says. Raises BadFile."""
    trained = f"the model was trained on {intensities.dtype}"
    stated = stated_like(intensities)
    try:
        if stated.maps_values:
            _check_type(files, contents, intensities, trained)
        return pair_files.decode_images(files, contents, stated)
    except DeepFile as error:  # Pillow cannot read it; another library may
        _check_type(files, contents, intensities, trained)
        if intensities.dtype != PLAIN.dtype:
            raise BadFile(error.path, f"{error.reason.partition(';')[0]}, and {trained}") from None
        return pair_files.decode_images(files, contents, Stated(intensities.bands, intensities.ranges))


def _check_type(files: PairFiles, contents: pair_files.Contents, intensities: Intensities, trained: str) -> None:
    for path in (files.post, files.pre):
        found = rasters.kind(contents[path]) if path else None
        if path and found and found[0] != intensities.dtype:
            raise BadFile(where(files.ecoregion, path), f"holds {found[0]}, and {trained}")


def digest(contents: pair_files.Contents) -> str:
    """SHA-256 of the names and bytes of a pair's files."""
    total = hashlib.sha256()
    for path, content in contents.items():
        total.update(f"{path.name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()
