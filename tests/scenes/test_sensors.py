"""What a scene was mapped from, from flags and files to the inventory: sensors, and the resolution of each image."""

import json
from pathlib import Path
from typing import Any

import pytest
import rasterio

from tests import forks
from tests.scenes.conftest import WriteRaster, texture
from tsmu_jax import digests
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.schema import SCENES
from tsmu_jax.inventory.sensors import Sensors
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes.run import map_scene


def scenes(inventory: Path) -> list[dict[str, Any]]:
    with geopackage.transaction(inventory) as database:
        return list(geopackage.rows(database, SCENES))


@pytest.fixture
def pair(tmp_path: Path, write_raster: WriteRaster) -> tuple[Path, Path]:
    """Pixels of 2.5 x 2 m before the event, of three quarters of the ground, and of 2 x 2 m after it."""
    place = rasterio.Affine(2.5, 0, 500_000, 0, -2, 5_000_000)
    pre = write_raster(tmp_path / "pre.tif", texture(60, 48), transform=place)
    return pre, write_raster(tmp_path / "post.tif", texture(60, 80, 1))


def test_flags_become_columns_of_the_inventory(model: SavedModel, pair: tuple[Path, Path], tmp_path: Path) -> None:
    images = f"--pre={pair[0]}", f"--post={pair[1]}"
    out = f"--output={tmp_path / 'out'}", f"--inventory={tmp_path / 'x.gpkg'}"
    told = "--pre_sensor=Landsat 8  OLI", "--post_sensor=Sentinel-2B MSI"
    own = f"--model={model.path}", "--decoder=a"
    code, _, error = forks.ended("tsmu_jax.predict", *own, *images, *out, *told, said=tmp_path / "said")
    assert code == 0, error
    (row,) = scenes(tmp_path / "x.gpkg")
    assert (row["pre_sensor"], row["post_sensor"]) == ("Landsat 8 OLI", "Sentinel-2B MSI")
    assert (row["pre_gsd_m"], row["post_gsd_m"]) == pytest.approx((2.5, 2.0), rel=1e-3)
    assert row["gsd_m"] == pytest.approx(2.0, rel=1e-3)
    assert row["overlap"] == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--post=b.tif", "--pre_sensor=UAV"), "--pre_sensor: there is no image before the event; leave it out"),
        (("--post=b.tif", "--post_sensor=a\x1b[2J"), "is no name of a sensor; give up to 200 printable characters"),
        (("--input=a", "--post_sensor=UAV"), "--post_sensor belongs to a scene with coordinates"),
    ],
)
def test_wrong_flags_end_in_one_line(model: SavedModel, tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    own = f"--model={model.path}", f"--output={tmp_path / 'out'}"
    code, _, error = forks.ended("tsmu_jax.predict", *own, *flags, said=tmp_path / "said")
    assert code == 2 and error.startswith("error: ") and error.count("\n") == 1
    assert words in error


def test_a_finished_map_of_an_older_release_gets_its_resolutions(
    model: SavedModel, pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, inventory = tmp_path / "out", tmp_path / "x.gpkg"
    map_scene(model.path, *pair, out, decoder="a")
    whole = json.loads((out / "scene.json").read_text())
    names = {"image_files": "files"} | {name: "" for name in ("gsd_m", digests.FILES, digests.DIGEST)}
    older = {name: value for before, value in whole.items() if (name := names.get(before, before))}
    (out / "scene.json").write_text(json.dumps(older))
    map_scene(model.path, *pair, out, decoder="a")
    assert json.loads((out / "scene.json").read_text()) == whole and whole["gsd_m"].keys() == {"pre", "post"}
    map_scene(model.path, *pair, out, decoder="a", inventory=inventory)
    assert [scenes(inventory)[0][name] for name in ("pre_sensor", "post_sensor")] == [None, None]
    capsys.readouterr()
    map_scene(model.path, *pair, out, decoder="a", inventory=inventory, sensors=Sensors("Landsat 8", None))
    assert (
        "has this very map already; filled in dates, sensors or resolutions of the scene\n" in capsys.readouterr().out
    )
    map_scene(model.path, *pair, out, decoder="a", inventory=inventory, sensors=Sensors("SPOT 6", None))
    assert "has this very map already; nothing is changed\n" in capsys.readouterr().out
    assert scenes(inventory)[0]["pre_sensor"] == "Landsat 8"
