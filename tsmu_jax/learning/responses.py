"""Stored responses: what the old decoders answer on the new images before joint fine-tuning (Algorithm 1)."""

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax import digests
from tsmu_jax.batch import FLIPS
from tsmu_jax.learning import processes
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.learning.state import Model

ARRAY, INDEX = "responses.npy", "responses.json"
_AT_A_TIME = 8  # pairs


class Responses:
    """Logits f32[pairs, flips, decoders, s, s], memory-mapped: the frozen teacher never runs during training.

    Raises:
      UserError: the file holds anything else.
    """

    def __init__(self, directory: Path):
        index, _ = digests.read(directory / INDEX)
        self.decoders = tuple(index["decoders"])
        self.seconds = float(index["seconds"])  # that computing them took
        self._row = {pair: row for row, pair in enumerate(index["pairs"])}
        path = directory / ARRAY
        try:
            _check_header(path, (len(self._row), FLIPS, len(self.decoders)))
            self._logits = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise digests.damaged(f"{path}: cannot be read ({error})", directory, anew="trains the phase") from error

    def read(self, pair: int, flip: int) -> np.ndarray:
        """Returns f32[decoders, s, s]: the answers to a pair, flipped."""
        return self._logits[self._row[pair], flip]


def _check_header(path: Path, expected: tuple[int, ...]) -> None:
    """Raises ValueError where an array is not f32[*expected, s, s], or is longer than its file."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype != np.float32 or len(shape) != 5 or shape[:3] != expected or min(shape) < 1:
            raise ValueError(f"{dtype}{list(shape)} are no responses")
        if file.tell() + dtype.itemsize * math.prod(shape) != path.stat().st_size:
            raise ValueError(f"{list(shape)} values do not fit the file")


def is_stored(directory: Path, *, key: str) -> bool:
    """Whether all responses under this key are stored, undamaged. The first process looks; all must call it."""
    return bool(processes.agreed(processes.first() and _undamaged(directory, key)))


def _undamaged(directory: Path, key: str) -> bool:
    try:
        index, files = digests.read(directory / INDEX, required=("key", "decoders", "seconds", "pairs"))
    except ValueError:  # none there, or damaged: they are computed anew
        return False
    return index["key"] == key and digests.damage(directory, files) is None


def store(
    directory: Path,
    answer: Answerer,
    model: Model,
    image: Callable[[int], np.ndarray],
    *,
    pairs: Sequence[int],
    decoders: Sequence[str],
    key: str,
    progress: Callable[[int], None] = lambda done: None,
) -> Responses:
    """Stores the answers of `decoders` to every (pair, flip); finished responses under the same key are reused.

    Of several processes, which answer together, the first one writes them; all read them.

    Args:
      image: pair -> u8[s, s, c].
      key: identifies the weights that answer, and the pairs; responses under another key are replaced.
      progress: called with the number of answered pairs so far.
    """
    index = {"key": key, "decoders": list(decoders), "pairs": [int(pair) for pair in pairs]}
    if is_stored(directory, key=key):
        return Responses(directory)
    started = time.perf_counter()
    side = len(image(pairs[0]))
    logits = _new(directory, (len(pairs), FLIPS, len(decoders), side, side)) if processes.first() else None
    for start in range(0, len(pairs), _AT_A_TIME):
        chunk = pairs[start : start + _AT_A_TIME]
        images = np.stack([image(pair) for pair in chunk]).repeat(FLIPS, axis=0)
        flips = np.tile(np.arange(FLIPS, dtype=np.int32), len(chunk))
        for column, decoder in enumerate(decoders):
            answers = answer(model, decoder, images, flips)
            if logits is not None:
                logits[start : start + len(chunk), :, column] = answers.reshape(len(chunk), FLIPS, side, side)
        progress(start + len(chunk))
    if logits is not None:
        seconds = time.perf_counter() - started
        logits.flush()
        partial = (directory / INDEX).with_suffix(".partial")
        record = digests.sealed(index | {"seconds": seconds}, digests.taken(directory, ARRAY))
        partial.write_text(json.dumps(record))
        partial.replace(directory / INDEX)  # last, and in one go: it says that the array is complete
    processes.meet()
    return Responses(directory)


def _new(directory: Path, shape: tuple[int, ...]) -> np.memmap[Any, Any]:
    directory.mkdir(parents=True, exist_ok=True)
    for stale in (INDEX, ARRAY):  # removed, not overwritten: another run may share the file
        (directory / stale).unlink(missing_ok=True)
    path = directory / ARRAY
    logits = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    try:
        _take_room(path)
    except OSError as error:
        path.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error
    return logits


def _take_room(path: Path) -> None:
    """Takes the room of a sparse file. Without it the write to the map that finds the disk full kills the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
