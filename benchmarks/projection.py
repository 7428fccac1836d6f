"""How long the paper's whole protocol takes: on paper, from its arithmetic and a speed.

python -m benchmarks.projection --tflops=125 --seeds=5

All phases of `configs/sweeps/paper.py` at 512 x 512 with the paper's epochs and numbers of pairs, each that several
points share once. The speed is what a device reaches in training steps. By default it is half of what an H100's memory
and arithmetic allow in bfloat16 (.55 TFLOP and 6.6 GB a pair: 2.2 ms), which is our target and has not been measured.
On several devices a phase takes one, and waits for the one before it.
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import command
from benchmarks.measure import ROOT
from benchmarks.rows import Row
from launch.points import overridden, read
from launch.space import base
from tsmu_jax.data.source import PairSource
from tsmu_jax.methods import PAPER_METHODS
from tsmu_jax.runs.estimate import stage_flops
from tsmu_jax.runs.experiment import prepare

SWEEP = str(ROOT / "configs" / "sweeps" / "paper.py")
DEVICES = (1, 8, 32)


class Phase(NamedTuple):
    """A phase that is trained once, for all points that have it."""

    before: str | None  # key of the phase that it begins from
    flops: float


def phases(seeds: int) -> tuple[dict[str, Phase], dict[str, list[str]]]:
    """All phases of the protocol by key, and the keys of each method, all of its points together."""
    config = base("default", methods=",".join(PAPER_METHODS), seeds=seeds)
    known: dict[str, Phase] = {}
    methods: dict[str, list[str]] = {}
    opened: dict[str, PairSource] = {}
    plain = {key: value for key, value in config.to_dict().items() if key != "sweep"}
    for overrides in read(SWEEP, config):
        point: Mapping[str, Any] = overridden(plain, overrides)
        experiment, before = prepare(point, opened=opened), None
        for stage in experiment.stages:
            key = experiment.stage_key(stage)
            known[key] = Phase(before, stage_flops(experiment, stage))
            methods.setdefault(point["method"], []).append(key)
            before = key
    return known, methods


def makespan(work: dict[str, Phase], devices: int) -> float:
    """Operations of the device that ends last, where each takes the phase with the most work behind it."""
    behind = {key: phase.flops for key, phase in work.items()}
    for key in reversed(work):  # a phase comes after the one that it begins from
        before = work[key].before
        if before is not None:
            behind[before] = max(behind[before], work[before].flops + behind[key])
    waiting, now = set(work), 0.0
    done: set[str | None] = {None}
    running: list[tuple[float, str]] = []  # when it ends, and what
    while waiting or running:
        ready = sorted((key for key in waiting if work[key].before in done), key=lambda key: (-behind[key], key))
        for key in ready[: devices - len(running)]:
            heapq.heappush(running, (now + work[key].flops, key))
            waiting.remove(key)
        now, ended = heapq.heappop(running)
        done.add(ended)
    return now


def rows(*, tflops: float = 125.0, seeds: int = 5) -> Sequence[Row]:
    """Hours of each method with all that it needs, of the whole on one device and on several."""
    work, methods = phases(seeds)
    hours = 1 / (tflops * 1e12 * 3600)
    note = f"at {tflops:g} TFLOP/s, {seeds} seeds"
    table = [
        Row(f"{method}, all held-out ecoregions", "h", hours * sum(work[key].flops for key in {*keys}), note=note)
        for method, keys in methods.items()
    ]
    for devices in DEVICES:
        taken = hours * makespan(work, devices)
        table.append(Row(f"all eight methods on {devices} device{'s' * (devices > 1)}", "h", taken, note=note))
    return table


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
