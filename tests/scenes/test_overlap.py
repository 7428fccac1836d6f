"""Reading, computing and writing overlap: none of them waits for what it does not need."""

import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tests.scenes.conftest import WriteRaster, texture
from tests.scenes.test_map import HEIGHT, LITTLE, WIDTH
from tsmu_jax.data.contract import PLAIN
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.predictor import Predictor
from tsmu_jax.scenes import mapping
from tsmu_jax.scenes.image import SceneImage
from tsmu_jax.scenes.pair import Ground, ScenePair
from tsmu_jax.scenes.staging import Staging

SECONDS = 120  # after which a meeting counts as missed; a machine may be slow


def test_windows_are_read_and_answered_while_earlier_ones_are_written(
    model: SavedModel, tmp_path: Path, write_raster: WriteRaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first write and the read of a window two batches later end only once both are under way."""
    devices, meeting = len(jax.local_devices()), threading.Barrier(2)
    begun: list[int] = []  # windows whose answers were begun, at each call
    begun_before: list[int] = []  # how many had been when the first window was written
    pair = [write_raster(tmp_path / f"{date}.tif", texture(HEIGHT, WIDTH, n)) for n, date in enumerate(("pre", "post"))]
    predictor = Predictor(model, decoder="a", memory_gib=LITTLE)
    read, write, begin = ScenePair.read, Staging.write, SavedModel.begin

    with SceneImage(pair[0], PLAIN, flag="--pre") as before, SceneImage(pair[1], PLAIN, flag="--post") as after:
        scene = ScenePair(before, after)
        planned = mapping.plan(predictor, scene.grid, predictor.window_side)
        later = planned.windows[2 * devices]

        def reading(self: ScenePair, grid: Any, rows: slice, columns: slice) -> Ground:
            if (rows.start, columns.start) == tuple(max(one.start, 0) for one in (later.rows, later.columns)):
                meeting.wait(SECONDS)
            return read(self, grid, rows, columns)

        def writing(self: Staging, number: int, *rest: Any, **more: Any) -> None:
            if not self.done:
                begun_before.append(sum(begun))
                meeting.wait(SECONDS)
            write(self, number, *rest, **more)

        def beginning(self: SavedModel, images: np.ndarray, decoder: str) -> jax.Array:
            begun.append(len(images))
            return begin(self, images, decoder)

        monkeypatch.setattr(ScenePair, "read", reading)
        monkeypatch.setattr(Staging, "write", writing)
        monkeypatch.setattr(SavedModel, "begin", beginning)
        staging = Staging(tmp_path, planned.height, planned.width)
        mapping.map_windows(model, "a", scene, scene.grid, planned, staging)
    assert staging.done == {window.number for window in planned.windows} and len(planned.windows) > 4 * devices
    assert begun_before == [2 * devices]  # the devices have the next batch meanwhile
