"""Answering a batch of pairs beside PyTorch's, eager and compiled.

python -m benchmarks.inference --size=128 --batch=2           the comparison, medians of runs side by side
python -m benchmarks.inference --size=128 --batch=2 --json    our side alone: {"s_per_pair": ...}
"""

from collections.abc import Sequence
from typing import Any

from benchmarks import command
from benchmarks.rows import Row
from benchmarks.sides import compare, seconds_a_pair

TARGET = 1.0  # of the better one
WORK = "inference"


def rows(*, size: int = 128, batch: int = 2, dtype: str = "float32", repetitions: int = 21) -> Sequence[Row]:
    """The comparison."""
    return compare(WORK, size=size, batch=batch, dtype=dtype, repetitions=repetitions, target=TARGET)


def alone(*, size: int, batch: int, dtype: str, repetitions: int) -> dict[str, Any]:
    """Our side alone."""
    return seconds_a_pair(WORK, size=size, batch=batch, dtype=dtype, repetitions=repetitions)


if __name__ == "__main__":
    command.run(rows, __doc__ or "", alone=alone)
