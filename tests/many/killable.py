"""A scheduler of dask.distributed and its worker as processes that are forked, and can be killed."""

import contextlib
import importlib
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests import forks

SECONDS = 120


def _dask(kind: str, words: list[str], programs: Path) -> None:
    """`dask scheduler` or `dask worker`, in a process of its own."""
    forks.on_a_cpu(programs)
    importlib.import_module(f"distributed.cli.dask_{kind}").main([*words, "--no-dashboard"])


@contextlib.contextmanager
def cluster(root: Path) -> Iterator[BaseProcess]:
    """A scheduler, which writes scheduler.json, and one worker without a nanny."""
    file = root / "scheduler.json"
    file.unlink(missing_ok=True)
    scheduler = ["--host=127.0.0.1", "--port=0", f"--scheduler-file={file}"]
    worker = [f"--scheduler-file={file}", "--nthreads=1", "--memory-limit=0", "--no-nanny"]
    started = []
    try:
        for kind, words in (("scheduler", scheduler), ("worker", worker)):
            started.append(forks.context().Process(target=_dask, args=(kind, words, root / "programs")))
            started[-1].start()
            until = time.monotonic() + SECONDS
            while not file.exists():
                assert time.monotonic() < until and started[0].is_alive(), "no scheduler"
                time.sleep(0.02)
        yield started[0]
    finally:
        for process in started:
            process.kill()
            process.join()
