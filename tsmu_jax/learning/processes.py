"""Several processes that train one model together: which one speaks and writes, and what all must agree on.

Each holds the whole model and its share of each batch. The run directory lies where all see it; the first process
alone writes it, but for the checkpoints of phases, which all save together. One process alone agrees with itself.
"""

import atexit
import functools
import hashlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from rich.console import Console

GRACE_SECONDS = 3.0  # for the other processes to print their error and end


def alone() -> bool:
    """Whether there is only one process."""
    return jax.process_count() == 1


def first() -> bool:
    """Whether this process speaks and writes."""
    return jax.process_index() == 0


def agreed(value: Any) -> Any:
    """Returns the first process's value on all of them; JSON must be able to hold it. All must call it."""
    if alone():
        return value
    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    sent = np.zeros(int(multihost_utils.broadcast_one_to_all(np.int32(len(text)))), np.uint8)
    if first():
        sent[:] = text
    return json.loads(np.asarray(multihost_utils.broadcast_one_to_all(sent), np.uint8).tobytes())


def highest(values: Sequence[int]) -> list[int]:
    """Returns the largest value of any process, position by position. All must call it."""
    if alone():
        return list(values)
    gathered = np.asarray(multihost_utils.process_allgather(np.asarray(values, np.int32)))
    return [int(value) for value in gathered.max(0)]


def unanimous(value: Any) -> bool:
    """Whether all processes pass the same value. All must call it, and all get the same answer.

    Args:
      value: one that JSON can hold.
    """
    if alone():
        return True
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
    digests = np.asarray(multihost_utils.process_allgather(np.frombuffer(digest, np.uint8)))
    return bool((digests == digests[0]).all())


def let_others_end() -> None:
    """Makes the first process wait GRACE_SECONDS: when it ends, the others are aborted and cannot say why they end."""
    if first():
        time.sleep(GRACE_SECONDS)


def meet() -> None:
    """Returns when all processes have come here."""
    agreed(None)


@functools.cache
def scratch() -> Path:
    """A directory of this process, for what it need not keep; removed when it ends."""
    directory = tempfile.mkdtemp(prefix=f"tsmu_process_{jax.process_index()}_")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


def console() -> Console:
    """Standard error; of several processes the first one speaks."""
    return Console(file=sys.stderr, soft_wrap=True, quiet=not first())
