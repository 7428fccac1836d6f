"""One way to open whatever holds the pairs, and to see what is there without opening it."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tsmu_jax.data import names, places, prepared_index
from tsmu_jax.data.choose import chosen_ecoregions
from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.source import PairSource
from tsmu_jax.data.stated import NOTHING_STATED, Statements
from tsmu_jax.data.synthetic import SyntheticSource
from tsmu_jax.errors import UserError

LANDSLIDE = ("landslide",)  # the LabelMe label that means it
_PAPER_COUNTS = {region.key: region.pairs for region in ECOREGIONS.values()}


def open_source(
    directory: str | os.PathLike[str] | None,
    *,
    ecoregions: Sequence[str] | None = None,
    labels: Sequence[str] = LANDSLIDE,
    tile: Mapping[str, int] | int | None = None,
    on_bad_file: str = "error",
    require_pre: bool,
    synthetic_pairs: Mapping[str, int] | None = None,
    synthetic_size: tuple[int, int] = (512, 512),
    synthetic_seed: int = 0,
    stated: Statements = NOTHING_STATED,
) -> PairSource:
    """Opens a prepared dataset, a folder of images, or (None) the synthetic ecoregions.

    Args:
      directory: holds what `tsmu_jax.prepare` wrote, or one folder of images for each ecoregion.
      ecoregions: which of them; all by default.
      labels: LabelMe labels that mean landslide; folders only, since a prepared dataset holds masks.
      tile: side in pixels that images are cut to; folders only.
      on_bad_file: "error" or "skip"; folders only.
      require_pre: whether every pair needs a pre-event image (6 input channels) or not (3).
      synthetic_pairs: number of synthetic pairs by ecoregion; the paper's by default.
      synthetic_size: their height and width.
      synthetic_seed: seed of the synthetic ecoregions.
      stated: bands, ranges of values and ground resolution of the files; folders only.

    Raises:
      UserError: see the sources.
    """
    if directory is None:
        counts = _PAPER_COUNTS if synthetic_pairs is None else synthetic_pairs
        chosen = chosen_ecoregions(counts, ecoregions, where="synthetic ecoregions")
        height, width = synthetic_size
        _refuse(stated, "synthetic ecoregions need")
        return SyntheticSource({name: counts[name] for name in chosen}, height=height, width=width, seed=synthetic_seed)
    if places.is_unmixed_dataset(Path(directory)):
        from tsmu_jax.data.prepared import PreparedSource  # TFDS takes a second to import

        if tile:
            raise UserError(f"{directory}: a prepared dataset is not tiled again; give --tile to tsmu_jax.prepare")
        if tuple(labels) != LANDSLIDE:
            raise UserError(
                f"{directory}: a prepared dataset holds masks, no labels; give --labels to tsmu_jax.prepare"
            )
        _refuse(stated, f"{directory}: a prepared dataset needs")
        return PreparedSource(directory, ecoregions=ecoregions, require_pre=require_pre)
    return FolderSource(
        directory,
        ecoregions=ecoregions,
        labels=labels,
        tile=tile,
        on_bad_file=on_bad_file,
        require_pre=require_pre,
        stated=stated,
    )


def _refuse(stated: Statements, what: str) -> None:
    if any(stated):
        raise UserError(f"{what} no --bands, --range and --gsd, which are for folders of images")


def outlines(
    directory: str | os.PathLike[str] | None,
    *,
    synthetic_pairs: Mapping[str, int] | None = None,
    synthetic_size: tuple[int, int] = (512, 512),
    synthetic_seed: int = 0,
) -> dict[str, str]:
    """By ecoregion what tells its files from others without reading them: names and sizes, or a fingerprint.

    Args: see `open_source`.

    Raises:
      UserError: there is no such directory, or no ecoregion in it, or the index of a prepared dataset is damaged.
    """
    if directory is None:
        counts = _PAPER_COUNTS if synthetic_pairs is None else synthetic_pairs
        height, width = synthetic_size
        return dict(SyntheticSource(counts, height=height, width=width, seed=synthetic_seed).fingerprints)
    if places.is_unmixed_dataset(Path(directory)):
        return prepared_index.read(Path(directory)).fingerprints
    return {name: _outline(Path(directory) / name) for name in places.ecoregions(Path(directory))}


def _outline(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.is_file() and _belongs(path.name))
    return hashlib.sha256(json.dumps([[path.name, path.stat().st_size] for path in files]).encode()).hexdigest()


def _belongs(name: str) -> bool:
    """Whether a file is one of a pair's by its name; other programs leave files of their own beside images."""
    try:
        return names.parse(name) is not None
    except ValueError:
        return False
