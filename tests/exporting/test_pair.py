"""The layer for QGIS: both dates on the later one's grid, as the network sees them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from tests.exporting.conftest import CONTRACT, write_model
from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.exporting import pair
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes.image import SceneImage

DEEP = Intensities("uint16", (3, 2, 1), ((0.0, 3000.0), (100.0, 2100.0), (0.0, 1000.0)))


def write(
    path: Path,
    seed: int,
    *,
    west: float = 500_000.0,
    north: float = 5e6,
    metres: float = 2.0,
    crs: str = "EPSG:32633",
    **how,
) -> Path:
    shape = {"height": 40, "width": 60, "count": 3, "dtype": how.pop("dtype", "uint8")}
    place = {"crs": crs, "transform": from_origin(west, north, metres, metres)}
    values = np.random.default_rng(seed).integers(0, 4000 if shape["dtype"] == "uint16" else 256, (3, 40, 60))
    with rasterio.open(path, "w", **shape, **place, **how) as file:
        file.write(values.astype(shape["dtype"]))
    return path


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.moveaxis(file.read(), 0, -1)


def test_images_on_one_grid_are_taken_as_they_are(model: SavedModel, tmp_path: Path) -> None:
    pre, post = write(tmp_path / "pre.tif", 0), write(tmp_path / "post.tif", 1)
    (layer,) = pair.write(model.path, pre, post, tmp_path / "pair.vrt")
    with rasterio.open(layer) as file, rasterio.open(post) as rules:
        assert (file.crs, file.transform, file.shape) == (rules.crs, rules.transform, rules.shape)
        assert file.dtypes == ("uint8",) * 6
        assert file.descriptions[0] == "pre-event red" and file.descriptions[5] == "post-event blue"
    np.testing.assert_array_equal(read(layer), np.concatenate([read(pre), read(post)], -1))


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:32632"])
def test_another_grid_is_warped_as_mapping_does(model: SavedModel, tmp_path: Path, crs: str) -> None:
    (tmp_path / "there").mkdir()
    west = 500_010.0 if crs.endswith("33") else 962_000.0  # the same ground, or next to it
    pre = write(tmp_path / "there" / "pre.tif", 0, west=west, metres=3.0, crs=crs)
    post = write(tmp_path / "post.tif", 1)
    layer, _ = pair.write(model.path, pre, post, tmp_path / "out" / "pair.vrt")
    with (
        SceneImage(pre, CONTRACT.intensities, flag="--pre") as before,
        SceneImage(post, CONTRACT.intensities, flag="") as after,
    ):
        expected = before.read(after.grid, slice(0, 40), slice(0, 60))
    values = read(layer)
    np.testing.assert_array_equal(values[..., 3:], read(post))
    inside = expected.observed & np.roll(expected.observed, 2, 0) & np.roll(expected.observed, 2, 1)
    assert np.abs(values[..., :3].astype(int) - expected.rgb)[inside].max(initial=0) <= 1
    assert (values[..., :3][~expected.observed] == 0).all()


def test_values_are_scaled_as_in_training(tmp_path: Path) -> None:
    contract = dataclasses.replace(CONTRACT, intensities=DEEP)
    model = write_model(tmp_path / "model", contracts=dict.fromkeys(("alps", "andes", "himalaya"), contract))
    pre, post = (write(tmp_path / f"{name}.tif", seed, dtype="uint16", nodata=0) for seed, name in enumerate("ab"))
    (layer,) = pair.write(model.path, pre, post, tmp_path / "pair.vrt")
    for number, path in enumerate((pre, post)):
        with SceneImage(path, DEEP, flag="") as image:
            part = image.read(image.grid, slice(0, 40), slice(0, 60))
        difference = np.abs(read(layer)[..., 3 * number : 3 * number + 3].astype(int) - part.rgb)
        assert difference.max() <= 1  # of rounding
    with rasterio.open(layer) as file:
        assert file.descriptions[0] == "pre-event band 3"


def test_ecoregions_that_differ_need_a_name(tmp_path: Path) -> None:
    other = dataclasses.replace(CONTRACT, intensities=DEEP)
    model = write_model(tmp_path / "model", contracts={"himalaya": other})
    pre, post = write(tmp_path / "pre.tif", 0), write(tmp_path / "post.tif", 1)
    with pytest.raises(UserError, match="one thing in alps|andes and another in himalaya; name the ecoregion"):
        pair.write(model.path, pre, post, tmp_path / "pair.vrt")
    pair.write(model.path, pre, post, tmp_path / "pair.vrt", decoder="andes")


def test_what_is_wrong_is_said(model: SavedModel, tmp_path: Path) -> None:
    pre, post = write(tmp_path / "pre.tif", 0), write(tmp_path / "post.tif", 1)
    degrees = write(tmp_path / "degrees.tif", 2, crs="EPSG:4326", west=10.0, north=45.0, metres=1e-5)
    (tmp_path / "there.vrt").write_text("mine")
    for asked, message in (
        ((None, post, tmp_path / "pair.vrt"), "--pre: is missing; this model compares two dates"),
        (
            (pre, degrees, tmp_path / "pair.vrt"),
            "degrees.tif: its coordinates are no metres, which Deepness needs; warp",
        ),
        ((pre, post, tmp_path / "pair.tif"), "pair.tif: name a file that ends in .vrt"),
        ((pre, post, tmp_path / "there.vrt"), "there.vrt exists; name another file, or remove it"),
        ((pre, tmp_path / "no.tif", tmp_path / "pair.vrt"), "no.tif: no such file"),
    ):
        with pytest.raises(UserError, match=message):
            pair.write(model.path, *asked)
    assert not (tmp_path / "pair.vrt").exists() and (tmp_path / "there.vrt").read_text() == "mine"
