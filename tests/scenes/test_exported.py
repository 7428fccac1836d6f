"""A scene mapped by an export is the saved model's map."""

from pathlib import Path

import numpy as np
import rasterio

from tests.scenes.conftest import WriteRaster, texture
from tests.scenes.test_map import LITTLE
from tsmu_jax.exporting.run import export_model
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes.run import map_scene


def test_the_maps_are_alike(model: SavedModel, tmp_path: Path, write_raster: WriteRaster) -> None:
    export_model(model.path, tmp_path / "export", formats=["stablehlo"])
    pair = [
        write_raster(tmp_path / f"{date}.tif", texture(150, 220, seed)) for seed, date in enumerate(("pre", "post"))
    ]
    levels = []
    for name, path in (("saved", model.path), ("exported", tmp_path / "export")):
        assert map_scene(path, *pair, tmp_path / name, memory_gib=LITTLE)  # by windows; chooses the decoder
        with rasterio.open(tmp_path / name / "probability.tif") as file:
            levels.append(file.read(1).astype(int))
    assert np.abs(levels[0] - levels[1]).max() <= 1 and levels[0].std() > 10
