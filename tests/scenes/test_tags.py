"""What a map's files say of themselves to programs that know nothing of tsmu_jax."""

import hashlib
import json
import re
from pathlib import Path

import rasterio

from tests.scenes.conftest import WriteRaster, moved, texture
from tests.scenes.test_map import scene
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.output import FULL, NOT_OBSERVED
from tsmu_jax.scenes import layers
from tsmu_jax.scenes.run import map_scene

__all__ = ["scene"]  # a fixture


def test_files_that_other_programs_open(model: SavedModel, tmp_path: Path, write_raster: WriteRaster) -> None:
    pair = [write_raster(tmp_path / f"{date}.tif", texture(520, 600, n)) for n, date in enumerate(("pre", "post"))]
    map_scene(model.path, *pair, tmp_path / "out", decoder="a", resolution_m=2.0, uncertainty=4)
    record = json.loads((tmp_path / "out" / "scene.json").read_text())
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in pair]
    bands = {
        "probability.tif": (1 / FULL, "probability of landslide"),
        "uncertainty.tif": (layers.UNCERTAINTY_SCALE, "standard deviation of the probability of landslide"),
    }
    for name in layers.names(uncertainty=True):
        with rasterio.open(tmp_path / "out" / name) as file:
            assert (file.width, file.height, file.count, file.dtypes) == (600, 520, 1, ("uint8",))
            assert file.crs == rasterio.CRS.from_epsg(32633) and file.transform == moved(0, 0)
            assert file.block_shapes == [(512, 512)] and file.overviews(1) == [2] and file.compression.name == "deflate"
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert file.nodata == (None if name == "observed.tif" else NOT_OBSERVED)
            assert (file.scales[0], file.descriptions[0]) == bands.get(name, (1, None))
            tags = file.tags()
            assert tags["TSMU_MODEL"] == model.digest and tags["TSMU_DECODER"] == "a"
            assert tags["TSMU_HALO"] == ("exact unless turned" if name == "uncertainty.tif" else "exact")
            assert tags["TSMU_CONFIGURATION"] == record["configuration"]
            assert [tags["TSMU_PRE_SHA256"], tags["TSMU_POST_SHA256"]] == digests


def test_the_configuration_names_what_decides_the_landslides(
    model: SavedModel, scene: tuple[Path, Path], tmp_path: Path
) -> None:
    """Another spread is the same landslides; another decoder or image is not."""
    asked = ({}, {"uncertainty": 4}, {"decoder": "b"})
    found = []
    for number, one in enumerate(asked):
        map_scene(model.path, *scene, tmp_path / f"{number}", **{"decoder": "a", **one})
        with rasterio.open(tmp_path / f"{number}" / "mask.tif") as file:
            found.append(file.tags()["TSMU_CONFIGURATION"])
    map_scene(model.path, *scene[::-1], tmp_path / "turned", decoder="a")
    found.append(json.loads((tmp_path / "turned" / "scene.json").read_text())["configuration"])
    assert found[0] == found[1] and len(set(found)) == 3 and all(re.fullmatch("[0-9a-f]{64}", one) for one in found)
