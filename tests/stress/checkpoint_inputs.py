"""What Orbax and we keep beside the arrays of a checkpoint, for tests/stress/fuzz.py."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax import digests
from tsmu_jax.learning import checkpoints, periodic

PROGRESS = {
    "step": 3,
    "kept": False,
    "identity": "k",
    "sums": {"train/loss": 1.5},
    "seconds": 2.0,
    "saturation": {"chosen_epoch": 1, "best": 0.5},
    "ended": False,
}


def readers(scratch: Path) -> Iterator[tuple[str, Callable[[bytes], object], bytes]]:
    """Yields names, what reads the bytes of a file, and such a file. Args: scratch: holds what they belong to."""
    model = {"shared": {"kernel": np.ones((2, 3), np.float32)}, "old": {"a": {"bias": np.zeros(3, np.float32)}}}
    path = scratch / "periodic"
    periodic.save(path, "step_3", {"state": model}, PROGRESS)
    for name in ("_CHECKPOINT_METADATA", "state/_METADATA", "state/manifest.ocdbt"):
        yield f"checkpoint's {name}", _loads(path / "step_3", name), (path / "step_3" / name).read_bytes()
    record = (path / periodic.RECORD).read_bytes()
    yield "periodic latest.json", lambda data: _goes_on(path, data), record
    yield "periodic latest.json, sealed again", lambda data: _goes_on(path, _sealed(data)), record


def _loads(path: Path, name: str) -> Callable[[bytes], object]:
    whole = (path / name).read_bytes()

    def load(data: bytes) -> None:
        (path / name).write_bytes(data)
        try:
            with contextlib.suppress(FileNotFoundError):  # "no finished checkpoint here"
                checkpoints.load(path)
        finally:
            (path / name).write_bytes(whole)  # the next reader's

    return load


def _goes_on(path: Path, data: bytes) -> None:
    (path / periodic.RECORD).write_bytes(data)
    if periodic.interrupted_at(path):
        progress: dict[str, Any] = periodic.latest(path) or {}
        checkpoints.load(path / progress["checkpoint"])
        assert progress["seconds"] + sum(progress["sums"].values()) is not None


def _sealed(data: bytes) -> bytes:
    """The record as somebody would write it who takes its digest anew."""
    try:
        record = json.loads(data)
        record.pop(digests.DIGEST, None)
        files = record.pop(digests.FILES, {})
        return json.dumps(digests.sealed(record, files)).encode()
    except (ValueError, TypeError, AttributeError):
        return data
