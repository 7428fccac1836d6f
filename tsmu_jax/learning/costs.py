"""What a training step costs by the compiler's own account: arithmetic and memory."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tsmu_jax.batch import DECODER, FLIP, IMAGE, MASK, RESPONSES, WEIGHT
from tsmu_jax.learning.parallel import replicate, shard_whole
from tsmu_jax.learning.state import TrainState
from tsmu_jax.learning.steps import Objective, make_train_step
from tsmu_jax.models.tsmu import Network, Tree, encode, init_decoder, init_encoder

Batch = Mapping[str, np.ndarray]


def blank_batch(slots: int, side: int, channels: int, *, distilled: int) -> dict[str, np.ndarray]:
    """A training batch of the right shapes and types that shows nothing; responses of `distilled` decoders, if any."""
    batch: dict[str, np.ndarray] = {
        IMAGE: np.zeros((slots, side, side, channels), np.uint8),
        MASK: np.zeros((slots, side, side), np.uint8),
        FLIP: np.zeros(slots, np.int32),
        WEIGHT: np.ones(slots, np.float32),
        DECODER: np.zeros(slots, np.int32),
    }
    if distilled:
        batch[RESPONSES] = np.zeros((slots, distilled, side, side), np.float32)
    return batch


def step_flops(
    network: Network, tx: optax.GradientTransformation, objective: Objective, state: TrainState, batch: Batch
) -> float:
    """Floating-point operations of one training step over a whole batch, counted without compiling.

    Args:
      state: or its shapes and types.
    """
    return _flops(make_train_step(_unmapped(network), tx, objective), state, batch, jax.random.key(0))


@functools.lru_cache(maxsize=4)
def forward_flops(network: Network, side: int) -> tuple[float, float]:
    """Floating-point operations of the encoder, and of one decoder, for one image of that side in inference mode."""
    network, weight = _unmapped(network), jnp.ones(1)
    images = jax.ShapeDtypeStruct((1, side, side, network.channels), jnp.float32)

    def encoded(params: Tree, stats: Tree, images: jax.Array) -> jax.Array:
        return encode(network, params, stats, images, weight)[0]

    def answered(params: Tree, stats: Tree, features: jax.Array) -> Any:
        return network.decoder.apply({"params": params, "batch_stats": stats}, features, weight, train=False)

    encoder = jax.eval_shape(lambda: init_encoder(network, jax.random.key(0)))
    decoder = jax.eval_shape(lambda: init_decoder(network, jax.random.key(0)))
    features = jax.eval_shape(encoded, *encoder, images)
    return _flops(encoded, *encoder, images), _flops(answered, *decoder, features)


def _unmapped(network: Network) -> Network:
    return dataclasses.replace(
        network, encoder=network.encoder.clone(axis_name=None), decoder=network.decoder.clone(axis_name=None)
    )


def _flops(function: Callable[..., Any], *arguments: Any) -> float:
    """Counted by the CPU's backend, since those of accelerators do not count before they compile.

    What it counts is the program for an accelerator: that for a CPU has loops, whose bodies would count once.
    """
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        lowered = jax.jit(function).trace(*arguments).lower(lowering_platforms=("tpu",))
        return float((lowered.cost_analysis() or {})["flops"])


def step_memory(step: Callable[..., Any], state: TrainState, batch: Batch, key: jax.Array) -> int | None:
    """Bytes that a mapped training step needs on each device: arguments, results and what lies between.

    Of a step that has run with these shapes nothing is compiled again. None where the backend does not say.

    Args:
      step: as `pmap_train` returns it.
    """
    lowered = step.lower(replicate(state), shard_whole(batch), key)  # type: ignore[attr-defined]
    plan = lowered.compile().memory_analysis()
    if plan is None:
        return None
    # The state is updated in place: what results share with arguments counts once.
    held = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    return int(held + plan.temp_size_in_bytes)
