"""Saves and restores trees of arrays. The only file that names Orbax."""

import contextlib
import math
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tsmu_jax import digests, untrusted
from tsmu_jax.learning.tensorstore_json import free_json

Tree = Any

_STRANGE = re.compile(r"[\[\]*?\\\ud800-\udfff]")


def save(path: Path, tree: Tree) -> None:
    """Writes a tree of arrays, replacing what is there; an interrupted save leaves nothing that reads as finished.

    Arrays are written from the host, so a checkpoint opens on any number and kind of devices. Several processes must
    all call this, as they must `load`; the first one's arrays are written before any of them returns.
    """
    ocp = _orbax()
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with _named(path) as plain:
        ocp.save(plain, jax.device_get(tree), overwrite=True)


def load(path: Path, like: Tree | None = None) -> Tree:
    """Reads a tree of NumPy arrays.

    Args:
      like: a tree of the same structure, for trees with nodes other than dictionaries.

    Raises:
      FileNotFoundError: if there is no finished checkpoint.
      UserError: it is damaged, or a link leads out of it.
    """
    ocp = _orbax()
    path = path.absolute()
    untrusted.refuse_links(path)
    missing = f"{path}: no finished checkpoint here"
    with _named(path) as plain:
        if not ocp.is_orbax_checkpoint(plain):
            raise FileNotFoundError(missing)
        try:
            _refuse_claims(plain, ocp)
            return ocp.load(plain, None if like is None else jax.device_get(like))
        except ocp.errors.InvalidLayoutError as error:  # any directory, an empty one too, passes for a checkpoint
            raise FileNotFoundError(missing) from error
        except (MemoryError, PermissionError):
            raise
        except Exception as error:  # Orbax and TensorStore raise whatever fits them, down to "Event loop is closed"
            what = f"{path}: holds a damaged checkpoint"
            raise digests.damaged(what, path.parent, anew="trains what is missing") from error


def _orbax() -> Any:
    """Imports Orbax, which takes a second, when it is first needed."""
    from orbax.checkpoint import v1

    free_json()
    return v1


def _refuse_claims(path: Path, ocp: Any) -> None:
    """Raises ValueError where a checkpoint names a file elsewhere, or claims arrays that the memory cannot hold.

    Orbax reads JSON and arrays, no pickles, and imports nothing by its name; but it believes both.
    """
    for file in path.rglob("_METADATA"):
        for entry in untrusted.read(file)["tree_metadata"].values():
            keys = [str(each["key"]) for each in entry["key_metadata"]]
            if wrong := [key for key in keys if key.startswith("/") or ".." in key.split("/")]:
                raise ValueError(f"{file}: {wrong[0]!r:.100} is no name of an array")
    arrays = [leaf for leaf in jax.tree.leaves(ocp.metadata(path).metadata) if hasattr(leaf, "shape")]
    claimed = sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in arrays)
    if claimed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):
        raise ValueError(f"{path}: claims {claimed / 2**30:.0f} GiB of arrays")


def strange(path: Path) -> bool:
    """Whether Orbax misreads the path: it finds its own files by patterns, and takes a backslash for a slash."""
    return bool(_STRANGE.search(str(path.absolute())))


@contextlib.contextmanager
def _named(path: Path) -> Iterator[Path]:
    """Yields a name of a path that Orbax reads as it is: a link from elsewhere, if need be."""
    if not strange(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tsmu_") as folder:
        link = Path(folder) / "parent"
        link.symlink_to(path.parent, target_is_directory=True)
        yield link / path.name
