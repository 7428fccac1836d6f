import dataclasses
from importlib.metadata import version

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tsmu_jax.learning.parallel import CPU_OPTIONS
from tsmu_jax.models.layers import (
    BatchNorm,
    Dropout,
    Pointwise,
    norm_relu,
    relu,
    residual,
)
from tsmu_jax.models.tsmu import PARTS, Network, encode, forward, init_decoder, init_encoder, make_network

SHAPE = (4, 5, 3, 2)
# What is kept depends on how operations are fused: here as users' programs are, not as the tests' (tests/conftest.py).
AS_USERS = CPU_OPTIONS | ({"xla_cpu_use_fusion_emitters": True} if version("jaxlib").startswith("0.10.") else {})
WEIGHT = np.array([1, 0, 1, 1], np.float32)  # the second image is padding
REAL = WEIGHT[:, None, None, None] > 0


@pytest.fixture
def x() -> np.ndarray:
    random = np.random.default_rng(0)
    return random.normal([1.0, -3.0], [2.0, 0.5], SHAPE).astype(np.float32)


@pytest.fixture
def variables() -> dict[str, dict[str, np.ndarray]]:
    def array(*values: float) -> np.ndarray:
        return np.array(values, np.float32)

    return {
        "params": {"scale": array(1.5, -0.5), "bias": array(0.25, 2.0)},
        "batch_stats": {"mean": array(0.5, -1.0), "var": array(2.0, 0.25)},
    }


def moments(x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    real = x[weight > 0].astype(np.float64)
    return real.mean((0, 1, 2)), real.var((0, 1, 2))


def test_pointwise_is_a_one_by_one_convolution(x) -> None:
    layer = Pointwise(7)
    params = layer.init(jax.random.key(0), x)["params"]["Dense_0"]
    kernel = params["kernel"]
    reference = nn.Conv(7, (1, 1)).apply({"params": {**params, "kernel": kernel[None, None]}}, x)
    np.testing.assert_allclose(layer.apply({"params": {"Dense_0": params}}, x), reference, rtol=1e-5, atol=1e-5)


def test_training_normalises_by_the_real_images(x, variables) -> None:
    y, moved = BatchNorm(momentum=0.8).apply(variables, x, WEIGHT, train=True, mutable=["batch_stats"])
    mean, var = moments(x, WEIGHT)
    params, before = variables["params"], variables["batch_stats"]
    expected = params["scale"] * ((x - mean) / np.sqrt(var + 1e-3)) + params["bias"]
    np.testing.assert_allclose(y, np.where(REAL, expected, 0), rtol=1e-4, atol=1e-4)
    after = moved["batch_stats"]
    np.testing.assert_allclose(after["mean"], 0.8 * before["mean"] + 0.2 * mean, rtol=1e-5)
    np.testing.assert_allclose(after["var"], 0.8 * before["var"] + 0.2 * var, rtol=1e-4)


def test_padding_changes_no_bit_of_the_statistics(x, variables) -> None:
    def run(images: np.ndarray) -> tuple[np.ndarray, dict[str, jax.Array]]:
        y, moved = BatchNorm().apply(variables, images, WEIGHT, train=True, mutable=["batch_stats"])
        return np.asarray(y)[WEIGHT > 0], moved["batch_stats"]

    other = x.copy()
    other[1] = 1e3
    (y, stats), (y_other, stats_other) = run(x), run(other)
    np.testing.assert_array_equal(y, y_other)
    jax.tree.map(np.testing.assert_array_equal, stats, stats_other)


def test_without_any_real_image_the_statistics_stay(x, variables) -> None:
    y, moved = BatchNorm().apply(variables, x, np.zeros(4, np.float32), train=True, mutable=["batch_stats"])
    jax.tree.map(np.testing.assert_array_equal, moved["batch_stats"], variables["batch_stats"])
    assert not np.any(y)


def test_images_that_do_not_count_stay_finite_where_the_others_hardly_vary(x, variables) -> None:
    """Joint training: a batch may hold no image of a decoder, whose layers would then each multiply by 1 / 0.03."""
    flat = np.where(REAL, np.float32(0.5), x)
    for weight in (WEIGHT, np.zeros(4, np.float32)):
        y = flat
        for _ in range(40):
            y, moved = BatchNorm().apply(variables, y, weight, train=True, mutable=["batch_stats"])
        assert np.isfinite(y).all()
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(moved))


