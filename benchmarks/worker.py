"""The measured side: a process that builds one job, and runs it each time it is told to."""

import dataclasses
import importlib
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Job:
    """The job that a candidate's maker returns.

    Attributes:
      run: returns when the work is done, accelerators included; or how many seconds count, if not all of them.
      warmup: runs before the time is steady: the first one compiles.
      lead: runs right before each one that counts: the steps of a training follow one another.
      facts: plain values to hand over at the end.
      close: clears away what the job wrote.
    """

    run: Callable[[], float | None]
    warmup: int = 1
    facts: Callable[[], Mapping[str, Any]] = dict
    close: Callable[[], object] = dict  # nothing to do
    lead: int = 0


def timed(run: Callable[[], float | None]) -> float:
    """Seconds of one run."""
    started = time.perf_counter()
    own = run()
    return time.perf_counter() - started if own is None else own


def peak_bytes() -> int:
    """Most memory that this process held: on the accelerator where there is one, else of the host."""
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None and torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    stats = jax.local_devices()[0].memory_stats() if jax is not None else None
    if stats:
        return int(stats["peak_bytes_in_use"])
    status = Path("/proc/self/status")
    if status.exists():  # Linux, whose `ru_maxrss` begins with that of the process which started this one
        return 1024 * int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def serve(make: str, arguments: Mapping[str, Any], reply: Callable[[Mapping[str, Any]], None]) -> None:
    """Builds and warms up the job, then answers each line of standard input: "run", or "end"."""
    module, _, function = make.partition(":")
    job: Job = getattr(importlib.import_module(module), function)(**arguments)
    try:
        reply({"warmup": [timed(job.run) for _ in range(job.warmup)]})
        for line in sys.stdin:
            if line.strip() == "end":
                reply({"peak_bytes": peak_bytes(), "facts": dict(job.facts())})  # before the facts take any
            else:
                for _ in range(job.lead):
                    job.run()
                reply({"seconds": timed(job.run)})
    finally:
        job.close()


def main() -> None:
    """Args on the command line: a JSON object with `make` and `arguments`. Replies are lines of JSON."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer

    def reply(values: Mapping[str, Any]) -> None:
        print(json.dumps(values), file=answers)

    try:
        serve(reply=reply, **json.loads(sys.argv[1]))
    except Exception as error:  # whatever a candidate raises is the reason why it has no time
        lines = str(error).strip().splitlines() or [""]
        reply({"error": f"{type(error).__name__}: {lines[0]}"})


if __name__ == "__main__":
    main()
