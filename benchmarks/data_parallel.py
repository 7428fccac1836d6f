"""Costs of data parallelism itself: two devices, in one process or in two, beside one device on the same cores.

python -m benchmarks.data_parallel --size=64 --batch=4

Nothing is won here, since two devices share the cores of one: what they take longer is the overhead. Measured in whole
trainings by the programs that users start, so that what lies between the processes is what lies between theirs.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import command
from benchmarks.measure import ROOT, Candidate, interleaved
from benchmarks.rows import Row, spread
from benchmarks.runs import synthetic
from benchmarks.worker import Job
from tsmu_jax.errors import UserError

DEVICES = "--xla_force_host_platform_device_count"


def training(processes: int, devices: int, size: int, batch: int, pairs: int, depth: int = 7) -> Job:
    """Seconds of a step of initial training on CPUs; the mean over the last of two epochs.

    Args:
      devices: of each process.
      pairs: in an epoch, each of them four times.
      depth: levels of the decoder.
    """
    changes = {**synthetic(size, batch, pairs), "model.depth": depth}
    changes |= {"method": "leave_one_out", "epochs.initial": 2, "reuse": False}
    settings = [f"--config.{name}={value}" for name, value in changes.items()]
    flags = f"{os.environ.get('XLA_FLAGS', '')} {DEVICES}={devices}"  # the last one counts
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    scratch = tempfile.TemporaryDirectory()

    def run() -> float:
        workdir = Path(tempfile.mkdtemp(dir=scratch.name)) / "run"
        cluster = [f"--coordinator=localhost:{_free_port()}", f"--num_processes={processes}"]
        words = [sys.executable, "-m", "launch.hosts", *cluster]
        given = ["--", "--config=configs/tsmu.py", f"--workdir={workdir}", *settings]
        members = [
            subprocess.Popen(
                [*words, f"--process_id={index}", *given],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for index in range(processes)
        ]
        said = [member.communicate()[1].strip() for member in members]
        if any(member.returncode for member in members):
            raise UserError("\n".join(filter(None, said)).splitlines()[-1])
        last = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])
        return batch / float(last["images_per_second"])

    return Job(run, close=scratch.cleanup)  # the first run compiles


def _free_port() -> int:
    with socket.create_server(("localhost", 0)) as free:
        return int(free.getsockname()[1])


def rows(*, size: int = 64, batch: int = 4, pairs: int = 16, repetitions: int = 3) -> Sequence[Row]:
    """A step on two devices, and by two processes with a device each, beside one of one device."""
    setting = {"size": size, "batch": batch, "pairs": pairs}
    forms = {"one device": (1, 1), "two devices": (1, 2), "two processes": (2, 1)}
    sides = [
        Candidate(name, "benchmarks.data_parallel:training", {"processes": processes, "devices": devices, **setting})
        for name, (processes, devices) in forms.items()
    ]
    one, *others = interleaved(sides, repetitions=repetitions).values()
    return [
        Row(
            f"training step by {other.name} on the same cores, {size} x {size}, batch {batch}",
            "s",
            None if other.missing else other.median,
            None if one.missing else one.median,
            "one device",
            note=other.missing or one.missing or spread(other, one),
        )
        for other in others
    ]


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