def test_inference_uses_the_running_statistics_and_leaves_them(x, variables) -> None:
    y, moved = BatchNorm().apply(variables, x, WEIGHT, train=False, mutable=["batch_stats"])
    params, stats = variables["params"], variables["batch_stats"]
    expected = params["scale"] * (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-3) + params["bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, moved["batch_stats"], stats)


def test_gradient_goes_through_the_statistics(x, variables) -> None:
    upstream = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)

    def loss(params, x):
        bound = {**variables, "params": params}
        y, _ = BatchNorm().apply(bound, x, WEIGHT, train=True, mutable=["batch_stats"])
        return (y * upstream).sum()

    d_params, d_x = jax.grad(loss, argnums=(0, 1))(variables["params"], x)
    mean, var = moments(x, WEIGHT)
    root = np.sqrt(var + 1e-3)
    normed = (x - mean) / root
    upstream = np.where(REAL, upstream, 0)  # what is no image hands nothing back
    share = WEIGHT[:, None, None, None] / (WEIGHT.sum() * SHAPE[1] * SHAPE[2])
    d_scale, d_bias = (upstream * normed).sum((0, 1, 2)), upstream.sum((0, 1, 2), dtype=np.float64)
    expected = variables["params"]["scale"] / root * (upstream - share * (d_bias + normed * d_scale))
    np.testing.assert_allclose(d_x, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(d_params["scale"], d_scale, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(d_params["bias"], d_bias, rtol=1e-4, atol=1e-4)


def test_devices_with_unequal_numbers_of_images_share_statistics(x, variables) -> None:
    def run(layer: BatchNorm, images, weight):
        return layer.apply(variables, images, weight, train=True, mutable=["batch_stats"])

    whole, moved = run(BatchNorm(), x, WEIGHT)
    split, moved_split = jax.vmap(
        lambda images, weight: run(BatchNorm(axis_name="batch"), images, weight), axis_name="batch"
    )(x.reshape(2, 2, *SHAPE[1:]), WEIGHT.reshape(2, 2))
    np.testing.assert_allclose(split.reshape(SHAPE), whole, rtol=1e-5, atol=1e-5)
    for device in range(2):
        jax.tree.map(
            lambda a, b, i=device: np.testing.assert_allclose(a[i], b, rtol=1e-5),
            moved_split["batch_stats"],
            moved["batch_stats"],
        )


def test_statistics_are_float32_where_values_are_not(x, variables) -> None:
    y, moved = BatchNorm(dtype=jnp.bfloat16).apply(
        variables, jnp.asarray(x, jnp.bfloat16), WEIGHT, train=True, mutable=["batch_stats"]
    )
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(moved)} == {jnp.dtype("float32")}


def keys(*seeds: int) -> jax.Array:
    return jax.vmap(jax.random.key)(jnp.array(seeds))


def dropped(layer: nn.Module, images: np.ndarray, keys: jax.Array | None) -> np.ndarray:
    return np.asarray(layer.apply({}, images, keys))


@pytest.mark.parametrize("spatial", [False, True])
def test_dropout_is_the_identity_in_inference_and_at_rate_zero(x, spatial: bool) -> None:
    np.testing.assert_array_equal(dropped(Dropout(0.5, spatial), x, None), x)
    np.testing.assert_array_equal(dropped(Dropout(0.0, spatial), x, keys(0, 1, 2, 3)), x)


def test_dropout_keeps_the_expectation() -> None:
    ones = np.ones((4, 50, 50, 4), np.float32)
    y = dropped(Dropout(0.3), ones, keys(0, 1, 2, 3))
    kept = y != 0
    np.testing.assert_allclose(y[kept], 1 / 0.7, rtol=1e-6)
    assert abs(kept.mean() - 0.7) < 4 * np.sqrt(0.3 * 0.7 / ones.size)  # four standard deviations


@pytest.mark.parametrize("spatial", [False, True])
def test_dropout_follows_the_image_and_not_its_place_in_the_batch(spatial: bool) -> None:
    ones, layer = np.ones((3, 8, 8, 32), np.float32), Dropout(0.5, spatial)
    first = dropped(layer, ones, keys(7, 8, 9))
    np.testing.assert_array_equal(dropped(layer, ones, keys(9, 7, 8)), first[[2, 0, 1]])
    np.testing.assert_array_equal(dropped(layer, ones[:1], keys(8)), first[1:2])
    assert not np.array_equal(first[0], first[1])


def test_spatial_dropout_drops_whole_channels() -> None:
    y = dropped(Dropout(0.5, spatial=True), np.ones((2, 8, 8, 64), np.float32), keys(0, 1))
    assert (y == y[:, :1, :1]).all()
    assert 0 < (y[:, 0, 0] == 0).mean() < 1
    single = dropped(Dropout(0.5), np.ones((2, 8, 8, 64), np.float32), keys(0, 1))
    assert not (single == single[:, :1, :1]).all()


class Pair(nn.Module):
    @nn.compact
    def __call__(self, x, keys):
        return Dropout(0.5)(x, keys), Dropout(0.5)(x, keys)


def test_two_layers_draw_different_masks() -> None:
    first, second = Pair().apply({}, np.ones((1, 16, 16, 4), np.float32), keys(0))
    different = np.mean(np.asarray(first) != np.asarray(second))
    assert abs(different - 0.5) < 0.1  # as independent masks do


@pytest.mark.parametrize("relu", [relu, norm_relu])
def test_relu_is_flaxs_with_its_gradient(x, relu) -> None:
    target = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), x.dtype)
    (ours, pull), (flaxs, flaxs_pull) = (jax.vjp(each, x - x.mean()) for each in (relu, nn.relu))
    np.testing.assert_array_equal(ours, flaxs)
    np.testing.assert_array_equal(pull(target)[0], flaxs_pull(target)[0])
    assert (np.asarray(ours) == 0).any() and (np.asarray(pull(target)[0]) == 0).any()


