"""Stored features: what a frozen encoder makes of each (pair, flip), and training on them."""

import jax
import numpy as np
import pytest

from tsmu_jax.batch import FEATURES, FLIP, FLIPS, IMAGE, ROW
from tsmu_jax.learning import features
from tsmu_jax.learning.parallel import shard, unshard
from tsmu_jax.learning.steps import flip, to_unit
from tsmu_jax.models.tsmu import encode

PAIRS = (7, 3, 11, 5, 2)
NONE: dict[str, np.ndarray] = {}  # no images to validate on


@pytest.fixture(scope="module")
def images(make_batch) -> np.ndarray:
    return make_batch(0, images=12)[IMAGE]


@pytest.mark.parametrize("batch_size", [2, 3, 8])
def test_every_row_holds_the_encoders_own_features(network, network_of_one_device, model, images, batch_size) -> None:
    heard: list[int] = []
    kept = features.store(
        network,
        model,
        images.__getitem__,
        pairs=PAIRS,
        validation={"a": images[:3], "b": images[8:9]},
        batch_size=batch_size,
        progress=heard.append,
    )
    assert heard[-1] == len(PAIRS) * FLIPS + 4 and heard == sorted(heard) and kept.seconds > 0
    wanted = [(pair, code) for pair in PAIRS for code in range(FLIPS)]
    rows = [kept.pairs[pair] * FLIPS + code for pair, code in wanted]
    wanted += [(0, 0), (1, 0), (2, 0), (8, 0)]
    batch = {ROW: np.array([*rows, *kept.validation["a"], *kept.validation["b"]], np.int32)}
    sent = kept.attach(shard(batch))
    assert ROW not in sent
    found = unshard(sent[FEATURES])
    pixels = flip(to_unit(images[[pair for pair, _ in wanted]]), np.array([code for _, code in wanted], np.int32))
    exact, _ = encode(
        network_of_one_device, model.params["shared"], model.batch_stats["shared"], pixels, np.ones(len(wanted))
    )
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-4)


def test_answers_from_features_equal_those_to_images(network, model, answer, images) -> None:
    validation = {"a": images[:3], "b": images[3:]}
    kept = features.store(network, model, images.__getitem__, pairs=PAIRS, validation=validation, batch_size=4)
    for name, shown in validation.items():
        found = answer.from_features(model, "b", kept, kept.validation[name])
        np.testing.assert_allclose(found, answer(model, "b", shown), rtol=0.01, atol=0.01)


def test_training_on_features_equals_training_on_images(freeze, network, model, images, make_batch) -> None:
    kept = features.store(network, model, images.__getitem__, pairs=PAIRS, validation=NONE, batch_size=4)
    batches = []
    for seed in range(3):
        batch = make_batch(seed)
        pairs = np.random.default_rng(seed).choice(PAIRS, len(batch[FLIP]))
        batch[IMAGE] = images[pairs]
        batches.append(
            (batch, [kept.pairs[pair] * FLIPS + code for pair, code in zip(pairs, batch[FLIP], strict=True)])
        )
    expected, history = freeze.run(model, [batch for batch, _ in batches])
    state, on_features = freeze.start(model), []
    for batch, rows in batches:
        without = {name: value for name, value in batch.items() if name != IMAGE}
        sent = kept.attach(shard(without | {ROW: np.array(rows, np.int32)}))
        state, metrics = freeze.mapped(state, sent, jax.random.key(0))
        on_features.append(float(metrics["loss"]))
    np.testing.assert_allclose(on_features, [metrics["loss"] for metrics in history], rtol=2e-3)
    moved = jax.device_get(state)
    for part in ("shared", "old"):
        jax.tree.map(np.testing.assert_array_equal, moved.params[part], model.params[part])
        jax.tree.map(np.testing.assert_array_equal, moved.batch_stats[part], model.batch_stats[part])
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0.02, atol=0.02),
        moved.batch_stats["new"],
        expected.batch_stats["new"],
    )


def test_memory_is_counted_before_it_is_taken(network, model, images) -> None:
    kept = features.store(network, model, images.__getitem__, pairs=PAIRS, validation=NONE, batch_size=4)
    wide = network.encoder.feature_channels
    assert wide == 4  # two times the width of the encoder's last block
    assert features.gibibytes(20, 8, wide) * 2**30 == 20 * 8 * 8 * wide * 2
    assert kept.attach(shard({ROW: np.zeros(2, np.int32)}))[FEATURES].shape == (2, 1, 8, 8, wide)
