"""What the two ways of running points have in common: where jobs keep their files, and how one ended."""

import dataclasses
from pathlib import Path
from typing import Any

JOBS = ".jobs"  # in the sweep's directory: logs, and what submitit hands over


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a point's job ended."""

    index: int  # of the point
    error: str  # one line; "" if it finished
    log: Path


def outcome(index: int, job: Any) -> Outcome:
    """How an ended job of submitit ended."""
    error = job.exception()
    return Outcome(index, "" if error is None else reason(str(error)), job.paths.stderr)


def reason(report: str) -> str:
    """The one line of submitit's report on a failed job that says why: the last one of the job's own error."""
    if "has not produced any output" in report:
        return "ended without a result: killed, out of memory or out of time"
    lines = [line.strip() for line in report.split("-" * 22)[1].splitlines() if line.strip()]
    return lines[-1].removeprefix("tsmu_jax.errors.UserError: ")
