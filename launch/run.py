"""Runs one point of a sweep: the program of a job."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from submitit.helpers import Checkpointable

from launch.watch import end_with
from tsmu_jax import machine, stopping
from tsmu_jax.errors import UserError


class Run(Checkpointable):
    """Trains and evaluates a configuration.

    On SLURM a job that runs out of time, or must make room for another one, saves the phase that it trains and is
    queued again.

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
        """Raises what `train_and_evaluate` raises; SIGTERM ends the process with exit code 143."""
        if self.launcher:
            end_with(self.launcher)
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # submitit hides all GPUs from local jobs
            if self.gpus is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus
        handlers = {int(number): signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
        queue_again = {number: handler for number, handler in handlers.items() if callable(handler)}  # submitit's
        stopping.install(signal.SIGTERM, *queue_again)
        from tsmu_jax import compilation  # JAX reads the variable later, when it looks for devices
        from tsmu_jax.train import train_and_evaluate

        machine.find_devices()
        compilation.keep_compiled()  # the points of a sweep run much the same programs
        compilation.return_memory()
        try:
            train_and_evaluate(config, workdir, command=self.command)
        except stopping.Stopped as stop:  # the phase is saved
            stopping.say(str(stop))
            if stop.number in queue_again:
                queue_again[stop.number](stop.number, None)
            sys.exit(128 + stop.number)
        except Exception as error:
            explained = machine.explained(error, place=str(workdir), config=config)
            if isinstance(error, UserError) or explained is None:
                raise
            raise UserError(explained) from error
