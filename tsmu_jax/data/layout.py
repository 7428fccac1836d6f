"""Where a prepared dataset keeps its parts; apart from `prepared.py`, so that asking does not import TFDS."""

import os
from pathlib import Path

DATASET = "landslide_pairs"


def index_path(data_dir: str | os.PathLike[str]) -> Path:
    """The file that names all pairs, and whose presence says that the dataset is finished."""
    return Path(data_dir) / DATASET / "index.json"


def is_prepared(data_dir: str | os.PathLike[str]) -> bool:
    """Whether `tsmu_jax.prepare` has written a dataset there, and finished it."""
    return index_path(data_dir).is_file()
