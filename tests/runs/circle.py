"""Images and configuration of a run that takes seconds, and of the updates that start from its model."""

import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tsmu_jax.data.synthetic import SyntheticSource

ROOT = Path(__file__).parents[2]
# All that a training step's program depends on beside the demo's settings: tests that share it compile it once for all.
PROGRAM = {
    "batch_size": 4,
    "data.size": 16,
    "model.depth": 2,
    "model.width": 0.25,
    "optimizer.schedule": "constant",  # whatever the number of epochs, a step is the same program
}
TINY = PROGRAM | {
    "data.test_pairs": 4,
    "data.subsample": 0,
    "epochs.initial": 40,  # there must be something to forget
    "epochs.freeze": 2,
    "epochs.joint_fine_tuning": 2,
    "epochs.retrain": 1,
    "epochs.fine_tune": 1,
    "selection.epochs": 4,
    "new": "",
}


def configuration(directory: Path, **changes: Any) -> dict[str, Any]:
    """The tiny configuration on a folder of images. Args: changes: `epochs__initial=3` for `epochs.initial`."""
    config = runpy.run_path(str(ROOT / "configs" / "tsmu.py"))["get_config"]("demo")
    flat = TINY | {"data.dir": str(directory)} | {key.replace("__", "."): value for key, value in changes.items()}
    config.update_from_flattened_dict(flat)
    return config.to_dict()


def write_images(directory: Path, ecoregions: Sequence[str], *, seed: int = 0) -> Path:
    """Writes twelve pairs of each ecoregion; a strip of each is unknown ground."""
    unknown = np.zeros((32, 32), np.uint8)
    unknown[:2] = 255
    source = SyntheticSource(dict.fromkeys(ecoregions, 12), height=32, width=32, seed=seed)
    for index, info in enumerate(source.infos):
        folder = directory / info.ecoregion
        folder.mkdir(parents=True, exist_ok=True)
        pair = source[index]
        for role, array in (("pre", pair.pre), ("post", pair.post), ("mask", 255 * pair.mask), ("unknown", unknown)):
            Image.fromarray(array).save(folder / f"{info.id}_{role}.png")
    return directory
