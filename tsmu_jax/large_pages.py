"""Large pages for the arrays of a training step, of which the C library must know before a process starts.

On a CPU each step takes its temporary arrays anew: at 128 x 128 with two pairs 84,000 pages of 4 KiB, and a fifth of
the step's time to get them. With pages of 2 MiB it takes 200 (`python -m benchmarks.train_step`). Where Linux gives
them to whoever asks, glibc asks if a variable tells it to, which it reads once.
"""

import os
import sys
from pathlib import Path

VARIABLE = "GLIBC_TUNABLES"
MODES = Path("/sys/kernel/mm/transparent_hugepage/enabled")  # "always [madvise] never"


def environment(modes: Path = MODES) -> dict[str, str]:
    """Variables that a process is to be started with; none where they change nothing, or the user has set them."""
    try:
        on_request = "[madvise]" in modes.read_text()
    except OSError:
        on_request = False  # another system
    return {VARIABLE: "glibc.malloc.hugetlb=1"} if on_request and VARIABLE not in os.environ else {}


def restart(modes: Path = MODES) -> None:
    """Starts this very program anew, as the same process, if it could have large pages and has none.

    For the first line of a program: what it has done until then is done again.
    """
    missing = environment(modes)
    if missing:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing})
