"""How long a training step waits for its input, read from ArrayRecord and decoded anew each time.

python -m benchmarks.input_wait --size=512 --batch=2

The share depends on how fast the steps are. The second row tells what the reader alone reaches, so that it can be
said of any device: input keeps up with steps that take longer than that.
"""

from collections.abc import Sequence

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row

TARGET = 0.03  # of a step


def rows(*, size: int = 512, batch: int = 2, pairs: int = 8, repetitions: int = 5) -> Sequence[Row]:
    """Wait and step of the initial phase, and the reader without a step, in turn."""
    setting = {"size": size, "batch": batch, "pairs": pairs}
    sides = [
        Candidate("training", "benchmarks.runs:wait", setting),
        Candidate("reading", "benchmarks.runs:reading", setting),
    ]
    training, reading = interleaved(sides, repetitions=repetitions).values()
    name = f"ArrayRecord at {size} x {size}, batch {batch}"
    steps = training.facts["step_seconds"] if not training.missing else None
    return [
        Row(f"input wait of a training step, {name}", "s", training.median, steps, "the step", target=TARGET),
        Row(f"reading a pair without a step, {name}", "s", reading.median / batch),
    ]


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
