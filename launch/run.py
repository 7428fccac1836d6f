"""Runs one point of a sweep: the program of a job."""

import os
from pathlib import Path
from typing import Any

from submitit.helpers import Checkpointable

from launch.watch import end_with


class Run(Checkpointable):
    """Trains and evaluates a configuration; on SLURM a job that runs out of time is queued again and goes on.

    Args:
      command: that started the sweep; the run's `config.json` keeps it.
      launcher: process on this machine that the job ends with; 0: none, as on a cluster.
      gpus: with a launcher, CUDA_VISIBLE_DEVICES; None: unset.
    """

    def __init__(self, command: str, launcher: int = 0, gpus: str | None = None):
        self.command = command
        self.launcher = launcher
        self.gpus = gpus

    def __call__(self, config: dict[str, Any], workdir: Path) -> None:
        """Raises what `train_and_evaluate` raises."""
        if self.launcher:
            end_with(self.launcher)
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # submitit hides all GPUs from local jobs
            if self.gpus is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus
        from tsmu_jax import compilation  # JAX reads the variable later, when it looks for devices
        from tsmu_jax.train import train_and_evaluate

        compilation.keep_compiled()  # the points of a sweep run much the same programs
        compilation.return_memory()
        train_and_evaluate(config, workdir, command=self.command)
