"""The one way of measuring: each candidate in a process of its own, all of them in turn, medians.

Processes of their own because two frameworks in one process share thread pools and, on GPUs, libraries of one name
in two versions; because one then has its own peak of memory; and because one that fails leaves the others alone.
In turn because a machine's speed drifts: whatever slows it down slows all candidates down alike.
"""

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmu_jax import large_pages
from tsmu_jax.errors import UserError

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 30.0
SHARING = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}  # several processes share one accelerator


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A candidate that is measured.

    Attributes:
      name: in the table.
      make: "module:function", which returns a `worker.Job`.
      arguments: of that function, plain values.
      environment: variables that its process gets beside those of this one; by default those that our programs start
        themselves with.
    """

    name: str
    make: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=large_pages.environment)


@dataclasses.dataclass
class Measured:
    """The times of a candidate, or why there are none.

    Attributes:
      warmup: seconds of the runs that do not count; the first one compiles.
      seconds: of each run that counts.
      peak_bytes: most memory that its process held, on the accelerator if it has one.
      facts: what else the job said.
      missing: why there is nothing of all this; empty if there is.
    """

    name: str
    warmup: Sequence[float] = ()
    seconds: list[float] = dataclasses.field(default_factory=list)
    peak_bytes: int = 0
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    missing: str = ""

    @property
    def median(self) -> float:
        """Median seconds. Raises UserError if there are none."""
        if self.missing:
            raise UserError(f"{self.name}: {self.missing}")
        return statistics.median(self.seconds)


class _Failure(Exception):
    """A candidate's process says why it cannot go on, or has ended."""


class _Process:
    """The other end of `worker.main`."""

    def __init__(self, candidate: Candidate):
        order = json.dumps({"make": candidate.make, "arguments": candidate.arguments})
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._noise = tempfile.TemporaryFile("w+")  # noqa: SIM115  (`close` closes it)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", order],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            text=True,
            env={**SHARING, **os.environ, "PYTHONPATH": path, **candidate.environment},
        )

    def answer(self, word: str = "") -> dict[str, Any]:
        """Returns the answer to `word`, or to being started. Raises _Failure where it is one, or none comes."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: there will be no answer
            if word:
                print(word, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        said: dict[str, Any] = json.loads(line) if line else {"error": self._last_words()}
        if "error" in said:
            raise _Failure(said["error"])
        return said

    def _last_words(self) -> str:
        code = self._process.wait()
        self._noise.seek(0)
        lines = self._noise.read().strip().splitlines()
        return f"its process ended with code {code}{': ' if lines else ''}{lines[-1] if lines else ''}"

    def close(self) -> None:
        """Lets it end and clear away what it wrote; kills it if it is too busy for that."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._noise.close()


def interleaved(candidates: Sequence[Candidate], *, repetitions: int) -> dict[str, Measured]:
    """Measures all candidates, each `repetitions` times, one after the other in turn.

    Every second round goes backwards, so that none profits from its place. A candidate that fails is `missing`.

    Returns:
      By name, in the order given.
    """
    measured = {candidate.name: Measured(candidate.name) for candidate in candidates}
    running: dict[str, _Process] = {}

    def ask(name: str, word: str = "") -> dict[str, Any]:
        try:
            return running[name].answer(word)
        except _Failure as failure:
            measured[name].missing = str(failure)
            running.pop(name).close()
            return {}

    try:
        for candidate in candidates:  # one after the other: nobody compiles while another one is timed
            running[candidate.name] = _Process(candidate)
            measured[candidate.name].warmup = ask(candidate.name).get("warmup", ())
        for repetition in range(repetitions):
            for name in list(running)[:: -1 if repetition % 2 else 1]:
                said = ask(name, "run")
                measured[name].seconds += [said["seconds"]] if said else []
        for name in list(running):
            said = ask(name, "end")
            measured[name].facts, measured[name].peak_bytes = said.get("facts", {}), said.get("peak_bytes", 0)
    finally:
        for process in running.values():
            process.close()
    return measured
