"""The invented reviewer leaves tiles whose import brings the truth into the inventory."""

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize

from tests.reviewing.conftest import make
from tests.reviewing.test_labelme import export
from tests.scenes.conftest import moved
from tsmu_jax.errors import UserError
from tsmu_jax.reviewing import candidates, invented, labelme_import, pixels

# Of BOXES the first is right, the second too short and the third none; the model has missed the fourth.
TRUTH = ((10, 20, 10, 22), (40, 50, 50, 74), (2, 9, 60, 70))


def write_truth(path: Path, boxes: Any, shape: tuple[int, int] = (60, 80)) -> Path:
    truth = np.zeros(shape, np.uint8)
    for top, bottom, left, right in boxes:
        truth[top:bottom, left:right] = 1
    place = {"crs": "EPSG:32633", "transform": moved(0, 0), "dtype": "uint8", "count": 1, "driver": "GTiff"}
    with rasterio.open(path, "w", height=shape[0], width=shape[1], **place) as file:
        file.write(truth, 1)
    return path


def mask_of(inventory: Path) -> np.ndarray:
    """u8[60, 80]: what the inventory calls landslide, by the pixel-centre rule."""
    queue = candidates.read(inventory, all_current=True)
    (scene,) = queue.scenes.values()
    grid = pixels.scene_grid(scene)
    outlines = [pixels.in_pixels(one.outline, grid) for one in queue.candidates]
    return rasterize(outlines, out_shape=(grid.height, grid.width), dtype="uint8")


def test_brings_the_truth(inventory: Path, tmp_path: Path) -> None:
    tiles = export(inventory, tmp_path / "tiles")
    truth = write_truth(tmp_path / "truth.tif", TRUTH)
    done = invented.review(tiles, truth)
    assert done == invented.Reviewed(tiles=done.tiles, kept=1, reshaped=1, removed=1, drawn=1)
    assert labelme_import.bring_in(inventory, tiles, "nobody").new == {
        "accepted": 1,
        "edited": 1,
        "rejected": 1,
        "drawn": 1,
    }
    with rasterio.open(truth) as file:
        np.testing.assert_array_equal(mask_of(inventory), file.read(1))


def test_landslides_that_tiles_cut_are_drawn_in_parts(tmp_path: Path) -> None:
    """Each tile shows a part; together they are the whole, once."""
    boxes = ((10, 20, 10, 22), (10, 20, 90, 100))
    inventory = make(tmp_path, boxes, shape=(60, 128))
    tiles = export(inventory, tmp_path / "tiles")
    truth = write_truth(tmp_path / "truth.tif", (*boxes, (30, 40, 40, 90)), (60, 128))
    assert invented.review(tiles, truth).drawn == 2
    labelme_import.bring_in(inventory, tiles, "nobody")
    with rasterio.open(truth) as file:
        np.testing.assert_array_equal(mask_of(inventory), file.read(1))


@pytest.mark.parametrize(
    ("boxes", "shape", "message"),
    [
        (TRUTH, (20, 20), "is of 20 x 20 px, the map of 80 x 60"),
        (TRUTH, (128, 128), "is of 128 x 128 px, the map of 80 x 60"),
        (None, None, "cannot be read; name the truth.tif"),
    ],
)
def test_bad_truths(inventory: Path, tmp_path: Path, boxes: Any, shape: Any, message: str) -> None:
    tiles = export(inventory, tmp_path / "tiles")
    before = {path.name: path.read_bytes() for path in tiles.iterdir()}
    truth = tmp_path / "truth.tif"
    if boxes:
        write_truth(truth, boxes, shape)
    with pytest.raises(UserError, match=message):
        invented.review(tiles, truth)
    assert {path.name: path.read_bytes() for path in tiles.iterdir()} == before


def test_the_command(inventory: Path, tmp_path: Path) -> None:
    export(inventory, tmp_path / "tiles")
    write_truth(tmp_path / "truth.tif", TRUTH)
    command = [sys.executable, "-m", "tsmu_jax.example", "--review=tiles"]
    done = run([*command, "--truth=truth.tif"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 polygons kept, 1 reshaped, 1 removed, 1 drawn: tiles" in done.stdout
    done = run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "--review and --truth belong together" in done.stderr
