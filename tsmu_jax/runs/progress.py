"""A progress line for each phase: redrawn in place on a terminal, elsewhere a plain line now and then."""

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

LINE_SECONDS = 10.0  # between plain lines


class PhaseProgress:
    """Progress of one phase, from the step at which this process took it up.

    Use it as a context manager: an exception ends the line as it stands, and passes.

    ```
    with PhaseProgress("freeze", steps, epochs=200, images_per_step=2, start=state.step) as progress:
        progress.update(step, epoch=epoch, loss=loss, iou=validation_iou)
        progress.close("stopped early: no better since epoch 31")  # where there is something to say
    ```

    Args:
      name: of the phase.
      steps: of the whole phase; 0 where it has nothing to do.
      epochs: of the whole phase; 0 leaves the epoch away.
      images_per_step: for images per second, unless `update` is given that value.
      start: steps done before, by an earlier process: they count for the bar, not for rate and time left.
      console: default: standard error. A terminal gets the bar, anything else plain lines, no escape codes.
      clock: seconds, never going back.
    """

    def __init__(
        self,
        name: str,
        steps: int,
        *,
        epochs: int = 0,
        images_per_step: int = 0,
        start: int = 0,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._steps = max(steps, 0)
        self._epochs = epochs
        self._images_per_step = images_per_step
        self._step = start
        self._clock = clock
        self._began = clock()
        self._first: tuple[float, int] = (self._began, start)  # the rate counts from here
        self._updated = False
        self._spoken = self._began  # when the last plain line was written
        self._values: dict[str, float] = {}
        self._closed = False
        self._console = console or Console(file=sys.stderr, soft_wrap=True)
        narrow = self._console.is_terminal and self._console.width < 100
        self._gap = " " if narrow else "  "
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = _bar(self._console)
            self._task = self._bar.add_task(name, total=max(self._steps, 1), completed=start, values="")
            self._bar.start()

    def update(self, step: int, **values: float) -> None:
        """Reports that `step` steps of the phase are done.

        Args:
          step: counts from the phase's beginning, steps of earlier processes included.
          values: `epoch`, `loss`, `iou` (validation), `images_per_second`, and any others under their names;
            what is not given keeps its last value. Reading a JAX array waits for the device: pass loss and
            the like only at the steps that log them.
        """
        self._values |= {name: float(value) for name, value in values.items()}
        self._step = step
        if not self._updated:  # the first step compiles: it says nothing about the next ones
            self._updated = True
            self._first = (self._clock(), step)
        if self._bar is not None:
            self._bar.update(self._task, completed=step, values=self._text())
        elif self._clock() - self._spoken >= LINE_SECONDS:
            self._speak(self._text())

    def close(self, summary: str = "") -> None:
        """Ends the line and says `summary` (why the phase stopped early, perhaps); later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        text = self._text(final=True)
        if self._bar is None:
            self._speak(self._gap.join(part for part in (text, summary) if part))
            return
        self._bar.update(self._task, completed=self._step if self._steps else 1, values=text)
        self._bar.stop()
        if summary:  # on a line of its own: the bar's would cut it off
            self._console.print(Text(f"  {summary}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close("" if kind is None else "interrupted")

    def _speak(self, text: str) -> None:
        percent = f" ({100 * self._step // self._steps} %)" if self._steps else ""
        line = f"{self._name}  {self._step}/{self._steps}{percent}  {text}".rstrip()
        self._console.print(Text(line), soft_wrap=True)
        self._spoken = self._clock()

    def _text(self, *, final: bool = False) -> str:
        values = dict(self._values)
        epoch = values.pop("epoch", math.nan)
        parts = []
        if self._epochs and math.isfinite(epoch):
            parts.append(f"epoch {epoch:.0f}/{self._epochs}")
        elif math.isfinite(epoch):
            parts.append(f"epoch {epoch:.0f}")
        steps_per_second = self._rate()
        measured = values.pop("images_per_second", steps_per_second * self._images_per_step)
        parts += [_value(name, value) for name, value in values.items()]
        if math.isfinite(measured) and measured > 0:
            parts.append(f"{measured:.3g} img/s" if measured < 100 else f"{measured:.0f} img/s")
        if final:
            parts.append(f"in {duration(self._clock() - self._began)}")
        elif steps_per_second > 0:
            parts.append(f"{duration(max(self._steps - self._step, 0) / steps_per_second)} left")
        return self._gap.join(parts)

    def _rate(self) -> float:
        """Steps a second since the first update of this process; NaN before there are two."""
        since, step = self._first
        elapsed = self._clock() - since
        return (self._step - step) / elapsed if self._step > step and elapsed > 0 else math.nan


def duration(seconds: float) -> str:
    """1:02 or 3:04:05; a dash for what is not finite."""
    if not math.isfinite(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _value(name: str, value: float) -> str:
    label = {"iou": "IoU"}.get(name, name.replace("_", " "))
    if not math.isfinite(value):
        return f"{label} –"
    return f"{label} {value:.3f}" if 1e-3 <= abs(value) < 1e3 or value == 0 else f"{label} {value:.3g}"


def _bar(console: Console) -> Progress:
    """The values never give way, the bar does: the line fits 80 columns."""
    return Progress(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[values]}", markup=False),
        console=console,
        expand=True,
        refresh_per_second=4,
    )
