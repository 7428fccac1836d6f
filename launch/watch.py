"""Ends this process when the one that started it is gone."""

import os
import threading
import time

_LOOK_SECONDS = 2.0
_ORPHANED = 130  # exit code


def end_with(process: int) -> None:
    """Looks after a process from now on: killed or ended, it takes this one with it."""
    threading.Thread(target=_watch, args=(process,), daemon=True).start()


def _watch(process: int) -> None:
    while True:
        try:
            os.kill(process, 0)
        except OSError:  # it is gone, and perhaps its number is another user's by now
            os._exit(_ORPHANED)
        time.sleep(_LOOK_SECONDS)
