"""The saved model: opened without anything else, it answers as the network that was saved."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tsmu_jax.errors import UserError
from tsmu_jax.models import saved
from tsmu_jax.models.tsmu import forward, init_decoder, init_encoder, make_network

NETWORK = {"variant": "table_ix", "channels": 3, "width": 0.25, "depth": 2}
LEARNT = {"id": ["x", "y"], "tp": [3, 1], "fp": [0, 0], "fn": [1, 9]}
DECODERS = {
    "a+b": {"ecoregions": ["a", "b"], "calibration": {"temperature": 2.0}},
    "c": {"ecoregions": ["c"], "calibration": {"temperature": 1.0}},
}


@pytest.fixture(scope="module")
def model() -> tuple[dict[str, Any], dict[str, Any]]:
    network = make_network(**NETWORK)
    shared, old, new = (
        init_encoder(network, jax.random.key(0)),
        *(init_decoder(network, jax.random.key(k)) for k in (1, 2)),
    )
    params, stats = ({"shared": shared[i], "old": {"a+b": old[i]}, "new": {"c": new[i]}} for i in (0, 1))
    return params, stats


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, model: Any) -> Path:
    path = tmp_path_factory.mktemp("run") / "model"
    regions = {"a": {}, "b": {"tests": ["0", "1"]}, "c": {}}
    description = {"network": NETWORK, "side": 8, "decoders": DECODERS, "ecoregions": regions}
    encoder = {"encode": {"kernel": np.ones((2, 3), np.float32)}}
    exam = {"b": (np.full((2, 8, 8, 3), 7, np.uint8), np.ones((2, 8, 8), np.uint8))}
    saved.save(path, description, *model, autoencoders={"c": encoder, "a": encoder}, exam=exam)
    return path


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 8, 12, 3), dtype=np.uint8)  # more than devices


def test_it_answers_as_the_network_that_was_saved(directory: Path, model: Any, images: np.ndarray) -> None:
    loaded = saved.load_model(directory)
    assert loaded.decoders == ("a+b", "c")
    assert loaded.route == {"a": "a+b", "b": "a+b", "c": "c"}
    for name in loaded.decoders:
        expected, _ = forward(make_network(**NETWORK), *model, images.astype(np.float32) / 255, {name: np.ones(3)})
        for given in (images, images.astype(np.float32) / 255):
            np.testing.assert_allclose(loaded.logits(given, name), expected[name], atol=1e-5)


def test_probabilities_are_calibrated_for_each_decoder(directory: Path, images: np.ndarray) -> None:
    loaded = saved.load_model(directory)
    for name, temperature in (("a+b", 2.0), ("c", 1.0)):
        expected = 1 / (1 + np.exp(-loaded.logits(images, name).astype(float) / temperature))
        np.testing.assert_allclose(loaded.predict(images, name), expected, atol=1e-6)


def test_parameters_are_sent_once_for_all_answers(
    directory: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transfer guard refuses what the network would send by itself; and its arguments stay the same arrays."""
    loaded = saved.load_model(directory)
    expected = {name: loaded.predict(images, name) for name in loaded.decoders}
    given: list[list[jax.Array]] = []
    answer = loaded._answer

    def seen(params: Any, batch_stats: Any, sent: jax.Array) -> jax.Array:
        given.append(jax.tree.leaves((params, batch_stats)))
        return answer(params, batch_stats, sent)

    monkeypatch.setitem(vars(loaded), "_answer", seen)
    with jax.transfer_guard_host_to_device("disallow"):
        for name in (*loaded.decoders, *loaded.decoders):
            np.testing.assert_array_equal(loaded.predict(images, name), expected[name])
    first, other, *again = given
    assert any(one is not unlike for one, unlike in zip(first, other, strict=True))
    for leaves, before in zip(again, (first, other), strict=True):
        assert all(one is same for one, same in zip(leaves, before, strict=True))


def test_the_directory_of_a_run_will_do_and_copies_are_the_same_model(directory: Path) -> None:
    assert saved.load_model(directory.parent).digest == saved.load_model(directory).digest
    assert saved.load_model(directory).path == directory


def test_autoencoders_in_the_order_of_arrival(directory: Path) -> None:
    assert list(saved.load_model(directory).autoencoders()) == ["a", "c"]


def test_the_exam_is_read_by_ecoregion(directory: Path) -> None:
    exam = saved.load_model(directory).exam("b")
    assert exam is not None
    assert exam[0].shape == (2, 8, 8, 3) and exam[0].dtype == exam[1].dtype == np.uint8
    assert (exam[0] == 7).all() and (exam[1] == 1).all()


def test_neither_autoencoders_nor_an_exam_need_be_there(tmp_path: Path, model: Any) -> None:
    description = {"network": NETWORK, "side": 8, "decoders": DECODERS, "ecoregions": {"a": {}, "b": {}, "c": {}}}
    saved.save(tmp_path / "m", description, *model, autoencoders={}, exam={})
    loaded = saved.load_model(tmp_path / "m")
    assert loaded.autoencoders() == {} and loaded.exam("a") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {**NETWORK, "width": 3.0}},
        {"network": {**NETWORK, "depth": 10**9}},
        {"network": {"of": "another program"}},
        {"decoders": {"c": DECODERS["c"]}},
        {"ecoregions": {"a": {}}},
        {"side": 7},
        {"halo": {"before": -2, "after": 0}},
        {"halo": {"before": 2.0, "after": 2}},
        {"halo": {"before": True, "after": 2}},
        {"halo": {"before": 2}},
        {"halo": []},
        *(
            {"ecoregions": {"a": {"learnt": {**LEARNT, **wrong}}, "b": {}, "c": {}}}
            for wrong in ({"tp": [1, -2]}, {"fp": [1]}, {"fn": [1, 2.0]}, {"id": ["x", "../y"]}, {"id": 3})
        ),
        {"decoders": {name: {**one, "calibration": {"temperature": 0.0}} for name, one in DECODERS.items()}},
    ],
)
def test_a_description_that_does_not_fit_the_parameters(tmp_path: Path, model: Any, changes: dict[str, Any]) -> None:
    description = {"network": NETWORK, "side": 8, "decoders": DECODERS, "ecoregions": {"a": {}, "b": {}, "c": {}}}
    saved.save(tmp_path / "m", {**description, **changes}, *model, autoencoders={}, exam={})
    with pytest.raises(UserError, match="model.json: not what tsmu_jax saves"):
        saved.load_model(tmp_path / "m")


def test_wrong_images_and_decoders(directory: Path, images: np.ndarray) -> None:
    loaded = saved.load_model(directory)
    with pytest.raises(UserError, match="no decoder 'd'; there are a\\+b, c"):
        loaded.logits(images, "d")
    with pytest.raises(ValueError, match=r"needed: \(b, h, w, 3\), h and w divisible by 2"):
        loaded.logits(images[:, :7], "c")
    with pytest.raises(ValueError, match=r"images lie in \[0.*divide them by their maximum intensity"):
        loaded.logits(images.astype(np.float32), "c")


def test_a_run_without_a_saved_model_says_what_reads_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"no saved model: it is unfinished, or .*load_phase reads its phases"):
        saved.load_model(tmp_path)
