"""The check that runs on a GPU compares what it says, here on the CPU, with few packages."""

import subprocess
import sys
from pathlib import Path

from tests.gpu.export import MOST_DIFFERENCE, differences
from tsmu_jax.models.saved import SavedModel

ROOT = Path(__file__).parents[2]
# Of the packages that tsmu_jax needs, those that machines made for JAX may lack.
ABSENT = ("ml_collections", "tensorflow_datasets", "grain", "rasterio", "PIL", "matplotlib")


def test_the_export_is_compared_with_the_model(model: SavedModel, exported: Path) -> None:
    found = differences(model.path, exported)
    assert len(found) == 4 and max(found.values()) < MOST_DIFFERENCE


def test_it_needs_few_packages_and_a_gpu(model: SavedModel, exported: Path) -> None:
    hide = f"import runpy, sys; sys.modules.update(dict.fromkeys({ABSENT!r}))"
    run = "runpy.run_module('tests.gpu.export', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", f"{hide}; {run}", f"--model={model.path}", f"--export={exported}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: jax sees no GPU here, it runs on cpu\n")
