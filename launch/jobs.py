"""Shared by the two ways of running points: where jobs keep their files, and how one ended."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

RULE = "-" * 22  # above and below the traceback in submitit's report
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
    """The one line of submitit's report on a failed job that says why: the first one of the job's own error.

    It is what follows the stack of the last traceback; notes and further lines of a long message come after it.
    """
    if "has not produced any output" in report:
        return "ended without a result: killed, out of memory or out of time"
    _, _, last = report.split(RULE)[1].rpartition("Traceback (most recent call last):\n")
    lines = itertools.dropwhile(lambda line: not line.strip() or line.startswith(" "), last.splitlines())
    return next(lines, "no reason given").strip().removeprefix("tsmu_jax.errors.UserError: ")
