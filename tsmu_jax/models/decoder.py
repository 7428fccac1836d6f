"""The U-Net decoder, one for each task (theta_o or theta_n): from features to one logit a pixel."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from tsmu_jax.models.layers import (
    BatchNorm,
    Conv,
    ConvTranspose,
    Dropout,
    Dtype,
    Initializer,
    Pointwise,
    kernel_init,
    norm_relu,
    rematerialised,
)


def head_init(prior: float) -> Initializer:
    """Returns the initialiser of the last 1x1 convolution: weights of one magnitude whose signs alternate.

    The paper says nothing about the initial weights. Random signs leave some decoders of few channels
    unable to learn: the inputs of this convolution are outputs of a ReLU, never negative, so where all its weights are
    negative, no logit exceeds the bias. Such a decoder never answers "landslide" if `prior` is below 0.5. That befalls
    one decoder in 16 with 4 channels (`model.width=0.5`), one in 256 with 8.

    Here the first weight pulls away from the prior and the second one back, and so on: every decoder, of a single
    channel too, can reach both answers. With an even number of channels the weights cancel, so a new decoder starts
    from its prior. The magnitude is the standard deviation of LeCun's initialisation, 1 / sqrt(channels).

    Args:
      prior: probability of landslide that the head's bias stands for, in (0, 1).
    """

    def init(key: jax.Array, shape: Sequence[int], dtype: Dtype = jnp.float32) -> jax.Array:
        del key
        channels = shape[0]
        signs = jnp.where(jnp.arange(channels) % 2 == 0, 1, -1) * (1 if prior <= 0.5 else -1)
        return jnp.broadcast_to((signs / math.sqrt(channels)).astype(dtype)[:, None], shape)

    return init


class Decoder(nn.Module):
    """Contracting blocks R_C with 2x2 max-pooling between them, expansive blocks R_E with skip connections.

    `separable=False` is the network of Table IX (full 3x3 convolutions, 3x3 stride-2 transposed ones);
    `separable=True` that of section V-C (separable 3x3 convolutions with spatial dropout in the contracting
    path, 2x2 stride-2 transposed ones).

    `prior` is the probability that it answers before it has learned anything. Adam moves a weight by the learning rate
    at most, so from even odds it takes thousands of steps merely to learn that landslides are rare.
    """

    widths: Sequence[int] = (8, 16, 32, 64, 128, 256, 512)
    separable: bool = False
    dropout: float = 0.1
    prior: float = 0.5
    momentum: float = 0.9
    dtype: Dtype = jnp.float32
    axis_name: str | None = None
    rematerialise: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, weight: jax.Array, *, train: bool, keys: jax.Array | None = None) -> jax.Array:
        """Args: x: f[b, h, w, c] features; weight: f32[b]; keys: key[b], for dropout. Returns logits f32[b, h, w]."""
        contract = rematerialised(Decoder._contracted, self.rematerialise, static=(3, 4))
        expand = rematerialised(Decoder._expanded, self.rematerialise, static=(5, 6))
        skips = []
        for level, width in enumerate(self.widths):
            x = contract(self, x, weight, width, train)
            if level + 1 < len(self.widths):
                skips.append(x)
                x = nn.max_pool(x, (2, 2), strides=(2, 2))
                if self.separable:
                    x = Dropout(self.dropout, spatial=True)(x, keys)
        for width, skip in zip(reversed(self.widths[:-1]), reversed(skips), strict=True):
            x = expand(self, x, skip, weight, keys, width, train)
        bias = nn.initializers.constant(math.log(self.prior / (1 - self.prior)))
        logits = Pointwise(1, self.dtype, kernel_init=head_init(self.prior), bias_init=bias)(x)
        return logits[..., 0].astype(jnp.float32)

    def _contracted(self, x: jax.Array, weight: jax.Array, width: int, train: bool) -> jax.Array:
        return self._norm_relu(self._contracting_conv(x, width), weight, train)

    def _expanded(
        self, x: jax.Array, skip: jax.Array, weight: jax.Array, keys: jax.Array | None, width: int, train: bool
    ) -> jax.Array:
        x = jnp.concatenate([self._doubled(x, width), skip], axis=-1)
        if not self.separable:
            x = Dropout(self.dropout)(x, keys)
        return self._norm_relu(Conv(width, self.dtype)(x), weight, train)

    def _contracting_conv(self, x: jax.Array, width: int) -> jax.Array:
        if not self.separable:
            return Conv(width, self.dtype)(x)
        channels = x.shape[-1]
        depthwise = nn.Conv(
            channels, (3, 3), feature_group_count=channels, use_bias=False, dtype=self.dtype, kernel_init=kernel_init
        )
        return Pointwise(width, self.dtype)(depthwise(x))

    def _doubled(self, x: jax.Array, width: int) -> jax.Array:
        return ConvTranspose(width, self.dtype, side=2 if self.separable else 3)(x)

    def _norm_relu(self, x: jax.Array, weight: jax.Array, train: bool) -> jax.Array:
        norm = BatchNorm(self.momentum, dtype=self.dtype, axis_name=self.axis_name)
        return norm_relu(norm(x, weight, train=train))
