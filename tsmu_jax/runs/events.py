"""A run's scalars as TensorBoard's events."""

import os
import time
from collections.abc import Mapping
from pathlib import Path


class Events:
    """A new event file, which sorts behind those that are there, even within the second that names it.

    By the parts of tensorboardX's `SummaryWriter`, which itself never leaves memory: the process keeps it to close it
    when it ends.

    Args:
      directory: of the event files; created if need be.
      purge_step: scalars of earlier files from this step on are void.
    """

    def __init__(self, directory: Path, *, purge_step: int) -> None:
        # They import PyTorch where that is: seconds, not before the first step.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.summary import scalar

        self._event, self._scalar = Event, scalar
        directory.mkdir(parents=True, exist_ok=True)
        number = len(list(directory.iterdir()))
        self._file = EventsWriter(os.path.join(directory, "events"), f".{number:03d}")
        if number:
            self._write(purge_step, file_version="brain.Event:2")
            self._write(purge_step, session_log=SessionLog(status=SessionLog.START))

    def write(self, scalars: Mapping[str, int | float], step: int) -> None:
        """Writes scalars to the disk. Args: step: of the run."""
        for name, value in scalars.items():
            self._write(step, summary=self._scalar(name, value))
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write(self, step: int, **what: object) -> None:
        self._file.write_event(self._event(wall_time=time.time(), step=step, **what))
