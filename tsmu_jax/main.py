"""Trains and evaluates one way of updating a landslide model with a new ecoregion.

    python -m tsmu_jax.main --config=configs/tsmu.py:demo --workdir=runs/demo     minutes on two CPU cores
    python -m tsmu_jax.main --config=configs/tsmu.py --config.data.dir=DIR --workdir=runs/mine
    python -m tsmu_jax.main --config=configs/tsmu.py --config.start=runs/mine --config.data.dir=NEW --workdir=runs/next

The last command updates the model of a finished run with the ecoregions of another folder; the images that it knows are
not needed. Exit code 3: the update was rejected, since it forgets more than config.update.max_forgetting.
docs/settings.md explains every value; set any of them with --config.NAME=VALUE, the way of updating with
--config.method=tsmu, retraining, fine_tuning, ... (any other word lists them all). Variants of the file: none for
512 x 512 pairs, :paper for the protocol as printed, :small for 64 x 64 pairs, :demo. Running the same command again
continues where it stopped. DIR is a folder of images, one subfolder an ecoregion, or what tsmu_jax.prepare wrote.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from tsmu_jax import cli, large_pages, machine
from tsmu_jax.errors import UserError

REJECTED = 3  # exit code of an update that forgets more than config.update.max_forgetting

_CONFIG = config_flags.DEFINE_config_file("config", None, "Configuration file, with :VARIANT if it has some.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory of the run; made if need be.")
_SUMMARIZE = flags.DEFINE_boolean("summarize", False, "Print the parameters of the network, and exit.")


def main(argv: Sequence[str]) -> None:
    """Runs what the flags ask for."""
    del argv
    if _CONFIG.value is None:
        raise UserError("--config is missing; for a first look: --config=configs/tsmu.py:demo")
    config = _CONFIG.value.to_dict()
    if _SUMMARIZE.value:
        from tsmu_jax.summarize import summarize

        summarize(config)
        return
    if not _WORKDIR.value:
        raise UserError("--workdir is missing; for a first look: --workdir=runs/demo")
    if not machine.is_utf8(_WORKDIR.value):
        raise UserError(f"--workdir={_WORKDIR.value}: the name is not UTF-8; name another directory")
    from tsmu_jax import compilation  # slow to import: after what can go wrong at once
    from tsmu_jax.train import train_and_evaluate

    machine.find_devices()
    compilation.keep_compiled()
    compilation.return_memory()
    results = train_and_evaluate(config, Path(_WORKDIR.value))
    if not results.get("update", {"accepted": True})["accepted"]:
        sys.exit(REJECTED)


if __name__ == "__main__":
    large_pages.restart()
    cli.run(main, __doc__ or "")
