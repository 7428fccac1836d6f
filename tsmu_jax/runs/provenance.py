"""Where a run comes from: its configuration, command, versions and revision, as `config.json` has them."""

import dataclasses
import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tsmu_jax import __version__
from tsmu_jax.settings import Config

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "pillow")


def provenance(config: Config, images: str, command: str) -> dict[str, Any]:
    """Returns what `config.json` holds.

    Args:
      config: of the run.
      images: fingerprint of its images and start.
      command: that started it.
    """
    return {
        "schema": 2,
        "command": command,
        "created": now().isoformat(timespec="seconds"),
        "seed": config.seed,
        "config": dataclasses.asdict(config),
        "images": images,
        "versions": {
            "tsmu_jax": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "platform": platform.platform(),
        "git_revision": _git_revision(),
    }


def now() -> datetime.datetime:
    """The time, or what SOURCE_DATE_EPOCH states: two runs then leave saved models with the same digest."""
    stated = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.datetime.fromtimestamp(int(stated) if stated else time.time(), datetime.UTC)


def _git_revision() -> str | None:
    """The revision of the code that runs, with "+changes" where files differ from it; None outside of a checkout."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def command_line() -> str:
    """The command that started this process."""
    return shlex.join(["python", "-m", "tsmu_jax.main", *sys.argv[1:]])
