"""Finds the images of an inventory's scenes on this machine: by their content, wherever they lie now."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tsmu_jax.errors import UserError
from tsmu_jax.scenes import opening

_SUFFIXES = {".tif", ".tiff", ".vrt", ".jp2", ".png", ".jpg", ".jpeg"}


class Images(NamedTuple):
    """Files of a scene. Attributes: pre: None where there is one date, or the file was not found."""

    pre: Path | None
    post: Path


def find(
    scenes: Mapping[str, Mapping[str, Any]], *, named: Sequence[tuple[str, Path]], folder: Path | None, likely: set[str]
) -> dict[str, Images]:
    """The images of the scenes whose later image is found.

    Args:
      scenes: rows of the table `scenes` by their digests.
      named: flags and the files that they name.
      folder: where to look for the others, in its folders, too.
      likely: names of files that the landslides were mapped from: these are looked at first.

    Raises:
      UserError: a file is none of the scenes', or the folder is none.
    """
    wanted = {row[name] for row in scenes.values() for name in ("pre_sha256", "post_sha256") if row[name]}
    found: dict[str, Path] = {}
    for flag, path in named:
        digest = opening.file_digest(path, f"{flag}={path}")
        if digest not in wanted:
            raise UserError(f"{flag}={path}: no scene of the inventory was mapped from this; name the file that was")
        found[digest] = path
    if folder:
        if not folder.is_dir():
            raise UserError(f"--scenes={folder}: there is no such directory")
        for path in _rasters(folder, likely):
            if wanted <= found.keys():
                break
            try:
                found.setdefault(opening.file_digest(path, f"--scenes={folder}: {path.name}"), path)
            except (OSError, UserError):  # others' files; a scene that stays without images is named
                continue
    return {
        scene: Images(found.get(row["pre_sha256"] or ""), found[row["post_sha256"]])
        for scene, row in scenes.items()
        if row["post_sha256"] in found
    }


def _rasters(folder: Path, likely: set[str]) -> Iterable[Path]:
    """Rasters in a folder, those with likely names first."""
    every = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return sorted(every, key=lambda path: path.name not in likely)
