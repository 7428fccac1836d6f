"""Trains an ecoregion's autoencoder, and measures how well it reconstructs images (section V-E)."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tsmu_jax.batch import FLIP, IMAGE, WEIGHT, fill
from tsmu_jax.learning.steps import flip
from tsmu_jax.models.autoencoder import Autoencoder

Tree = Any

BATCH = 16  # images of a step; fewer are filled up, so that every ecoregion runs through the same compiled step
_AT_A_TIME = 256  # images that are reconstructed together


@functools.partial(jax.jit, static_argnames="side")
def downsample(images: jax.Array, *, side: int) -> jax.Array:
    """Averages images down to `side` by `side`.

    Args: images: f32[b, h, w, c] in [0, 1], h and w at least `side`. Returns f32[b, side, side, c] in [0, 1].
    """
    batch, _, _, channels = images.shape
    small = jax.image.resize(images, (batch, side, side, channels), "linear", antialias=True)
    return jnp.clip(small, 0.0, 1.0)  # interpolation weights add up to 1 only within rounding


def fit(
    images: np.ndarray,
    draws: Callable[[int], np.ndarray],
    *,
    steps: int,
    hidden: int,
    rate: float,
    key: jax.Array,
    progress: Callable[[int, float], None] = lambda done, loss: None,
) -> tuple[Tree, np.ndarray]:
    """Trains an autoencoder by Adam on binary cross-entropy. A pure function of its arguments.

    Args:
      images: f32[n, side, side, c] in [0, 1], one ecoregion's down-sampled training pairs.
      draws: step -> i64[<= BATCH, 2], the index and the flip of each image of a step.
      hidden: width of the hidden layer.
      rate: Adam's learning rate.
      key: random key of the initial weights.
      progress: called with the finished steps and the latest loss, now and then.

    Returns:
      The parameters as NumPy arrays, and the loss f32[steps] of each step.
    """
    params = Autoencoder(hidden).init(key, jnp.zeros((1, images[0].size)))["params"]
    memory = optax.adam(rate).init(params)
    losses = []
    for step in range(steps):
        pairs, flips = draws(step).T
        drawn = {IMAGE: images[pairs], FLIP: flips.astype(np.int32), WEIGHT: np.ones(len(pairs), np.float32)}
        params, memory, loss = _train_step(params, memory, fill(drawn, BATCH), hidden=hidden, rate=rate)
        losses.append(loss)
        if (step + 1) % 100 == 0 or step + 1 == steps:  # reading the loss waits for the device
            progress(step + 1, float(loss))
    return jax.device_get(params), np.asarray(jax.device_get(losses), np.float32)


@functools.partial(jax.jit, static_argnames=("hidden", "rate"))
def _train_step(
    params: Tree, memory: Tree, batch: Mapping[str, jax.Array], *, hidden: int, rate: float
) -> tuple[Tree, Tree, jax.Array]:
    weight = batch[WEIGHT]
    inputs = flip(batch[IMAGE], batch[FLIP]).reshape(len(weight), -1)

    def loss_fn(params: Tree) -> jax.Array:
        logits = Autoencoder(hidden).apply({"params": params}, inputs)
        each = optax.losses.sigmoid_binary_cross_entropy(logits, inputs).mean(1)
        return (weight * each).sum() / weight.sum()

    loss, gradient = jax.value_and_grad(loss_fn)(params)
    updates, memory = optax.adam(rate).update(gradient, memory, params)
    return optax.apply_updates(params, updates), memory, loss


def reconstruction_errors(params: Tree, images: np.ndarray) -> np.ndarray:
    """Mean squared error of each image's reconstruction.

    Args:
      params: of the autoencoder; who asks more than once puts them on a device first (`jax.device_put`).
      images: f32[n, side, side, c] in [0, 1], as the autoencoder was trained on.

    Returns:
      f32[n].
    """
    params, hidden = jax.device_put(params), int(params["encode"]["bias"].size)
    chunks = (images[start : start + _AT_A_TIME] for start in range(0, len(images), _AT_A_TIME))
    return np.concatenate([np.asarray(_errors(params, jax.device_put(chunk), hidden=hidden)) for chunk in chunks])


@functools.partial(jax.jit, static_argnames="hidden")
def _errors(params: Tree, images: jax.Array, *, hidden: int) -> jax.Array:
    inputs = images.reshape(len(images), -1)
    logits = jnp.asarray(Autoencoder(hidden).apply({"params": params}, inputs))
    return jnp.square(jax.nn.sigmoid(logits) - inputs).mean(1)
