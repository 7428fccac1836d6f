"""A whole TSMU update beside joint training and training on all data: what the paper's Table IX claims.

python -m benchmarks.update --scale=50 --size=64

Every method trains its initial phase for one epoch, which does not count. Then the paper's epochs divided by --scale,
on a fifth of its training pairs, 20 draws of each pair an epoch as in the paper; wall-clock with validation, and for
TSMU with recording the responses, but without compilation.
"""

import tempfile
from collections.abc import Sequence

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row
from tsmu_jax import large_pages

TARGETS = {"joint_training": 0.25, "all_data": 0.20}
PAPER = {"joint_training": 3.3 / 7.1, "all_data": 3.3 / 13.8}  # Table IX, hours


def rows(*, scale: int = 50, size: int = 64, repetitions: int = 1) -> Sequence[Row]:
    """Wall-clock of the updates, in turn."""
    with tempfile.TemporaryDirectory() as cache:
        kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        kept |= large_pages.environment()
        sides = [
            Candidate(method, "benchmarks.runs:update", {"method": method, "scale": scale, "size": size}, kept)
            for method in ("tsmu", *TARGETS)
        ]
        measured = interleaved(sides, repetitions=repetitions)
    return [
        Row(
            f"update by tsmu, against {method}, {size} x {size}",
            "s",
            measured["tsmu"].median,
            None if measured[method].missing else measured[method].median,
            method,
            target=target,
            note=measured[method].missing or f"1/{scale} of the epochs; the paper's ratio is {PAPER[method]:.2f}",
        )
        for method, target in TARGETS.items()
    ]


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
