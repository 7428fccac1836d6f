"""Runs all points of a sweep: an experiment of many runs that share what they have in common.

    python -m launch.sweep --config=configs/sweeps/paper.py:demo --workdir=runs/paper_demo
    python -m launch.sweep --config=configs/sweeps/kd.py:default --config.data.dir=DIR --workdir=runs/kd
        --executor=slurm --gpus=1 --max_parallel=8

configs/sweeps has paper, demo_seeds, search, kd, statistics, rates, data_size and order. Each takes the variants
of configs/tsmu.py, :default and :paper (512 x 512, for GPUs), :small and :demo, and each value with
--config.NAME=VALUE; of its own it has --config.sweep.ecoregions=A,B,C, --config.sweep.held_out=C and
--config.sweep.seeds=3.

A sweep file is a configuration file with a function points(config), which yields the overrides of each point. All
points are checked before the first one runs. Each becomes a run directory in --workdir; the same command again goes on
from what is finished. Points that fail do not stop the others; they are listed at the end, and the exit code is 1.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from tsmu_jax import cli, large_pages
from tsmu_jax.errors import UserError

_CONFIG = config_flags.DEFINE_config_file("config", None, "Sweep file, with :VARIANT if it has some.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the sweep; made if need be.")
_EXECUTOR = flags.DEFINE_enum("executor", "local", ["local", "slurm"], "Where the points run.")
_PARALLEL = flags.DEFINE_integer("max_parallel", None, "Points at a time; default: 1, on SLURM 256.", lower_bound=1)
_GPUS = flags.DEFINE_integer("gpus", 0, "GPUs of each point; 0: all of this machine's, on SLURM none.", lower_bound=0)
_CPUS = flags.DEFINE_integer("cpus", 8, "CPU cores of each point (SLURM).", lower_bound=1)
_MEMORY = flags.DEFINE_float("memory_gb", None, "Memory of each point (SLURM).", lower_bound=1)
_HOURS = flags.DEFINE_float("hours", 24, "Time limit; points beyond it are queued again (SLURM).", lower_bound=0.1)
_PARTITION = flags.DEFINE_string("partition", None, "Partition (SLURM).")
_ACCOUNT = flags.DEFINE_string("account", None, "Account (SLURM).")


def main(argv: Sequence[str]) -> None:
    """Runs what the flags ask for."""
    del argv
    if _CONFIG.value is None:
        raise UserError("--config is missing; for a first look: --config=configs/sweeps/paper.py:demo")
    if not _WORKDIR.value:
        raise UserError("--workdir is missing; for a first look: --workdir=runs/paper_demo")
    try:
        from launch.execute import execute  # after what can go wrong at once
        from launch.slurm import Resources
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed: pip install -e '.[launch]'") from error
    failed = execute(
        _CONFIG.value,
        config_flags.get_config_filename(flags.FLAGS["config"]).partition(":")[0],  # without the variant
        Path(_WORKDIR.value),
        command=shlex.join(["python", "-m", "launch.sweep", *sys.argv[1:]]),
        executor=_EXECUTOR.value,
        max_parallel=_PARALLEL.value,
        resources=Resources(
            hours=_HOURS.value,
            gpus=_GPUS.value,
            cpus=_CPUS.value,
            memory_gb=_MEMORY.value,
            partition=_PARTITION.value,
            account=_ACCOUNT.value,
        ),
    )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    large_pages.restart()  # the processes that it starts get them, too
    cli.run(main, __doc__ or "")
