"""The values of a scene under way, on the disk: written by windows in any order, kept when the process ends."""

import os
import re
from pathlib import Path

import numpy as np

from tsmu_jax.prediction.output import NOT_OBSERVED

NAME, JOURNAL = "unfinished.u8", "unfinished.txt"
_LINE = re.compile(r"([0-9]{1,9})( damaged)?\n")


class Staging:
    """u8[planes, h, w] without a header, and beside it the numbers of the windows that it holds.

    Pixels that no window has written are not observed.

    Attributes:
      done: numbers of windows.
      damaged: of those, the windows of which some could not be read.
    """

    def __init__(self, directory: Path, height: int, width: int, planes: int = 1) -> None:
        """Goes on with what the directory holds, or begins."""
        self._path, self._journal = directory / NAME, directory / JOURNAL
        self._height, self._width = height, width
        self.done: set[int] = set()
        self.damaged: set[int] = set()
        if not self._path.exists() or self._path.stat().st_size != planes * height * width:
            self._journal.unlink(missing_ok=True)
            with self._path.open("wb") as file:
                for _ in range(planes * height):
                    file.write(bytes([NOT_OBSERVED]) * width)
        for line in self._journal.read_text().splitlines(keepends=True) if self._journal.exists() else ():
            if found := _LINE.fullmatch(line):  # the last one may be cut off
                self._note(int(found[1]), damaged=bool(found[2]))

    def write(self, number: int, row: int, column: int, values: np.ndarray, *, damaged: bool) -> None:
        """Writes a window, and then that it is written.

        Args:
          number: of the window.
          row, column: of its first pixel.
          values: u8[planes, h, w].
          damaged: whether some of it could not be read.
        """
        with self._path.open("r+b") as file:
            for plane, lines in enumerate(values):
                first = plane * self._height + row
                for offset, line in enumerate(lines):
                    os.pwrite(file.fileno(), line.tobytes(), (first + offset) * self._width + column)
            os.fsync(file.fileno())
        with self._journal.open("a") as journal:
            journal.write(f"{number}{' damaged' if damaged else ''}\n")
        self._note(number, damaged=damaged)

    def _note(self, number: int, *, damaged: bool) -> None:
        self.done.add(number)
        if damaged:
            self.damaged.add(number)

    def rows(self, start: int, stop: int, plane: int = 0) -> np.ndarray:
        """u8[stop - start, w] of a plane."""
        first = plane * self._height + start
        with self._path.open("rb") as file:
            data = os.pread(file.fileno(), (stop - start) * self._width, first * self._width)
        return np.frombuffer(data, np.uint8).reshape(stop - start, self._width)

    def remove(self) -> None:
        """When the scene is finished."""
        self._journal.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
