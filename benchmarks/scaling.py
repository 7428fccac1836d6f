"""How cost grows: with ecoregions, pairs and image side, fitted exponents and a picture; two devices beside one.

python -m benchmarks.scaling --picture=benchmarks/scaling.png
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row

DEVICES = "--xla_force_host_platform_device_count"


@dataclasses.dataclass(frozen=True)
class Curve:
    """Seconds of some work against one quantity.

    Attributes:
      points: the quantity's values and what is measured there.
      exponent: the most that cost may grow by: seconds ~ quantity ** exponent.
      tail: number of last points that the exponent is fitted to: the first ones are constant cost.
    """

    work: str
    quantity: str
    points: Mapping[int, Candidate]
    exponent: float
    tail: int = 3


def curves(largest: int) -> list[Curve]:
    """What is measured, images up to `largest` pixels a side."""

    def points(values: Sequence[int], make: str, name: str, **setting: int) -> dict[int, Candidate]:
        return {value: Candidate(f"{value}", f"benchmarks.{make}", {name: value, **setting}) for value in values}

    sides = [side for side in (64, 128, 256, 512, 1024) if side <= largest]
    step = {"size": 64, "batch": 2}
    return [
        Curve(
            "step of joint fine-tuning, 64 x 64",
            "old ecoregions, a decoder each",
            points((1, 2, 4, 8), "ours:joint_fine_tuning_step", "old", **step),
            exponent=1.0,
        ),
        Curve(
            "opening and ordering", "pairs", points((10, 100, 1000, 10_000 - 2), "runs:opening", "pairs"), 1.0, tail=2
        ),
        Curve("training step of a pair", "side in pixels", points(sides, "ours:train_step", "size", batch=1), 2.0),
        Curve("answer to a pair", "side in pixels", points(sides, "ours:inference", "size", batch=1), 2.0),
    ]


def exponent(seconds: Mapping[int, float], tail: int) -> float:
    """Slope of the line through the last points in logarithms; least squares."""
    x, y = np.log(np.array(sorted(seconds.items())[-tail:])).T
    return float(np.polyfit(x, y, 1)[0])


def rows(*, largest: int = 1024, repetitions: int = 3, picture: str = "") -> Sequence[Row]:
    """An exponent for each curve, and what a second device does to a step of the same batch."""
    found, table = [], []
    for curve in curves(largest):
        # One point at a time: large images need the memory for themselves.
        measured = {x: interleaved([each], repetitions=repetitions)[each.name] for x, each in curve.points.items()}
        seconds = {x: each.median for x, each in measured.items() if not each.missing}
        found.append((curve, seconds))
        lost = [f"{x}: {each.missing}" for x, each in measured.items() if each.missing]
        grown = exponent(seconds, curve.tail) if len(seconds) > 1 else None
        note = "; ".join([f"{x}: {value:.3g} s" for x, value in seconds.items()] + lost)
        name = f"{curve.work}: exponent of {curve.quantity}"
        table.append(Row(name, "", grown, curve.exponent, "proportional" if curve.exponent == 1 else "area", note=note))
    if picture:
        draw(found, Path(picture))
    return [*table, two_devices(repetitions)]


def two_devices(repetitions: int) -> Row:
    """Data parallelism's overhead where two devices share the cores of one."""
    setting = {"size": 64, "batch": 4}
    flags = {f"devices: {number}": {"XLA_FLAGS": f"{DEVICES}={number}"} for number in (1, 2)}
    sides = [Candidate(name, "benchmarks.ours:train_step", setting, each) for name, each in flags.items()]
    one, two = interleaved(sides, repetitions=repetitions).values()
    name = "training step, 64 x 64, batch 4, on two devices of the same cores"
    return Row(name, "s", two.median, one.median, "one device")


def draw(found: Sequence[tuple[Curve, Mapping[int, float]]], path: Path) -> None:
    """A panel for each curve, double logarithmic, with its fitted line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(found), 3.2), layout="constrained")
    for axes, (curve, seconds) in zip(np.atleast_1d(figure.subplots(1, len(found))), found, strict=True):
        grown = exponent(seconds, curve.tail)
        last = max(seconds)
        x = np.array(sorted(seconds)[-curve.tail :])
        axes.loglog(list(seconds), list(seconds.values()), "o", color="black")
        axes.loglog(x, seconds[last] * (x / last) ** grown, color="tab:red", label=f"exponent {grown:.2f}")
        axes.set(title=curve.work, xlabel=curve.quantity, ylabel="seconds")
        axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
