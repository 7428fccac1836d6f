"""A training step beside PyTorch's, eager and compiled.

python -m benchmarks.train_step --size=128 --batch=2           the comparison, medians of runs side by side
python -m benchmarks.train_step --size=128 --batch=2 --json    our side alone: {"s_per_pair": ...}
"""

from collections.abc import Sequence
from typing import Any

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row, beside

TARGET = 1.0  # of the better one
WORK = "train_step"


def candidates(work: str, size: int, batch: int, dtype: str) -> list[Candidate]:
    """Ours, and PyTorch's both ways. Args: work: the function that both sides have."""
    setting = {"size": size, "batch": batch, "dtype": dtype}
    return [
        Candidate("ours", f"benchmarks.ours:{work}", setting),
        Candidate("PyTorch eager", f"benchmarks.peer:{work}", {**setting, "compiled": False}),
        Candidate("torch.compile", f"benchmarks.peer:{work}", {**setting, "compiled": True}),
    ]


def compare(work: str, *, size: int, batch: int, dtype: str, repetitions: int, target: float) -> Sequence[Row]:
    """Seconds a pair of `work` beside each of PyTorch's ways; the target holds for the better one."""
    ours, *peers = interleaved(candidates(work, size, batch, dtype), repetitions=repetitions).values()
    name = f"{work.replace('_', ' ')}, {dtype}, {size} x {size}, batch {batch}"
    return beside(name, ours, peers, target=target, per=batch)


def seconds_a_pair(work: str, *, size: int, batch: int, dtype: str, repetitions: int) -> dict[str, Any]:
    """Our side alone: median seconds divided by the batch."""
    first, *_ = candidates(work, size, batch, dtype)
    ours = interleaved([first], repetitions=repetitions)[first.name]
    return {"s_per_pair": ours.median / batch, "size": size, "batch": batch, "dtype": dtype}


def rows(*, size: int = 128, batch: int = 2, dtype: str = "float32", repetitions: int = 11) -> Sequence[Row]:
    """The comparison."""
    return compare(WORK, size=size, batch=batch, dtype=dtype, repetitions=repetitions, target=TARGET)


def alone(*, size: int, batch: int, dtype: str, repetitions: int) -> dict[str, Any]:
    """Our side alone."""
    return seconds_a_pair(WORK, size=size, batch=batch, dtype=dtype, repetitions=repetitions)


if __name__ == "__main__":
    command.run(rows, __doc__ or "", alone=alone)
