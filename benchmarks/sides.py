"""Our side and PyTorch's of the same work."""

from collections.abc import Sequence
from typing import Any

from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row, beside


def candidates(work: str, *, size: int, batch: int, dtype: str) -> list[Candidate]:
    """Ours, then PyTorch's both ways. Args: work: the function that `ours` and `peer` both have."""
    setting = {"size": size, "batch": batch, "dtype": dtype}
    return [
        Candidate("ours", f"benchmarks.ours:{work}", setting),
        Candidate("PyTorch eager", f"benchmarks.peer:{work}", {**setting, "compiled": False}),
        Candidate("torch.compile", f"benchmarks.peer:{work}", {**setting, "compiled": True}),
    ]


def compare(work: str, *, size: int, batch: int, dtype: str, repetitions: int, target: float) -> Sequence[Row]:
    """Seconds a pair beside each of PyTorch's ways; the target holds for the better one."""
    sides = candidates(work, size=size, batch=batch, dtype=dtype)
    ours, *peers = interleaved(sides, repetitions=repetitions).values()
    name = f"{work.replace('_', ' ')}, {dtype}, {size} x {size}, batch {batch}"
    return beside(name, ours, peers, target=target, per=batch)


def seconds_a_pair(work: str, *, size: int, batch: int, dtype: str, repetitions: int) -> dict[str, Any]:
    """Our side alone: median seconds divided by the batch."""
    ours, *_ = candidates(work, size=size, batch=batch, dtype=dtype)
    measured = interleaved([ours], repetitions=repetitions)[ours.name]
    return {"s_per_pair": measured.median / batch, "size": size, "batch": batch, "dtype": dtype}
