"""An export answers in onnxruntime as the model does, for tiles of the layer that the command makes for QGIS."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import rasterio
from rasterio.windows import Window

from tests.exporting.conftest import CONTRACT, DECODERS
from tests.exporting.test_pair import write
from tests.exporting.test_run import ROOT
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes.image import SceneImage
from tsmu_jax.scenes.pair import ScenePair

MOST_DIFFERENCE = 1e-3


def export(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tsmu_jax.export", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("moved", [False, True], ids=["one grid", "two grids"])
def test_tiles_of_the_layer_are_answered_as_predict_answers_them(
    model: SavedModel, exported: Path, tmp_path: Path, decoder: str, moved: bool
) -> None:
    """The image before the event may lie on a grid of its own, around the later one."""
    own = {"west": 499_990.0, "north": 5_000_020.0, "metres": 3.0} if moved else {}
    pre, post, layer = write(tmp_path / "pre.tif", 0, **own), write(tmp_path / "post.tif", 1), tmp_path / "pair.vrt"
    done = export(f"--model={model.path}", f"--pre={pre}", f"--post={post}", f"--output={layer}")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.splitlines()[0] == str(layer)

    session = onnxruntime.InferenceSession(exported / f"{decoder}.onnx")
    (taken,), told = session.get_inputs(), session.get_modelmeta().custom_metadata_map
    side = json.loads(told["tiles_size"])
    mean, deviation = (np.float32(json.loads(told[f"standardization_{name}"])) for name in ("mean", "std"))
    with rasterio.open(layer) as file:
        tile = file.read(window=Window(8, 4, side, side))
    pixels = (np.moveaxis(tile, 0, -1).astype(np.float32) / 255 - mean) / deviation
    (answer,) = session.run(None, {taken.name: np.moveaxis(pixels, -1, 0)[None]})

    with (
        SceneImage(pre, CONTRACT.intensities, flag="--pre") as before,
        SceneImage(post, CONTRACT.intensities, flag="--post") as after,
    ):
        scene = ScenePair(before, after)
        part = scene.read(scene.grid, slice(4, 4 + side), slice(8, 8 + side))
    assert part.observed.all()
    expected = model.predict(part.image[None], decoder)
    assert expected.std() > 0.1  # else any answer would do
    np.testing.assert_allclose(answer[:, 0], expected, atol=MOST_DIFFERENCE)
