"""What a training step costs by the compiler's own account: arithmetic and memory."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import optax

from tsmu_jax.batch import DECODER, FLIP, IMAGE, MASK, RESPONSES, WEIGHT
from tsmu_jax.learning.parallel import replicate, shard_whole
from tsmu_jax.learning.state import TrainState
from tsmu_jax.learning.steps import Objective, make_train_step
from tsmu_jax.models.tsmu import Network

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
    network = dataclasses.replace(
        network, encoder=network.encoder.clone(axis_name=None), decoder=network.decoder.clone(axis_name=None)
    )
    step = make_train_step(network, tx, objective)
    cpu = jax.local_devices(backend="cpu")[0]  # the backends of accelerators do not count before they compile
    with jax.default_device(cpu):
        lowered = jax.jit(step).lower(state, batch, jax.random.key(0))
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
