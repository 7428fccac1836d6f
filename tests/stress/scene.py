"""What is spoilt: a finished tiny run with its model, and a small prepared data set."""

from pathlib import Path
from typing import Any

from tests.runs.circle import configuration, write_images
from tsmu_jax.data import prepared
from tsmu_jax.data.folder import FolderSource


def tiny_run(root: Path) -> Path:
    """Trains a tiny TSMU run in `root`, on images that it writes there. Returns its directory."""
    from tests.runs.trained import trained

    trained(tiny(write_images(root / "images", ("etf", "nad"))), root / "run")
    return root / "run"


def tiny(images: Path) -> dict[str, Any]:
    """The configuration of the tiny run."""
    changes = {"epochs__initial": 1, "epochs__freeze": 1, "epochs__joint_fine_tuning": 1, "selection__epochs": 1}
    return configuration(images, old="etf", new="nad", reuse=False, **changes)


def prepared_dataset(root: Path) -> Path:
    """Prepares two small ecoregions in `root`. Returns the data set's directory."""
    prepared.write(FolderSource(write_images(root / "folder", ("etf", "nad")), require_pre=True), root / "prepared")
    return root / "prepared"
