"""Layers that both variants of the network share."""

import zlib
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from tsmu_jax.models.convolutions import conv_transpose, convolve

Dtype = Any
Initializer = Callable[..., jax.Array]


kernel_init = nn.initializers.he_normal()  # He et al.'s initialisation


@jax.custom_vjp
def relu(x: jax.Array) -> jax.Array:
    """The larger of x and 0, computed once (see BatchNorm). Its gradient needs the result alone, so x is not stored."""
    return lax.optimization_barrier(jnp.maximum(x, 0))


def _relu_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    result = relu(x)
    return result, result


def _relu_backward(kept: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    return (jnp.where(kept > 0, gradient, 0),)


relu.defvjp(_relu_forward, _relu_backward)


@jax.custom_vjp
def norm_relu(x: jax.Array) -> jax.Array:
    """`relu` for the output x of BatchNorm.

    The backward pass recomputes the sign of x from the input of BatchNorm, which is stored in any case. So the result
    need not be stored: the memory of the encoder's features is free before their gradient is computed.
    """
    return lax.optimization_barrier(jnp.maximum(x, 0))


def _norm_relu_forward(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return norm_relu(x), x


norm_relu.defvjp(_norm_relu_forward, _relu_backward)


def residual(shortcut: jax.Array, path: jax.Array) -> jax.Array:
    """The sum of two outputs of `Pointwise`, f[b, h, w, c].

    It is computed in the shape in which `Pointwise` computes, so XLA can write it into the memory of one of the two.
    """
    flat = shortcut.reshape(-1, shortcut.shape[-1]) + path.reshape(-1, path.shape[-1])
    return lax.optimization_barrier(flat).reshape(shortcut.shape)


def rematerialised(
    block: Callable[..., jax.Array], wanted: bool, *, static: tuple[int, ...]
) -> Callable[..., jax.Array]:
    """Makes the backward pass compute a method's inner values again instead of storing them: less memory, more time.

    Args:
      block: method of a module; only its inputs are stored.
      wanted: False returns the method unchanged.
      static: numbers of the arguments that are no arrays, counted from 1.
    """
    return nn.remat(block, static_argnums=static) if wanted else block


class Conv(nn.Module):
    """3x3 convolution that keeps the size of the image."""

    channels: int  # of the output
    dtype: Dtype = jnp.float32
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Args: x: f[b, h, w, c]. Returns f[b, h, w, channels]."""
        kernel = self.param("kernel", kernel_init, (3, 3, x.shape[-1], self.channels))
        x = convolve(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return x
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        return x + bias.astype(self.dtype)[None, None, None]


class ConvTranspose(nn.Module):
    """Transposed convolution that doubles the sides of the image."""

    channels: int  # of the output
    dtype: Dtype = jnp.float32
    side: int = 3  # of the kernel: 3 or 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Args: x: f[b, h, w, c]. Returns f[b, 2h, 2w, channels]."""
        kernel = self.param("kernel", kernel_init, (self.side, self.side, x.shape[-1], self.channels))
        bias = self.param("bias", nn.initializers.zeros, (self.channels,))
        x = conv_transpose(x.astype(self.dtype), kernel.astype(self.dtype))
        return x + bias.astype(self.dtype)[None, None, None]


class Pointwise(nn.Module):
    """1x1 convolution, written as the matrix product that it is: XLA's CPU backend is faster at those."""

    channels: int  # of the output
    dtype: Dtype = jnp.float32
    kernel_init: Initializer = kernel_init
    bias_init: Initializer = nn.initializers.zeros

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Args: x: f[..., c]. Returns f[..., channels]."""
        dense = nn.Dense(self.channels, dtype=self.dtype, kernel_init=self.kernel_init, bias_init=self.bias_init)
        flat = dense(x.reshape(-1, x.shape[-1]))
        return flat.reshape(*x.shape[:-1], self.channels)


class BatchNorm(nn.Module):
    """Batch normalisation whose statistics weigh every image, over all devices.

    Flax's own layer averages the devices' means, which is wrong as soon as padded images leave the devices with
    different numbers of real ones. Statistics are float32 whatever `dtype` is.

    `train=True` normalises by the batch and moves the running statistics; `False` uses them as they are.

    In training, images that do not count (padding, and those that another decoder answers for) become zeros, because
    the statistics do not describe them. Where a channel hardly varies in the images that do count, or where none
    counts, the others would grow 30-fold with each layer, until an infinity spoils the whole batch.
    """

    momentum: float = 0.9
    epsilon: float = 1e-3
    dtype: Dtype = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: jax.Array, weight: jax.Array, *, train: bool) -> jax.Array:
        """Args: x: f[b, h, w, c]; weight: f32[b], 0 for images that do not count. Returns the shape of x."""
        channels = x.shape[-1]
        scale = self.param("scale", nn.initializers.ones, (channels,))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (channels,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (channels,))
        mean, var = running_mean.value, running_var.value
        if train:
            # XLA rematerialises cheap operations for each consumer, which keeps their inputs alive longer. The barrier
            # stops that for x and its gradient: a quarter less memory, a sixth less time to compile.
            x = lax.optimization_barrier(x)
            mean, var, count = self._batch_statistics(x, weight)
            keep = jnp.where(count > 0, self.momentum, 1.0)  # where no image counts, the statistics stay
            running_mean.value = keep * running_mean.value + (1 - keep) * mean
            running_var.value = keep * running_var.value + (1 - keep) * var
        factor = scale * lax.rsqrt(var + self.epsilon)
        shift = bias - mean * factor
        affine = jnp.stack([factor, shift])[:, None]  # [2, images or 1, channels]
        if train:
            affine = jnp.where(weight[:, None] > 0, affine, 0)
        factor, shift = affine.astype(self.dtype)[:, :, None, None]
        return x * factor + shift

    def _batch_statistics(self, x: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        pixels = x.shape[1] * x.shape[2]
        x32 = x.astype(jnp.float32)
        # Sums per image first, then the weighted sum: a padded image costs no full-resolution pass of its own.
        sums = jnp.stack([x32.sum((1, 2)), lax.square(x32).sum((1, 2))])
        total = jnp.einsum("b,sbc->sc", weight, sums, precision="highest")
        count = weight.sum()
        if self.axis_name is not None:
            total, count = lax.psum((total, count), self.axis_name)
        mean, square = total / jnp.maximum(count * pixels, 1.0)
        return mean, jnp.maximum(square - lax.square(mean), 0.0), count


class Dropout(nn.Module):
    """Dropout whose mask is a function of the image's own key, so it does not depend on the number of devices."""

    rate: float
    spatial: bool = False  # drop whole channels (spatial dropout) instead of single values

    @nn.compact
    def __call__(self, x: jax.Array, keys: jax.Array | None) -> jax.Array:
        """Args: x: f[b, h, w, c]; keys: key[b], one for each image, or None for inference."""
        if keys is None or self.rate == 0:
            return x
        salt = zlib.crc32("/".join(self.path).encode())  # two layers of one decoder draw different masks
        shape = (1, 1, x.shape[-1]) if self.spatial else x.shape[1:]
        kept = jax.vmap(lambda key: jax.random.bernoulli(jax.random.fold_in(key, salt), 1 - self.rate, shape))
        return jnp.where(kept(keys), x / (1 - self.rate), 0).astype(x.dtype)
