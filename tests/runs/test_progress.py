import io
import math

import pytest
from rich.console import Console
from rich.text import Text

from tsmu_jax.runs.progress import PhaseProgress, duration


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def plain() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=False, width=80), file


def test_plain_lines_come_every_ten_seconds_and_at_the_end() -> None:
    clock, (console, file) = Clock(), plain()
    with PhaseProgress("initial", 50, epochs=5, images_per_step=4, console=console, clock=clock) as progress:
        for step in range(1, 51):
            clock.now += 0.5  # 25 s in all
            progress.update(step, epoch=(step - 1) // 10 + 1, loss=1 / step, iou=math.nan)
    lines = file.getvalue().splitlines()
    assert len(lines) == 3  # at 10 s and 20 s, and at the end
    assert lines[0] == "initial  20/50 (40 %)  epoch 2/5  loss 0.050  IoU –  8 img/s  0:15 left"
    assert lines[1].startswith("initial  40/50 (80 %)") and lines[1].endswith("0:05 left")
    assert lines[2] == "initial  50/50 (100 %)  epoch 5/5  loss 0.020  IoU –  8 img/s  in 0:25"
    assert "\x1b" not in file.getvalue()


def test_rate_counts_neither_compilation_nor_the_steps_of_an_earlier_process() -> None:
    clock, (console, file) = Clock(), plain()
    progress = PhaseProgress("freeze", 1000, images_per_step=2, start=900, console=console, clock=clock)
    clock.now += 60  # compiling the first step
    progress.update(901)
    for step in range(902, 922):
        clock.now += 1
        progress.update(step)
    progress.close()
    lines = file.getvalue().splitlines()
    assert lines[0] == "freeze  901/1000 (90 %)"  # one step says nothing about the rate
    assert lines[1] == "freeze  911/1000 (91 %)  2 img/s  1:29 left"


def test_values_keep_until_they_change_and_a_measured_rate_wins() -> None:
    clock, (console, file) = Clock(), plain()
    progress = PhaseProgress("joint_fine_tuning", 10, images_per_step=1, console=console, clock=clock)
    progress.update(1, loss=2e-6, iou=0.51239, images_per_second=123.4)
    clock.now += 11
    progress.update(2, loss=1e-6)
    progress.close("stopped early")
    progress.close("again")
    lines = file.getvalue().splitlines()
    assert lines[0] == "joint_fine_tuning  2/10 (20 %)  loss 1e-06  IoU 0.512  123 img/s  1:28 left"
    assert len(lines) == 2 and lines[1].endswith("in 0:11  stopped early")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_phase_without_steps_and_an_interrupted_one(terminal: bool) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=80)
    with PhaseProgress("responses", 0, console=console):
        pass
    with pytest.raises(KeyboardInterrupt), PhaseProgress("[red]initial", 5, console=console) as progress:
        progress.update(1, loss=0.5)
        raise KeyboardInterrupt
    assert "responses" in file.getvalue() and "[red]initial" in file.getvalue()  # a name is no markup
    assert "interrupted" in file.getvalue()


def test_terminal_line_fits_eighty_columns() -> None:
    clock, file = Clock(), io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=80)
    with PhaseProgress(
        "joint_fine_tuning", 6000, epochs=200, images_per_step=2, console=console, clock=clock
    ) as progress:
        for step in (2999, 3000, 3001):
            clock.now += 0.2
            progress.update(step, epoch=100, loss=0.1234, iou=0.6543)
            assert progress._bar is not None
            progress._bar.refresh()
    line = [Text.from_ansi(part).plain for part in file.getvalue().split("\r") if "left" in part][-1].rstrip()
    assert line.startswith("joint_fine_tuning ━")
    assert line.endswith("epoch 100/200 loss 0.123 IoU 0.654 10 img/s 10:00 left")
    assert len(line) <= 80


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (math.inf, "–")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
