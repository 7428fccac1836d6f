"""A step of the freeze phase beside a full training step, both as the training loop takes them, input included.

python -m benchmarks.freeze_step --size=128 --batch=2
"""

from collections.abc import Sequence

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row, beside

TARGET = 0.2  # without a gradient through the encoder it is about 0.4; the rest needs its features kept


def rows(*, size: int = 128, batch: int = 2, pairs: int = 4, repetitions: int = 11) -> Sequence[Row]:
    """Both steps in turn, after an epoch of every pair in every flip."""
    setting = {"size": size, "batch": batch, "pairs": pairs}
    phases = [("freeze step", "freeze"), ("full step", "initial")]
    sides = [Candidate(name, "benchmarks.runs:phase_step", {"phase": phase, **setting}) for name, phase in phases]
    freeze, full = interleaved(sides, repetitions=repetitions).values()
    return beside(f"freeze step, {size} x {size}, batch {batch}", freeze, [full], target=TARGET, per=batch)


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
