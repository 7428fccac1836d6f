"""How long one waits: for the help of each entry point, and for the first training step of the demo.

python -m benchmarks.startup
"""

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import command
from benchmarks.measure import ROOT, Candidate, interleaved
from benchmarks.rows import Row, spread
from benchmarks.worker import Job
from tsmu_jax.errors import UserError

HELP_SECONDS, COLD_SECONDS, KEPT_SECONDS = 1.0, 15.0, 5.0
IMPORT = "import jax"


def entry_points() -> list[str]:
    """Modules that are programs."""
    modules = [path for package in ("tsmu_jax", "launch") for path in sorted((ROOT / package).glob("*.py"))]
    return [f"{path.parent.name}.{path.stem}" for path in modules if '__name__ == "__main__"' in path.read_text()]


def program(words: Sequence[str]) -> Job:
    """A Python process from start to end."""

    def run() -> None:
        _python(words)

    return Job(run)


def demo(kept: bool) -> Job:
    """The demo from its start to the end of its first training step, with or without programs of an earlier run."""
    scratch, numbers = tempfile.TemporaryDirectory(), itertools.count()

    def run() -> None:
        number = next(numbers)
        words = ["-m", "benchmarks.first_step", f"--config={ROOT / 'configs' / 'tsmu.py'}:demo"]
        cache = Path(scratch.name) / ("cache" if kept else f"cache{number}")
        _python([*words, f"--workdir={scratch.name}/runs{number}/demo"], {"XDG_CACHE_HOME": str(cache)})

    return Job(run, warmup=1, close=scratch.cleanup)


def rows(*, repetitions: int = 5) -> Sequence[Row]:
    """Help beside importing JAX, which is what it must not wait for; the first step with and without a cache."""
    programs = {name: ["-m", name, "--help"] for name in entry_points()} | {IMPORT: ["-c", IMPORT]}
    sides = [Candidate(name, "benchmarks.startup:program", {"words": words}, {}) for name, words in programs.items()]
    *found, importing = interleaved(sides, repetitions=repetitions).values()
    table = [
        Row(f"{each.name} --help", "s", each.median, importing.median, IMPORT, limit=HELP_SECONDS, note=spread(each))
        for each in found
    ]
    sides = [Candidate(f"kept: {kept}", "benchmarks.startup:demo", {"kept": kept}) for kept in (False, True)]
    cold, kept = interleaved(sides, repetitions=repetitions).values()
    step = "first training step of the demo"
    table.append(Row(f"{step}, cold", "s", cold.median, limit=COLD_SECONDS, note=spread(cold)))
    table.append(
        Row(f"{step}, compiled before", "s", kept.median, cold.median, "cold", limit=KEPT_SECONDS, note=spread(kept))
    )
    return table


def _python(words: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    everything = {**os.environ, **(environment or {})}
    everything.pop("JAX_COMPILATION_CACHE_DIR", None)  # it would come before the user's cache directory
    done = subprocess.run([sys.executable, *words], env=everything, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"python {' '.join(words)}: {(done.stderr.strip().splitlines() or [''])[-1]}")


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
