"""Our side and PyTorch's of the same work."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row, beside
from tsmu_jax import large_pages


def candidates(work: str, *, size: int, batch: int, dtype: str) -> list[Candidate]:
    """Ours, then PyTorch's both ways. Args: work: the function that `ours` and `peer` both have."""
    setting = {"size": size, "batch": batch, "dtype": dtype}
    return [
        Candidate("ours", f"benchmarks.ours:{work}", setting),
        Candidate("PyTorch eager", f"benchmarks.peer:{work}", {**setting, "compiled": False}, environment={}),
        Candidate("torch.compile", f"benchmarks.peer:{work}", {**setting, "compiled": True}, environment={}),
    ]


def compare(work: str, *, size: int, batch: int, dtype: str, repetitions: int, target: float) -> Sequence[Row]:
    """Seconds a pair beside each of PyTorch's ways; the target holds for the better one.

    Where our programs start themselves with large pages, PyTorch's are measured with them, too, without a target.
    """
    ours, *peers = candidates(work, size=size, batch=batch, dtype=dtype)
    pages = large_pages.environment()
    also = [dataclasses.replace(peer, name=f"{peer.name}, large pages", environment=pages) for peer in peers if pages]
    mine, *theirs = interleaved([ours, *peers, *also], repetitions=repetitions).values()
    name = f"{work.replace('_', ' ')}, {dtype}, {size} x {size}, batch {batch}"
    rows = beside(name, mine, theirs[: len(peers)], target=target, per=batch)
    return [*rows, *beside(name, mine, theirs[len(peers) :], per=batch)]


def seconds_a_pair(work: str, *, size: int, batch: int, dtype: str, repetitions: int) -> dict[str, Any]:
    """Our side alone: median seconds divided by the batch."""
    ours, *_ = candidates(work, size=size, batch=batch, dtype=dtype)
    measured = interleaved([ours], repetitions=repetitions)[ours.name]
    return {"s_per_pair": measured.median / batch, "size": size, "batch": batch, "dtype": dtype}
