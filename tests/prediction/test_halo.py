"""The measured halo: how far cropping is felt, and what windows that are cropped by it answer."""

import functools
from pathlib import Path

import numpy as np
import pytest

from tests.scenes.conftest import model_at, texture, with_halo
from tests.test_predict import write_model
from tsmu_jax.errors import UserError
from tsmu_jax.models.saved import load_model
from tsmu_jax.prediction import halo
from tsmu_jax.prediction.halo import EXACT, MEASURED, Halo, halo_of
from tsmu_jax.prediction.pairs import LoadedPair
from tsmu_jax.prediction.predictor import BYTES_PER_CHANNEL, Predictor
from tsmu_jax.prediction.sizes import Size
from tsmu_jax.prediction.windows import Reach

STRIDE, FURTHEST = 4, Reach(22, 17)


class Sees:
    """Answers with the mean intensity of pixels so far to the left (or, below 0, to the right), by their weights."""

    def __init__(self, **weights: float):
        self.weights = {int(name.replace("right", "-").replace("left", "")): one for name, one in weights.items()}

    def __call__(self, images: np.ndarray) -> np.ndarray:
        values = images.mean(-1).astype(np.float32) / 255
        found = np.zeros_like(values)
        for distance, weight in self.weights.items():
            length = values.shape[2] - abs(distance)
            to, of = (max(distance, 0), max(-distance, 0))
            found[:, :, to : to + length] += weight * values[:, :, of : of + length]
        return found


def images(side: int = 12) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: random.integers(0, 256, (5, side, side, 3), np.uint8) for name in "ab"}


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"left0": 1.0}, (0, 0)),
        ({"left0": 0.5, "left8": 0.5}, (8, 0)),  # the ninth pixel from the cut sees all
        ({"left9": 0.5, "left18": 0.0008}, (12, 0)),
        ({"right9": 0.5, "left3": 0.5}, (4, 12)),
        ({"right15": 0.5}, (0, 16)),
        ({"left21": 0.5}, (22, 0)),  # no more than the reach
        ({"left21": 0.5, "right17": 0.5}, None),
    ],
)
def test_the_smallest_distance_from_which_cropping_is_not_felt(
    weights: dict[str, float], expected: tuple[int, int] | None
) -> None:
    answers = [Sees(left0=1.0), Sees(**weights)]
    found = halo.measure(answers, images(), exact=FURTHEST, stride=STRIDE)
    assert (found and (found["before"], found["after"])) == expected
    if "left18" in weights:
        assert found and 0.0002 < found["change"] <= 0.0008
    assert found is None or found["change"] <= halo.MOST_CHANGE


@pytest.mark.parametrize("side", [12, 48, 200])
def test_mosaics_show_all_ecoregions_and_no_joint_where_they_are_cut(side: int) -> None:
    drawn = {name: np.full((2, side, side, 3), value, np.uint8) for name, value in (("a", 1), ("b", 2))}
    found = [halo.mosaic(drawn, 96, seed=seed)[..., 0] for seed in range(halo.MOSAICS)]
    assert all(one.shape == (96, 96) for one in found)
    assert {int(value) for one in found for value in np.unique(one)} == {1, 2}
    for one in found:
        middle = one[48 - side // 3 : 48 + side // 3, 48 - side // 3 : 48 + side // 3]
        assert (middle == middle[0, 0]).all()
    np.testing.assert_array_equal(found[1], halo.mosaic(drawn, 96, seed=1)[..., 0])


def test_which_halo_a_model_has(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model").path
    exact = halo_of(load_model(path))
    assert exact.kind == EXACT and halo_of(with_halo(path, None)) == exact
    model = with_halo(path, {"before": 6, "after": 4, "change": 0.004})
    assert halo_of(model) == (MEASURED, (6, 4)) and halo_of(model, EXACT) == exact
    assert Predictor(model, memory_gib=1e-9).window_side < Predictor(model, memory_gib=1e-9, halo=EXACT).window_side
    model = with_halo(path, {"before": exact.seen.before, "after": exact.seen.after + 1})
    with pytest.raises(UserError, match=r"model.json: its halo of \d+ and \d+ px is larger than .*; add --halo=exact"):
        Predictor(model)
    assert Predictor(model, halo=EXACT).halo == exact


def test_windows_with_a_measured_halo_on_images_that_were_not_measured_on(tmp_path: Path) -> None:
    model = model_at(tmp_path / "model", 2.0)
    exact, shown = halo_of(model), {"a": range(0, 8, 2), "b": range(8, 16, 2)}
    known = {name: np.stack([pair_of_textures(64, 64, seed) for seed in seeds]) for name, seeds in shown.items()}
    answers = [functools.partial(model.predict, decoder=name) for name in model.decoders]
    found = halo.measure(answers, known, exact=exact.seen, stride=model.network.stride)
    assert found and found["before"] < exact.seen.before and found["after"] <= exact.seen.after
    model, size = with_halo(model.path, found), Size(256, 320)
    pixel = BYTES_PER_CHANNEL * model.network.encoder.feature_channels
    little = Predictor(model, decoder="a", memory_gib=pixel * 48**2 / 2**30)
    assert little.halo.kind == MEASURED and len(list(little._windows(size))) > 9
    pre, post = np.split(pair_of_textures(*size, 100), 2, -1)
    pair, largest = LoadedPair("unseen", "", pre, post, None), {}
    for used in (little.halo, Halo(MEASURED, Reach(0, 0))):
        little.halo = used
        largest[used] = 0.0
        for name in model.decoders:
            whole = model.predict(np.concatenate([pre, post], -1)[None], name)[0]
            change = np.abs(little.answer_by_windows(pair, size, name) - whole)
            largest[used] = max(largest[used], float(change.max()))
    measured, none = largest.values()
    assert measured <= 0.01 < none


def pair_of_textures(height: int, width: int, seed: int) -> np.ndarray:
    return np.concatenate([texture(height, width, seed + date) for date in (0, 1)], -1)
