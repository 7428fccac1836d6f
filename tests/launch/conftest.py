"""A sweep of seconds: two synthetic ecoregions, a very small network, an epoch or two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs.circle import PROGRAM

ROOT = Path(__file__).parents[2]
TINY = PROGRAM | {
    "old": "nad",
    "new": "mwcf",
    "checkpoint_minutes": 10.0,
    "data.synthetic.height": 32,
    "data.synthetic.width": 48,
    "data.synthetic.pairs": "mwcf=9,nad=9",
    "data.test_pairs": 3,
    "data.draws": 2,
    "selection.epochs": 2,
    "epochs.initial": 2,
    "epochs.freeze": 1,
    "epochs.joint_fine_tuning": 1,
}


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    """Three points with the same initial training, two of them with the same freeze phase."""
    file = tmp_path / "tiny.py"
    file.write_text(
        "from launch.space import base\n"
        "def get_config(variant='demo'):\n"
        "    config = base(variant)\n"
        f"    config.update_from_flattened_dict({TINY!r})\n"
        "    return config\n"
        "def points(config):\n"
        "    for method in ('leave_one_out', 'feature_extraction', 'tsmu'):\n"
        "        yield {'method': method}\n"
    )
    return file


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", *map(str, words)]


def environment(devices: int = 2) -> dict[str, str]:
    """That of a user on no cluster with a number of CPU devices, whose programs compile as quickly as the tests'."""
    rest = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
    del rest["JAX_NUMPY_RANK_PROMOTION"]
    rest["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={devices}"  # the last one counts
    return rest


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=900, check=False
    )
