"""A first look at the files of a pair: whether they are good, what is known of them."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import logging

from tsmu_jax.data import copies, geography, images, pair_files, tiles
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.index import PairFiles, where
from tsmu_jax.data.source import Footprint, Intensities, Sketch
from tsmu_jax.data.stated import Statements
from tsmu_jax.mask import UNKNOWN

LEAST_KNOWN = 0.01  # share of a tile or an image; of less, resizing may leave nothing


@dataclasses.dataclass(frozen=True)
class Looked:
    """The files of a pair, and what a look at them found.

    Attributes:
      height, width: in pixels.
      tiles: windows of which at least LEAST_KNOWN is known ground.
      whole: whether the images are not cut into tiles.
      footprint: by the files' names, else by their own coordinates.
      gsd_m: metres of ground that a pixel covers down and across, where known.
      intensities: see `PairInfo`.
      blurred: masks that a lossy format had changed.
      digest: of the names and bytes of the files.
      sketches: of the images, to tell copies.
    """

    files: PairFiles
    height: int
    width: int
    tiles: tuple[tiles.Window, ...]
    whole: bool
    footprint: Footprint | None
    gsd_m: tuple[float, float] | None
    intensities: Intensities | None
    blurred: tuple[Path, ...]
    digest: str
    sketches: tuple[Sketch, ...]


@dataclasses.dataclass(frozen=True)
class Look:
    """Looks at pairs, with the options of a source."""

    labels: Sequence[str]
    tile_of: Mapping[str, int | None]
    stated: Statements

    def check(self, files: PairFiles) -> Looked:
        """Decodes a pair and says what there is. Raises BadFile."""
        contents, stated = pair_files.read(files), self.stated.of(files.ecoregion)
        decoded = pair_files.decode_images(files, contents, stated)
        labelled = pair_files.decode_mask(files, contents, self.labels, decoded)
        assert labelled is not None  # `collect` saw to it
        mask = labelled.mask
        height, width = mask.shape
        windows = tiles.windows(height, width, self.tile_of[files.ecoregion])
        known = tuple(one for one in windows if (mask[one.part] != UNKNOWN).mean() >= LEAST_KNOWN)
        if not known:
            file = where(files.ecoregion, files.post)
            raise BadFile(file, "all of its ground is unknown, transparent or without data; leave the pair out")
        footprint, gsd_m = place(files, contents[files.post], height, width)
        return Looked(
            files=files,
            height=height,
            width=width,
            tiles=known,
            whole=len(windows) == 1,
            footprint=footprint,
            gsd_m=(stated.gsd_m, stated.gsd_m) if stated.gsd_m else gsd_m,
            intensities=decoded.intensities,
            blurred=labelled.blurred,
            digest=_digest(contents, unknown=bool((mask == UNKNOWN).any()), revised=labelled.revised),
            sketches=copies.sketches((decoded.pre, decoded.post)),
        )


def place(
    files: PairFiles, post: bytes, height: int, width: int
) -> tuple[Footprint | None, tuple[float, float] | None]:
    """Footprint and metres a pixel of a pair. The names of its files count more than coordinates in them.

    Coordinates that cannot be used count as none, with a warning.

    Args: post: bytes of the post-event image of `height` x `width` pixels.
    """
    if files.footprint:
        return files.footprint, geography.gsd_m(files.footprint, height, width)
    if images.is_georeferenced(post):
        from tsmu_jax.data import rasters  # rasterio takes a quarter of a second to import, and few images need it

        try:
            if found := rasters.georeference(post, where(files.ecoregion, files.post)):
                return found.footprint, found.gsd_m
        except BadFile as error:
            logging.warning("%s; it counts as without any", error)
    return None, None


def _digest(contents: pair_files.Contents, *, unknown: bool, revised: bool) -> str:
    digest = hashlib.sha256()
    for path, content in contents.items():
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)
    if unknown:  # releases that knew no unknown ground made another mask of the same files
        digest.update(b"unknown ground")
    if revised:  # a dataset that such a release prepared holds the other mask
        digest.update(b"read by its meaning")
    return digest.hexdigest()
