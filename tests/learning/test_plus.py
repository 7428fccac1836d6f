"""What joint fine-tuning may do beyond the paper: features, jitter, averages, and dropout with frozen statistics."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsmu_jax.batch import FLIP, IMAGE, RESPONSES, WEIGHT
from tsmu_jax.learning.parallel import AXIS, pmap_train, replicate, shard
from tsmu_jax.learning.steps import Objective, flip, jitter, make_train_step, to_unit
from tsmu_jax.models.tsmu import encode

# Plain gradient descent: Adam would turn the rounding of gradients that should be 0 into whole steps.
SGD = optax.sgd(1.0)
PLUS = Objective(
    trains=("shared", "new"),
    training=(),
    dropout=("new",),
    supervised=("new",),
    distilled=("a", "b"),
    features=2.0,
    jitter=0.2,
    average=0.9,
)
KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def one_device(network_of_one_device):
    return jax.jit(make_train_step(network_of_one_device, SGD, PLUS))


@pytest.fixture
def batches(make_batch) -> list[dict[str, np.ndarray]]:
    """Three batches of three images and one that does not count."""
    made = [make_batch(seed) for seed in range(3)]
    for seed, batch in enumerate(made):
        batch[WEIGHT][3] = 0
        batch[RESPONSES] = np.random.default_rng(seed).normal(0, 3, (4, 2, 8, 8)).astype(np.float32)
    return made


def run(step, model, batches, objective: Objective = PLUS):
    """The state after each step, and the scalars of each."""
    state, states, history = objective.start(model, SGD), [], []
    for batch in batches:
        state, metrics = step(state, batch, KEY)
        states.append(jax.device_get(state))
        history.append(jax.device_get(metrics))
    return states, history


def keys(images: int, step: int = 0) -> jax.Array:
    """One for each image of a step."""
    return jax.vmap(lambda image: jax.random.fold_in(jax.random.fold_in(KEY, step), image))(jnp.arange(images))


def test_jitter_changes_brightness_and_contrast_of_an_image_as_a_whole() -> None:
    images = np.random.default_rng(0).uniform(0.3, 0.6, (200, 5, 4, 6)).astype(np.float32)
    changed = np.asarray(jitter(images, keys(200), 0.2), np.float64)
    axes = (1, 2, 3)
    mean = images.mean(axes, keepdims=True, dtype=np.float64)
    brightness = changed.mean(axes, keepdims=True) / mean
    contrast = changed.std(axes, keepdims=True) / images.std(axes, keepdims=True) / brightness
    expected = ((images - mean) * contrast + mean) * brightness  # all channels and pixels alike
    np.testing.assert_allclose(changed, expected, rtol=1e-4)
    for factor in (brightness.ravel(), contrast.ravel()):
        assert 0.8 - 1e-5 < factor.min() < 0.82 and 1.18 < factor.max() < 1.2 + 1e-5
    assert abs(np.corrcoef(brightness.ravel(), contrast.ravel())[0, 1]) < 0.3  # two draws


def test_jitter_stays_in_range_and_follows_the_image() -> None:
    images = np.random.default_rng(0).uniform(size=(6, 4, 4, 3)).astype(np.float32)
    images[:2] = [[[[0.0]]], [[[1.0]]]]
    changed = np.asarray(jitter(images, keys(6), 0.9))
    assert changed.min() >= 0 and changed.max() <= 1
    order = np.array([3, 1, 0, 5, 4, 2])
    np.testing.assert_array_equal(jitter(images[order], keys(6)[order], 0.9), changed[order])


def test_features_are_at_rest_where_the_phase_starts(one_device, network_of_one_device, model, batches) -> None:
    without = dataclasses.replace(PLUS, features=0.0)
    step = jax.jit(make_train_step(network_of_one_device, SGD, without))
    states, history = run(one_device, model, batches)
    others, other_history = run(step, model, batches, without)
    assert others[0].teacher == {} and "feature_loss" not in other_history[0]
    assert abs(history[0]["feature_loss"]) < 1e-9
    for part in ("shared", "new"):  # equal features: the first step goes the same way
        trees = (state.params[part] for state in (states[0], others[0]))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), *trees)
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), states[1].params["shared"], others[1].params["shared"])
    assert max(jax.tree.leaves(moved)) > 1e-4  # and the second one does not


def test_features_are_compared_with_those_that_the_phase_started_from(
    one_device, network_of_one_device, model, batches
) -> None:
    states, history = run(one_device, model, batches)
    for step in (1, 2):
        batch, before = batches[step], states[step - 1].params["shared"]
        images = jitter(flip(to_unit(batch[IMAGE]), batch[FLIP]), keys(4, step), PLUS.jitter)
        now, then = (
            np.asarray(
                encode(network_of_one_device, params, model.batch_stats["shared"], images, batch[WEIGHT])[0], np.float64
            )[:3]
            for params in (before, model.params["shared"])
        )
        expected = ((now - then) ** 2).mean((1, 2, 3)) / (then**2).mean((1, 2, 3))
        assert expected.min() > 1e-4
        metrics = history[step]
        np.testing.assert_allclose(metrics["feature_loss"], expected.mean(), rtol=1e-3)
        total = metrics["dice_loss"] + metrics["kd_loss"] + 2.0 * metrics["feature_loss"]
        np.testing.assert_allclose(metrics["loss"], total, rtol=1e-5)


def test_the_average_is_that_of_the_weights_so_far(one_device, model, batches, identical) -> None:
    states, _ = run(one_device, model, batches)
    expected = {part: jax.tree.map(lambda x: x.astype(np.float64), model.params[part]) for part in ("shared", "new")}
    for state in states:
        now = {part: state.params[part] for part in expected}
        expected = jax.tree.map(lambda mean, x: 0.9 * mean + 0.1 * x, expected, now)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), state.average, expected)
        assert identical(state.model.params["shared"], state.average["shared"])
    assert not identical(states[-1].average["new"], states[-1].params["new"])


@pytest.mark.parametrize("side", [3, 300])
def test_a_state_may_hold_the_same_array_twice(side: int) -> None:
    """The teacher and the average start as the parameters, whose memory the step reuses."""
    step = pmap_train(lambda state, batch, key: ({**state, "params": state["params"] + 1}, batch["x"].sum()))
    leaf = jnp.full((side, side), 0.5)  # on one device
    state = replicate({"params": leaf, "average": leaf, "teacher": leaf})
    for _ in range(3):
        state, _ = step(state, shard({"x": np.ones(2, np.float32)}), KEY)
    for name, value in {"params": 3.5, "average": 0.5, "teacher": 0.5}.items():
        for copy in state[name].addressable_shards:
            np.testing.assert_array_equal(copy.data, value)
    np.testing.assert_array_equal(leaf, 0.5)


def test_two_devices_equal_one_on_the_whole_batch(one_device, network, model, batches) -> None:
    (whole, history) = run(one_device, model, batches)
    step, state = pmap_train(make_train_step(network, SGD, PLUS, axis_name=AXIS)), replicate(PLUS.start(model, SGD))
    for batch, expected in zip(batches, history, strict=True):
        state, metrics = step(state, shard(batch), KEY)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5), metrics, expected)
    trees = (jax.device_get(state.average), whole[-1].average)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5), *trees)


def test_frozen_means_identical_to_the_bit(plus, answer, model, batches, identical) -> None:
    """Old decoders that are not trained, and all statistics, while the new decoder drops out."""
    state, history = plus.run(model, batches)
    assert identical(state.batch_stats, model.batch_stats)
    kept = state.model
    for params in (state.params, kept.params):
        assert identical(params["old"], model.params["old"])
        assert not identical(params["shared"], model.params["shared"])
        assert not identical(params["new"], model.params["new"])
    assert identical(state.teacher, {"params": model.params["shared"], "batch_stats": model.batch_stats["shared"]})
    assert set(history[0]) == {"loss", "dice_loss", "kd_loss", "drift", "feature_loss"}


def test_dropout_reaches_the_new_decoder_alone(one_device, network_of_one_device, model, batches) -> None:
    """Another key drops other features: the labels' loss changes, what is distilled does not."""
    still = dataclasses.replace(PLUS, jitter=0.0, average=0.0, features=0.0)
    step = jax.jit(make_train_step(network_of_one_device, SGD, still))
    losses = [step(still.start(model, SGD), batches[0], jax.random.key(seed))[1] for seed in (0, 1)]
    first, second = ({name: float(value) for name, value in metrics.items()} for metrics in losses)
    assert abs(first["dice_loss"] - second["dice_loss"]) > 1e-4
    assert first["kd_loss"] == second["kd_loss"] and first["drift"] == second["drift"]
