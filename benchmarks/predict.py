"""Predicting a folder of pairs, from PNG files to PNG files, beside PyTorch's network in a loop with threads for files.

python -m benchmarks.predict --size=128 --batch=32           the comparison; --batch: pairs of the folder
python -m benchmarks.predict --size=128 --batch=32 --json    our side alone: {"s_per_pair": ...}
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import command
from benchmarks.rows import Row
from benchmarks.sides import compare, seconds_a_pair

TARGET = 1.0  # of the better one
WORK = "predict"


def rows(*, size: int = 128, batch: int = 32, dtype: str = "float32", repetitions: int = 7) -> Sequence[Row]:
    """The comparison."""
    return compare(WORK, size=size, batch=batch, dtype=dtype, repetitions=repetitions, target=TARGET)


def alone(*, size: int, batch: int, dtype: str, repetitions: int) -> dict[str, Any]:
    """Our side alone."""
    return seconds_a_pair(WORK, size=size, batch=batch, dtype=dtype, repetitions=repetitions)


def write_pairs(number: int, size: int) -> tempfile.TemporaryDirectory[str]:
    """A folder `input` of pairs <id>_pre.png and <id>_post.png, of soft shapes with some noise."""
    directory = tempfile.TemporaryDirectory()
    folder, random = Path(directory.name) / "input", np.random.default_rng(0)
    folder.mkdir()
    for identity in range(number):
        for date in ("pre", "post"):
            coarse = Image.fromarray(random.integers(0, 230, (16, 16, 3), np.uint8))
            soft = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.uint8)
            noise = random.integers(0, 8, soft.shape, np.uint8)
            Image.fromarray(np.minimum(soft, 247) + noise).save(folder / f"{identity:04d}_{date}.png")
    return directory


if __name__ == "__main__":
    command.run(rows, __doc__ or "", alone=alone)
