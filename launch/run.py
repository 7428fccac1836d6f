"""What a job does: one point of a sweep."""

import os
import threading
import time
from pathlib import Path
from typing import Any

from submitit.helpers import Checkpointable

_LOOK_SECONDS = 2.0
_WITHOUT_LAUNCHER = 130  # exit code


class Run(Checkpointable):
    """Trains and evaluates a configuration; on SLURM a job that runs out of time is queued again and goes on.

    Args:
      launcher: process that the job ends with; 0: none, the job is on its own.
      devices: GPUs it sees, as in CUDA_VISIBLE_DEVICES; None: those that the environment grants.
    """

    def __init__(self, command: str, launcher: int = 0, devices: str | None = None):
        self.command = command
        self.launcher = launcher
        self.devices = devices

    def __call__(self, config: dict[str, Any], workdir: Path) -> None:
        """Raises what `train_and_evaluate` raises."""
        if self.devices is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.devices
        if self.launcher:
            threading.Thread(target=_end_with, args=(self.launcher,), daemon=True).start()
        from tsmu_jax.train import train_and_evaluate  # JAX looks for devices when it is imported

        train_and_evaluate(config, workdir, command=self.command)


def _end_with(process: int) -> None:
    """A killed launcher takes its points with it; else the next one would find their directories in use."""
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            os._exit(_WITHOUT_LAUNCHER)
        time.sleep(_LOOK_SECONDS)
