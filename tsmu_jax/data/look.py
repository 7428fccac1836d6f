"""A first look at the files of a pair: whether they are good, what is known of them."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from absl import logging

from tsmu_jax.data import copies, geography, images, pair_files, tiles
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.index import PairFiles, where
from tsmu_jax.data.source import Footprint, Intensities, Outline, Sketch
from tsmu_jax.data.stated import Statements
from tsmu_jax.mask import UNKNOWN

LEAST_KNOWN = 0.01  # share of a tile or an image; of less, resizing may leave nothing


class Place(NamedTuple):
    """Where tiles of an image lie, as far as known.

    Attributes:
      footprints: of each tile.
      outlines: likewise, where coordinates in the file give them.
      gsd_m: metres of ground that a pixel covers down and across.
    """

    footprints: tuple[Footprint, ...] | None = None
    outlines: tuple[Outline, ...] | None = None
    gsd_m: tuple[float, float] | None = None


@dataclasses.dataclass(frozen=True)
class Looked:
    """The files of a pair, and what a look at them found.

    Attributes:
      tiles: windows of which at least LEAST_KNOWN is known ground.
      whole: whether the images are not cut into tiles.
      place: of `tiles`.
      intensities: see `PairInfo`.
      blurred: masks that a lossy format had changed.
      digest: of the names and bytes of the files.
      sketches: of the images, to tell copies.
    """

    files: PairFiles
    tiles: tuple[tiles.Window, ...]
    whole: bool
    place: Place
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
            which = "all" if (mask == UNKNOWN).all() else f"more than {1 - LEAST_KNOWN:.0%}"
            raise BadFile(file, f"{which} of its ground is unknown, transparent or without data; leave the pair out")
        found = place(files, contents[files.post], known, height, width)
        return Looked(
            files=files,
            tiles=known,
            whole=len(windows) == 1,
            place=found._replace(gsd_m=(stated.gsd_m, stated.gsd_m)) if stated.gsd_m else found,
            intensities=decoded.intensities,
            blurred=labelled.blurred,
            digest=_digest(contents, unknown=bool((mask == UNKNOWN).any()), revised=labelled.revised),
            sketches=copies.sketches((decoded.pre, decoded.post)),
        )


def place(files: PairFiles, post: bytes, windows: Sequence[tiles.Window], height: int, width: int) -> Place:
    """Where windows of a pair lie. The names of its files count more than coordinates in them.

    Coordinates that cannot be used count as none, with a warning.

    Args: post: bytes of the post-event image of `height` x `width` pixels.
    """
    if box := files.footprint:
        footprints = tuple(tiles.window_footprint(box, window, height, width) for window in windows)
        return Place(footprints, gsd_m=geography.gsd_m(box, height, width))
    if images.is_georeferenced(post):
        from tsmu_jax.data import rasters  # rasterio takes a quarter of a second to import, and few images need it

        try:
            if found := rasters.georeference(post, where(files.ecoregion, files.post), windows):
                return Place(tuple(map(geography.box, found.outlines)), found.outlines, found.gsd_m)
        except BadFile as error:
            logging.warning("%s; it counts as without any", error)
    return Place()


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
