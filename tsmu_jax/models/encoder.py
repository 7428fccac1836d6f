"""The shared encoder (theta_s): features of an image pair at full resolution."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsmu_jax.models.layers import BatchNorm, Conv, Dtype, Pointwise, norm_relu, relu, rematerialised, residual


class TableIXEncoder(nn.Module):
    """Five residual blocks without down-sampling, as Table IX's parameter counts imply.

    A block of width f adds a 1x1 shortcut to 2f and the path 1x1 to f, ReLU, 3x3 to f, ReLU, 1x1 to 2f.
    """

    widths: Sequence[int] = (8, 16, 32, 64, 128)
    momentum: float = 0.9
    dtype: Dtype = jnp.float32
    axis_name: str | None = None
    rematerialise: bool = False

    @property
    def feature_channels(self) -> int:
        """Number of channels of the features."""
        return 2 * self.widths[-1]

    @nn.compact
    def __call__(self, x: jax.Array, weight: jax.Array, *, train: bool) -> jax.Array:
        """Args: x: f[b, h, w, c] in [0, 1]; weight: f32[b]. Returns the features f[b, h, w, feature_channels]."""
        block = rematerialised(TableIXEncoder._block, self.rematerialise, static=(3, 4))
        x = x.astype(self.dtype)
        for width in self.widths:
            x = block(self, x, weight, width, train)
        return x

    def _block(self, x: jax.Array, weight: jax.Array, width: int, train: bool) -> jax.Array:
        shortcut = Pointwise(2 * width, self.dtype)(x)
        path = relu(Pointwise(width, self.dtype)(x))
        path = relu(Conv(width, self.dtype)(path))
        path = Pointwise(2 * width, self.dtype)(path)
        norm = BatchNorm(self.momentum, dtype=self.dtype, axis_name=self.axis_name)
        return norm_relu(norm(residual(shortcut, path), weight, train=train))


class ResNet34Encoder(nn.Module):
    """Encoder of section V-C: ResNet-34's basic blocks at full resolution, from 8 filters up to 128."""

    stem: int = 8
    widths: Sequence[int] = (16, 32, 64, 128)
    blocks: Sequence[int] = (3, 4, 6, 3)
    momentum: float = 0.9
    dtype: Dtype = jnp.float32
    axis_name: str | None = None
    rematerialise: bool = False

    @property
    def feature_channels(self) -> int:
        """Number of channels of the features."""
        return self.widths[-1]

    @nn.compact
    def __call__(self, x: jax.Array, weight: jax.Array, *, train: bool) -> jax.Array:
        """Args: x: f[b, h, w, c] in [0, 1]; weight: f32[b]. Returns the features f[b, h, w, feature_channels]."""
        block = rematerialised(ResNet34Encoder._block, self.rematerialise, static=(3, 4))
        x = norm_relu(self._conv_norm(x.astype(self.dtype), weight, self.stem, train))
        for width, count in zip(self.widths, self.blocks, strict=True):
            for _ in range(count):
                x = block(self, x, weight, width, train)
        return x

    def _block(self, x: jax.Array, weight: jax.Array, width: int, train: bool) -> jax.Array:
        path = norm_relu(self._conv_norm(x, weight, width, train))
        path = self._conv_norm(path, weight, width, train)
        shortcut = x if x.shape[-1] == width else Pointwise(width, self.dtype)(x)
        return relu(shortcut + path)

    def _conv_norm(self, x: jax.Array, weight: jax.Array, width: int, train: bool) -> jax.Array:
        x = Conv(width, self.dtype, use_bias=False)(x)
        return BatchNorm(self.momentum, dtype=self.dtype, axis_name=self.axis_name)(x, weight, train=train)
