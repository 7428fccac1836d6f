"""Updates the tiny run's model again and again in one process, which must not grow.

    python -m tests.stress.endurance --minutes=60

After each update it counts memory, threads and open files. The exit code is 1 where memory grows by more than .3 MiB an
update, or where the second half of the updates holds one thread or file more than the first half. The first 30 updates
do not count, in which libraries fill what they fill once; at least 60 are made.
"""

import argparse
import contextlib
import gc
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

WARM = 30  # updates
MIB_AN_UPDATE = 0.3


class Held(NamedTuple):
    """What this process holds. Attributes: memory, MiB; threads; files; names, of the threads: "name" -> number."""

    memory: float
    threads: int
    files: int
    names: Counter[str]


def held() -> Held:
    """Counts after what is garbage is gone."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    names: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            names[(task / "comm").read_text().strip()] += 1
    return Held(memory, names.total(), len(list(Path("/proc/self/fd").iterdir())), names)


def growth(series: list[Held]) -> list[str]:
    """What has grown, one line each."""
    settled, wrong = series[WARM:], []
    half = len(settled) // 2
    slope = float(np.polyfit(range(len(settled)), [each.memory for each in settled], 1)[0])
    if slope > MIB_AN_UPDATE:
        wrong.append(f"memory grows by {slope:.2f} MiB an update")
    for name in ("threads", "files"):
        first, second = (np.median([getattr(each, name) for each in part]) for part in (settled[:half], settled[half:]))
        if second > first:
            wrong.append(f"{name} grow from {first:.0f} to {second:.0f}")
    if more := settled[-1].names - settled[0].names:
        wrong = [f"{line} (more at the end: {dict(more)})" if line.startswith("threads") else line for line in wrong]
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    os.environ |= {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg"}
    from tests.runs.circle import configuration, write_images
    from tests.stress.scene import tiny_run
    from tsmu_jax.train import train_and_evaluate

    series: list[Held] = []
    with tempfile.TemporaryDirectory(prefix="tsmu-endurance-") as directory:
        root = Path(directory)
        run, images = tiny_run(root), write_images(root / "new", ("mwcf",))
        short = {"epochs__freeze": 1, "epochs__joint_fine_tuning": 1, "selection__epochs": 1}
        config = configuration(images, start=str(run), update__max_forgetting=0.9, reuse=False, **short)
        end = time.monotonic() + 60 * options.minutes
        while time.monotonic() < end or len(series) < 2 * WARM:
            train_and_evaluate(config, root / "update")
            shutil.rmtree(root / "update")
            series.append(held())
            memory, threads, files, _ = series[-1]
            print(f"{len(series)}: {memory:.0f} MiB, {threads} threads, {files} files", flush=True)
    wrong = growth(series)
    print("\n".join(wrong) or f"{len(series)} updates; nothing grows ({threading.active_count()} Python threads)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
