"""Where the images of a folder lie, and where else they may lie; opens none of them."""

import os
from collections.abc import Iterator
from pathlib import Path

from tsmu_jax.data import names
from tsmu_jax.data.layout import DATASET, is_prepared
from tsmu_jax.errors import UserError

# Left by archives, disks and network storage, in lower case; hidden folders are left alone, too.
_FOREIGN = {"__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"}
_DEPTH = 3  # of folders that are looked through for images


def folders(directory: Path) -> list[str]:
    """Names of the folders in a directory that may hold images, sorted."""
    try:
        found = [entry.name for entry in os.scandir(directory) if entry.is_dir()]
    except OSError:
        return []
    return sorted(name for name in found if not name.startswith(".") and name.casefold() not in _FOREIGN)


def holds_images(folder: Path) -> bool:
    """Whether a folder itself holds files that are named like post-event images."""
    return "post" in _roles(folder)


def image_folders(directory: Path) -> list[str]:
    """Names of the folders in a directory that hold images."""
    return [name for name in folders(directory) if holds_images(directory / name)]


def ecoregions(directory: Path) -> list[str]:
    """Names of the ecoregions in a folder of images, sorted.

    Raises:
      UserError: there are none, or one has a name that no setting could hold.
    """
    if not directory.is_dir():
        reason = "is a file; give the folder that holds" if directory.exists() else "no such directory; it must hold"
        raise UserError(f"--config.data.dir={directory}: {reason} one folder of images for each ecoregion")
    if prepared := _prepared_above(directory):
        raise UserError(
            f"--config.data.dir={directory}: lies inside of a prepared dataset; give --config.data.dir={prepared}"
        )
    known = folders(directory)
    for name in known:
        if "," in name or name != name.strip():
            better = "_".join(name.replace(",", " ").split())
            reason = "a comma parts the names of ecoregions" if "," in name else "spaces around a name are dropped"
            raise UserError(f"{directory / name}: {reason}; rename the folder, for example to {better!r}")
    if not known:
        raise UserError(
            _too_deep(directory) or f"{directory}: no ecoregions in it; images belong into <dir>/<ecoregion>/"
        )
    return known


def check_depth(directory: Path, wanted: set[str]) -> None:
    """Raises UserError where a deeper folder holds the wanted ecoregions, and `directory` does not."""
    if wanted - {*folders(directory)}:
        for deeper in _below(directory):
            if wanted <= {*image_folders(deeper)}:
                raise UserError(
                    f"--config.data.dir={directory}: the ecoregions lie deeper; give --config.data.dir={deeper}"
                )


def deeper(directory: Path) -> Path | None:
    """The nearest folder below that holds folders of images."""
    return next((path for path in _below(directory) if image_folders(path)), None)


def why_empty(directory: Path, ecoregion: str) -> str:
    """Says why a folder that should hold the images of an ecoregion holds none, and what to do."""
    folder = directory / ecoregion
    if is_prepared(folder):
        return (
            f"{folder}: holds a prepared dataset, no images; give --config.data.dir={folder} to use it, or move it out "
            f"of {directory} to use the images there"
        )
    if ecoregion == DATASET:
        return f"{folder}: a prepared dataset without its index.json; remove the folder and prepare it again"
    for deeper in (folder, *_below(folder)):
        if not (held := [name for name in folders(deeper) if _roles(deeper / name)]):
            continue
        complete = [name for name in held if "post" in (roles := _roles(deeper / name)) and roles & {"mask", "labels"}]
        if complete and not image_folders(directory):
            return (
                f"{directory}: ecoregion {ecoregion!r} holds no images itself, but {deeper / complete[0]} does; give "
                f"--config.data.dir={deeper}, whose ecoregions are {', '.join(held)}"
            )
        parts = " and ".join(str((deeper / name).relative_to(directory)) for name in held)
        return (
            f"{directory}: ecoregion {ecoregion!r} is empty, its files lie in {parts}; "
            f"images belong into <dir>/<ecoregion>/ itself: move them into {folder}"
        )
    wanted = "<id>_post.png with <id>_mask.png or <id>_post.json"
    empty = f"{directory}: ecoregion {ecoregion!r} is empty; it needs image pairs ({wanted})"
    return _too_deep(directory) or f"{empty}, or the folder may go"


def check_apart(images: Path, prepared: Path) -> None:
    """Raises UserError where a dataset would be prepared among images, whose later edits nobody would notice."""
    inside = images.resolve()
    if inside in (prepared.resolve(), *prepared.resolve().parents) or image_folders(prepared):
        beside = inside.with_name(f"{inside.name}_prepared")
        raise UserError(
            f"--data_dir={prepared}: lies in a folder of images, so later edits of the images would be overlooked; "
            f"write it elsewhere, such as --data_dir={beside}"
        )


def is_unmixed_dataset(directory: Path) -> bool:
    """Whether a directory holds a prepared dataset. Raises UserError where there are images beside it."""
    if not is_prepared(directory):
        return False
    if beside := image_folders(directory):
        dataset, other = directory / DATASET, directory.with_name(f"{directory.name}_prepared")
        raise UserError(
            f"--config.data.dir={directory}: holds both images ({', '.join(beside)}) and a dataset that was prepared "
            f"before later edits of them; remove {dataset} to use the images, or use it elsewhere: "
            f"mkdir {other} && mv {dataset} {other}/ and --config.data.dir={other}"
        )
    return True


def _roles(folder: Path) -> set[str]:
    """The roles that files of a folder have by their names."""
    found: set[str] = set()
    try:
        listed = [entry.name for entry in os.scandir(folder) if not entry.is_dir()]
    except OSError:
        return set()
    for file in listed:
        try:
            name = None if file.startswith(".") else names.parse(file)
        except ValueError:
            continue
        if name is not None:
            found.add(name.role)
    return found


def _below(directory: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Folders in a directory, the nearer ones first."""
    level = [directory]
    for _ in range(depth):
        level = [path / name for path in level for name in folders(path)]
        yield from level


def _too_deep(directory: Path) -> str | None:
    """What to do where the images lie in the directory of all ecoregions itself; None where they do not."""
    if not holds_images(directory):
        return None
    whole = directory.resolve()
    if set(folders(whole.parent)) == set(image_folders(whole.parent)):
        remedy = f"give --config.data.dir={whole.parent}, whose ecoregions are {', '.join(folders(whole.parent))}"
    else:
        remedy = "make a folder in it, named like the ecoregion, and move them there"
    return f"--config.data.dir={directory}: the images lie in it, not in <dir>/<ecoregion>/; {remedy}"


def _prepared_above(directory: Path) -> Path | None:
    """The prepared dataset that a directory is a part of."""
    whole = directory.resolve()
    for above in whole.parents[:3]:
        if whole.relative_to(above).parts[0] == DATASET and is_prepared(above):
            return above
    return None
