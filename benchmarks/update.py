"""A whole TSMU update beside joint training and training on all data: what the paper's Table IX claims.

python -m benchmarks.update --size=128 --epochs=3

The paper's epochs, a tenth of its training pairs, 20 draws of each pair an epoch as in the paper. Of each phase a few
epochs are trained, and the rest is multiplied: an epoch is like the next one. Validation counts, and for TSMU storing
the responses and the frozen encoder's features; compiling does not.
"""

from collections.abc import Sequence

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row
from tsmu_jax.errors import UserError

TARGETS = {"joint_training": 0.25, "all_data": 0.20}
PAPER = {"joint_training": 3.3 / 7.1, "all_data": 3.3 / 13.8}  # Table IX, hours


def rows(*, size: int = 128, epochs: int = 3, repetitions: int = 1) -> Sequence[Row]:
    """The updates, in turn.

    Args:
      epochs: trained of each phase.

    Raises:
      UserError: there would be no epoch after the first one.
    """
    if epochs < 2:
        raise UserError(f"--epochs={epochs}: the first one compiles and does not count; 2 or more are needed")
    setting = {"size": size, "epochs": epochs}
    sides = [
        Candidate(method, "benchmarks.runs:update", {"method": method, **setting}) for method in ("tsmu", *TARGETS)
    ]
    measured = interleaved(sides, repetitions=repetitions)
    return [
        Row(
            f"update by tsmu, the paper's epochs, against {method}, {size} x {size}",
            "s",
            None if measured["tsmu"].missing else measured["tsmu"].median,
            None if measured[method].missing else measured[method].median,
            method,
            target=target,
            note=measured[method].missing or f"the paper's ratio is {PAPER[method]:.2f}",
        )
        for method, target in TARGETS.items()
    ]


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
