"""How cost grows: with ecoregions, pairs, image side and scene size; fitted exponents and a picture.

python -m benchmarks.scaling --picture=benchmarks/scaling.png
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row


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
    """Returns the candidates that are measured, images up to `largest` pixels a side."""

    def points(values: Sequence[int], make: str, name: str, **setting: int) -> dict[int, Candidate]:
        return {value: Candidate(f"{value}", f"benchmarks.{make}", {name: value, **setting}) for value in values}

    sides = [side for side in (64, 128, 256, 512, 1024) if side <= largest]
    step = {"size": 64, "batch": 2}
    return [
        Curve(
            "step of joint fine-tuning, 64 x 64",
            "old ecoregions, a decoder each",
            points((1, 2, 4, 8), "ours:joint_fine_tuning_step", "old_decoders", **step),
            exponent=1.0,
        ),
        Curve(
            "opening and ordering", "pairs", points((10, 100, 1000, 10_000 - 2), "runs:opening", "pairs"), 1.0, tail=2
        ),
        Curve("training step of a pair", "side in pixels", points(sides, "ours:train_step", "size", batch=1), 2.0),
        Curve("answer to a pair", "side in pixels", points(sides, "ours:inference", "size", batch=1), 2.0),
        Curve(
            "scene, from files to answers",
            "side in pixels, in tiles of 128",
            points([2 * side for side in sides], "runs:scene", "side", tile=128, batch=4),
            2.0,
        ),
    ]


def exponent(seconds: Mapping[int, float], tail: int) -> float:
    """Slope of the line through the last points in logarithms; least squares."""
    x, y = np.log(np.array(sorted(seconds.items())[-tail:])).T
    return float(np.polyfit(x, y, 1)[0])


def rows(*, largest: int = 1024, repetitions: int = 3, picture: str = "") -> Sequence[Row]:
    """An exponent for each curve."""
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
    return table


def draw(found: Sequence[tuple[Curve, Mapping[int, float]]], path: Path) -> None:
    """A panel for each curve, double logarithmic, with the line that its exponent says."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(found), 3.2), layout="constrained")
    for axes, (curve, seconds) in zip(np.atleast_1d(figure.subplots(1, len(found))), found, strict=True):
        x = np.array(sorted(seconds))
        axes.loglog(x, [seconds[value] for value in x], "o", color="black")
        if len(x) > 1:
            grown, tail = exponent(seconds, curve.tail), x[-curve.tail :]
            line = seconds[x[-1]] * (tail / x[-1]) ** grown
            axes.loglog(tail, line, color="tab:red", label=f"exponent {grown:.2f}")
            axes.legend(frameon=False)
            ends = [min(seconds.values()), max(seconds.values())]
            axes.set_yticks(ends, labels=[f"{end:.2g}" for end in ends])
        axes.set(title=curve.work, xlabel=curve.quantity, ylabel="seconds")
        axes.set_xticks(x, labels=[f"{value:,}" for value in x], rotation=30)
        axes.minorticks_off()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
