"""Ends this process when the one that started it is gone."""

import os
import signal
import threading
import time
from pathlib import Path

_LOOK_SECONDS = 2.0
_SAVE_SECONDS = 60.0  # for a phase under way
_ORPHANED = 130  # exit code


def end_with(process: int) -> None:
    """Looks after a process from now on: killed or ended, it takes this one with it."""
    threading.Thread(target=_watch, args=(process,), daemon=True).start()


def _watch(process: int) -> None:
    while not _gone(process):
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)  # saves what it trains
    time.sleep(_SAVE_SECONDS)
    os._exit(_ORPHANED)


def _gone(process: int) -> bool:
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:  # there is no /proc here
        return False
    except OSError:  # its number is nobody's, or by now another user's
        return True
    return state == "Z"  # ended, but whoever started it has not asked yet how
