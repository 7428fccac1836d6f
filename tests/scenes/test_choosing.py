"""The decoder of a scene is chosen by ground at the scale that each ecoregion's autoencoder was trained on."""

from pathlib import Path

import jax
import numpy as np
import pytest

from tests.scenes.conftest import WriteRaster
from tests.test_predict import CONTRACT
from tsmu_jax.data.contract import PLAIN
from tsmu_jax.models import saved
from tsmu_jax.models.saved import SavedModel, load_model
from tsmu_jax.prediction.predictor import Predictor
from tsmu_jax.scenes import choosing
from tsmu_jax.scenes.image import SceneImage
from tsmu_jax.scenes.pair import ScenePair

HEIGHT, WIDTH, SIDE = 160, 192, 16  # of the scene, of 2 m a pixel; of the squares that are looked at
TIMES = 4  # by which one of the ecoregions is coarser


def trained_at(path: Path, made: SavedModel, **gsd_m: float) -> SavedModel:
    """A model whose ecoregions differ in their resolution alone: all autoencoders see grey whatever there is."""
    described = {key: value for key, value in made.description.items() if key not in ("files", "digest")}
    described["ecoregions"] = {
        name: {"contract": {**CONTRACT, "gsd_m": {side: [metres] * 3 for side in ("height", "width")}}}
        for name, metres in gsd_m.items()
    }
    blind = jax.tree.map(np.zeros_like, made.autoencoders())
    saved.save(path, described, made.params, made.batch_stats, autoencoders=blind, exam={})
    return load_model(path)


def grain() -> np.ndarray:
    """u8[h, w, 3] around grey without any structure: the coarser it is seen, the greyer."""
    return np.random.default_rng(0).integers(64, 192, (HEIGHT, WIDTH, 3), np.uint8)


def error(image: np.ndarray, predictor: Predictor) -> float:
    """Mean error of reconstruction over all squares of both dates, u8[h, w, 6]."""
    rows, columns = (length // SIDE for length in image.shape[:2])
    tiles = image[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, 6).swapaxes(1, 2)
    most = predictor.images_at_once
    chunks = [tiles.reshape(-1, SIDE, SIDE, 6)[at : at + most] for at in range(0, rows * columns, most)]
    return float(np.concatenate([predictor.errors(list(chunk))[:, 0] for chunk in chunks]).mean())


@pytest.mark.parametrize("coarse", ["a", "b"])
def test_each_autoencoder_sees_the_scale_that_it_was_trained_on(
    model: SavedModel, tmp_path: Path, write_raster: WriteRaster, coarse: str
) -> None:
    gsd_m = {name: 2.0 * (TIMES if name == coarse else 1) for name in "ab"}
    predictor, values = Predictor(trained_at(tmp_path / "model", model, **gsd_m)), grain()
    pair = [write_raster(tmp_path / f"{date}.tif", values) for date in ("pre", "post")]
    with (
        SceneImage(pair[0], PLAIN, flag="--pre") as before,
        SceneImage(pair[1], PLAIN, flag="--post") as after,
    ):
        scene = ScenePair(before, after)
        choice = choosing.choose(predictor, scene, None)
        alike = [choosing.choose(predictor, scene, (metres, metres)) for metres in (2.0, 2.0 * TIMES)]
    averaged = values.reshape(HEIGHT // TIMES, TIMES, WIDTH // TIMES, TIMES, 3).mean((1, 3)).round().astype(np.uint8)
    fine, rough = (error(np.concatenate([one, one], -1), predictor) for one in (values, averaged))
    assert rough < 0.5 * fine
    assert choice.ecoregion == coarse and choice.margin == pytest.approx(1 - rough / fine, abs=0.02)
    assert [one.margin for one in alike] == [0, 0]  # one scale for both: nothing tells them apart
