"""SIGTERM and Ctrl-C: a phase that trains is saved first, all else ends at once, and a second signal ends anything.

A thread of its own hears the signals: Python runs signal handlers between two of its own instructions, and the main
thread may be inside of a compiler for minutes.
"""

import os
import signal
import sys
import threading
import time
from typing import Any

END_SECONDS = 5.0  # for the main thread to end in good order, where it need not save
SAME_SECONDS = 1.0  # launchers and `timeout` send a signal to a process and to its group: the same request
GO_ON = "the same command goes on from what is finished"


class Stopped(KeyboardInterrupt):
    """The process was asked to end.

    Attributes:
      number: of the signal; the exit code is 128 more.
      kept: what is saved, and how to go on.
    """

    def __init__(self, number: int, kept: str = GO_ON):
        super().__init__(f"stopped by {signal.Signals(number).name}; {kept}")
        self.number = number
        self.kept = kept


class _State:
    requested: int | None = None  # the first signal
    held = False  # the main thread looks at `requested` by itself, and saves before it ends
    said = False  # the last words are printed
    installed = False


def install(*numbers: int) -> None:
    """Listens to signals from now on; for the main thread of a program.

    Args:
      numbers: SIGTERM and SIGINT by default.
    """
    if _State.installed or threading.current_thread() is not threading.main_thread():
        return
    _State.installed = True
    heard = numbers or (signal.SIGTERM, signal.SIGINT)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in heard:
        signal.signal(number, _received)
    threading.Thread(target=_listen, args=(reader, frozenset(heard)), daemon=True).start()


def leave_to_others() -> None:
    """Forgets about signals: for a launcher, whose own handlers pass them on."""
    signal.set_wakeup_fd(-1)


def requested() -> int | None:
    """The signal that asked this process to end, if any did."""
    return _State.requested


def hold() -> None:
    """From now on there is something to save: signals raise nothing, the caller looks at `requested`."""
    _State.held = True


def holding() -> bool:
    """Whether there is something to save."""
    return _State.held


def release() -> None:
    """Ends what `hold` began: signals raise `Stopped` again, one that came in between too."""
    held, _State.held = _State.held, False
    if held and _State.requested is not None and sys.exc_info()[1] is None:
        raise Stopped(_State.requested)


def here() -> None:
    """Raises `Stopped` if that was requested: for long work within what `hold` began that may be given up."""
    if _State.held and _State.requested is not None:
        raise Stopped(_State.requested)


def say(words: str) -> None:
    """Prints a program's last words on standard error, once."""
    if not _State.said:
        _State.said = True
        print(words, file=sys.stderr, flush=True)


def _received(number: int, frame: Any) -> None:
    del frame
    _State.requested = _State.requested or number
    if not _State.held:
        raise Stopped(number)


def _listen(reader: int, heard: frozenset[int]) -> None:
    first: float | None = None
    while True:
        number = os.read(reader, 1)[0]
        if number not in heard:
            continue
        if first is None:
            first = time.monotonic()
            _State.requested = number
            threading.Thread(target=_end_soon, args=(number,), daemon=True).start()
        elif time.monotonic() - first > SAME_SECONDS:
            _end(number, "ended at once; the same command goes on from the last checkpoint")


def _end_soon(number: int) -> None:
    if _State.held:
        print(f"{signal.Signals(number).name}: saving after this step; a second one ends at once", file=sys.stderr)
        return
    time.sleep(END_SECONDS)
    _end(number, str(Stopped(number)))


def _end(number: int, words: str) -> None:
    say(words)
    os._exit(128 + number)
