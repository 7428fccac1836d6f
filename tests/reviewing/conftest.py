"""A scene whose images lie beside its inventory, and the browser of the report's tests."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from tests.inventory.test_adding import DATES, ONE, Model, write_map
from tests.reporting.conftest import tab
from tests.scenes.conftest import moved, texture
from tsmu_jax.inventory.adding import add

__all__ = ["tab"]

BOXES = ((10, 20, 10, 22), (40, 44, 50, 70), (30, 36, 20, 30))


def write_images(folder: Path, boxes: Any, shape: tuple[int, int], at: tuple[int, int] = (0, 0), seed: int = 0) -> None:
    """before.tif and after.tif, in which landslides are bright."""
    folder.mkdir(parents=True, exist_ok=True)
    before = texture(*shape, seed=seed)
    after = before.copy()
    for top, bottom, left, right in boxes:
        after[top:bottom, left:right] = [200, 150, 90]
    place = {"crs": "EPSG:32633", "transform": moved(at[1], at[0]), "dtype": "uint8", "count": 3, "driver": "GTiff"}
    for name, values in (("before", before), ("after", after)):
        with rasterio.open(folder / f"{name}.tif", "w", height=shape[0], width=shape[1], **place) as file:
            file.write(np.moveaxis(values, -1, 0))


def make(
    root: Path,
    boxes: Any = BOXES,
    shape: tuple[int, int] = (60, 80),
    model: Model = ONE,
    before_mapping: Callable[[Path], None] = lambda folder: None,
) -> Path:
    """An inventory whose scene's images lie in `images` beside it."""
    write_images(root / "images" / "deep", boxes, shape)
    before_mapping(root / "images" / "deep")
    path = write_map(root / "map", boxes, shape=shape, model=model)
    record = json.loads((path / "scene.json").read_text())
    for name, file in (("pre", "before.tif"), ("post", "after.tif")):
        content = (root / "images" / "deep" / file).read_bytes()
        record["images"][name] = hashlib.sha256(content).hexdigest()
    (path / "scene.json").write_text(json.dumps(record))
    add(root / "x.gpkg", path, model, dates=DATES)
    return root / "x.gpkg"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return make(tmp_path)
