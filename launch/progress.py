"""Messages of a running sweep: when points start and end, how each one fares, the time left."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from launch.jobs import Outcome
from launch.points import Point
from tsmu_jax.runs.progress import duration
from tsmu_jax.words import counted

SPEAK_SECONDS = 10.0  # between lines about a point
_TAIL_BYTES = 4096


class SweepProgress:
    """Tells a console.

    Args:
      points: all of the sweep.
      finished: names of the points that are finished already.
      trained: keys of the phases that are finished already.
    """

    def __init__(
        self,
        points: Sequence[Point],
        *,
        finished: set[str],
        trained: set[str],
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._points = points
        self._ended = len(finished)
        self._console, self._clock = console, clock
        phases = {phase.key: phase for point in points for phase in point.phases}
        self._untrained = {key: phase for key, phase in phases.items() if key not in trained}
        self._steps_done = 0
        self._began = clock()
        self._started: dict[str, float] = {}
        self._spoken: dict[str, tuple[float, str]] = {}

    def overview(self) -> None:
        """Says how many points there are to run."""
        total, phases = len(self._points), [phase for point in self._points for phase in point.phases]
        self._say(
            f"{counted(total, 'point')}, {self._ended} of them finished; "
            f"{counted(len(self._untrained), 'phase')} to train "
            f"({len(phases)} if none were shared or finished)"
        )

    def started(self, point: Point, how: str = "started") -> None:
        """A point's job was started, or queued."""
        self._started[point.name] = self._clock()
        names = [phase.name for phase in point.phases if phase.key in self._untrained]
        self._say(f"{point.name}: {how}; {'trains ' + ', '.join(names) if names else 'all phases are trained'}")

    def running(self, point: Point, log: Path) -> None:
        """Repeats the last line of progress in a point's log, when it is new and some time has passed."""
        spoken, last = self._spoken.get(point.name, (self._started.get(point.name, self._began), ""))
        if self._clock() - spoken < SPEAK_SECONDS:
            return
        line = _last_progress(log) or last
        self._spoken[point.name] = self._clock(), line
        if line != last:
            self._say(f"{point.name}: {line}")

    def ended(self, point: Point, outcome: Outcome) -> None:
        """A point's job has ended."""
        seconds = self._clock() - self._started.get(point.name, self._began)
        self._ended += 1
        count = f"[{self._ended}/{len(self._points)}]"
        if outcome.error:
            self._say(f"{count} {point.name}: failed after {duration(seconds)}: {outcome.error} (log: {outcome.log})")
            return
        trained = [self._untrained.pop(phase.key, None) for phase in point.phases]
        self._steps_done += sum(phase.steps for phase in trained if phase is not None)
        self._say(f"{count} {point.name}: finished in {duration(seconds)}{self._left()}")

    def _left(self) -> str:
        """The time that the untrained phases take, at the steps a second of this sweep so far."""
        if not self._steps_done or self._ended == len(self._points):
            return ""
        seconds_per_step = (self._clock() - self._began) / self._steps_done
        return f"; about {duration(seconds_per_step * sum(phase.steps for phase in self._untrained.values()))} left"

    def _say(self, text: str) -> None:
        self._console.print(Text(text))


def _last_progress(log: Path) -> str:
    """The last line that says how much of a phase is done, in a file that is being written; or ""."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if " %) " in line), "")