def test_a_residual_is_the_sum(x) -> None:
    total, pull = jax.vjp(residual, x, 2 * x)
    np.testing.assert_array_equal(total, x + 2 * x)
    for gradient in pull(x):
        np.testing.assert_array_equal(gradient, x)


def with_three_blocks(network: Network) -> Network:
    """Its encoder without the last two blocks, which the compiler treats as those before them."""
    return dataclasses.replace(network, encoder=network.encoder.copy(widths=(8, 16, 32)))


def test_a_training_step_keeps_what_its_gradients_need_and_little_more() -> None:
    """Of all blocks but the last: both paths' values, the sum that BatchNorm sees, and the result."""
    network, side = with_three_blocks(make_network(depth=1)), 96
    params, stats = (
        {"shared": encoder, "old": {"a": decoder}, "new": {}}
        for encoder, decoder in zip(
            jax.eval_shape(lambda: init_encoder(network, jax.random.key(0))),
            jax.eval_shape(lambda: init_decoder(network, jax.random.key(0))),
            strict=True,
        )
    )

    def loss(params, stats, images):
        return forward(network, params, stats, images, {"a": jnp.ones(2)}, training=PARTS)[0]["a"].sum()

    images = jax.ShapeDtypeStruct((2, side, side, 6), jnp.float32)
    compiled = jax.jit(jax.grad(loss)).lower(params, stats, images).compile(compiler_options=AS_USERS)
    *first, last = network.encoder.widths
    # Of the last block besides: the results of its two paths, whose sum takes the place of one of them.
    kept = 6 * sum(first) + 2 * last + 2 * (2 * last)
    assert compiled.memory_analysis().temp_size_in_bytes < 1.15 * kept * 2 * side * side * 4


def test_the_compiler_keeps_less_where_blocks_are_rematerialised() -> None:
    def planned(rematerialise: bool) -> int:
        network = with_three_blocks(make_network(rematerialise=rematerialise))
        params, stats = jax.eval_shape(lambda: init_encoder(network, jax.random.key(0)))

        def loss(params, stats, images):
            return encode(network, params, stats, images, jnp.ones(1), train=True)[0].sum()

        images = jax.ShapeDtypeStruct((1, 64, 64, 6), jnp.float32)
        compiled = jax.jit(jax.grad(loss)).lower(params, stats, images).compile(compiler_options=AS_USERS)
        return compiled.memory_analysis().temp_size_in_bytes

    assert planned(True) < 0.9 * planned(False)
