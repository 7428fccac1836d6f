"""Files and directories that are written whole or not at all."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tsmu_jax import digests
from tsmu_jax.learning import processes

PARTIAL = ".partial"  # what an interrupted write leaves


def write_json(path: Path, value: Any) -> None:
    """Writes a file whole or not at all; of several processes the first one does."""
    if not processes.first():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    partial.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n")
    partial.replace(path)


def write_record(path: Path, record: Mapping[str, Any], files: digests.Files) -> None:
    """Writes a record with the digests of the files beside it, as `digests.read` reads it."""
    write_json(path, digests.sealed(record, files))


@contextlib.contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """Yields the path of a new directory, which takes the place of `directory` when it is complete.

    The old files are removed, never written to: another run may share them through hard links.
    """
    partial = directory.with_name(directory.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    yield partial
    shutil.rmtree(directory, ignore_errors=True)
    partial.replace(directory)


def link(source: str, target: str) -> None:
    """Shares a finished file where the file system can: stored responses are large."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
