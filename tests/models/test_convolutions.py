"""Convolutions in the backend's form against XLA's own: values and gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tsmu_jax.models import convolutions
from tsmu_jax.models.layers import Conv, ConvTranspose

SHAPES = [
    (2, 40, 64, 3, 5),  # several blocks of 8 rows: 1024 // 64 is 16, which does not divide 40
    (1, 34, 34, 4, 70),  # a block ends within neither image nor row
    (3, 16, 8, 6, 2),  # one block for all: XLA's own gradient
    (2, 4, 4, 7, 9),  # few pixels: one product of neighbourhoods
    (2, 1, 1, 3, 4),
]


def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def values_and_gradients(function: object, x: jax.Array, kernel: jax.Array) -> list[np.ndarray]:
    value, pull = jax.vjp(jax.jit(function), x, kernel)
    target = jnp.asarray(np.random.default_rng(1).normal(size=value.shape), value.dtype)
    return [np.asarray(array, np.float32) for array in (value, *pull(target))]


def operands(shape: tuple[int, int, int, int, int], side: int) -> tuple[jax.Array, jax.Array]:
    batch, height, width, channels, outputs = shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, height, width, channels)).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(rng.normal(size=(side, side, channels, outputs)).astype(np.float32))


@pytest.mark.parametrize("shape", SHAPES)
def test_convolution(shape: tuple[int, int, int, int, int]) -> None:
    x, kernel = operands(shape, 3)
    ours = values_and_gradients(convolutions.convolve, x, kernel)
    for a, b in zip(ours, values_and_gradients(plain, x, kernel), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("side", [2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_transposed_convolution_is_flaxs(shape: tuple[int, int, int, int, int], side: int) -> None:
    x, kernel = operands(shape, side)
    module = nn.ConvTranspose(kernel.shape[-1], (side, side), strides=(2, 2), use_bias=False)
    reference = values_and_gradients(lambda x, kernel: module.apply({"params": {"kernel": kernel}}, x), x, kernel)
    for a, b in zip(values_and_gradients(convolutions.conv_transpose, x, kernel), reference, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_the_two_kernel_gradients_agree() -> None:
    x, kernel = operands((2, 40, 64, 3, 5), 3)
    gradient = jnp.asarray(np.random.default_rng(1).normal(size=(2, 40, 64, 5)).astype(np.float32))
    a, b = convolutions.by_blocks(x, gradient), convolutions.at_once(x, gradient)
    assert a.shape == (3, 3, 3, 5)
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


def test_bfloat16_keeps_its_type_and_sums_in_float32() -> None:
    x, kernel = operands((2, 64, 64, 3, 4), 3)
    exact = values_and_gradients(plain, x, kernel)
    rounded = values_and_gradients(convolutions.convolve, x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
    for a, b in zip(rounded, exact, strict=True):
        np.testing.assert_allclose(a, b, atol=0.03 * np.abs(b).max())
    _, pull = jax.vjp(convolutions.convolve, x.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16))
    assert {array.dtype for array in pull(jnp.ones((2, 64, 64, 4), jnp.bfloat16))} == {jnp.dtype(jnp.bfloat16)}


def test_layers_keep_flaxs_parameters() -> None:
    x = jnp.ones((1, 4, 4, 3))
    for ours, flaxs in ((Conv(5), nn.Conv(5, (3, 3))), (ConvTranspose(5), nn.ConvTranspose(5, (3, 3), (2, 2)))):
        shapes = [jax.tree.map(jnp.shape, layer.init(jax.random.key(0), x)) for layer in (ours, flaxs)]
        assert shapes[0] == shapes[1]
