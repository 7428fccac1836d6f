"""Costs of a training step: arithmetic as it is written, memory by the compiler's own account."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jax.extend.core import jaxprs_in_params

from tsmu_jax.batch import DECODER, FLIP, IMAGE, MASK, RESPONSES, WEIGHT
from tsmu_jax.learning.parallel import jaxpr_of, lowered, step_shapes
from tsmu_jax.learning.state import TrainState
from tsmu_jax.models.tsmu import Network, initial_jaxprs

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


def step_flops(step: Callable[..., Any], state: TrainState, batch: Batch, key: jax.Array) -> int:
    """Floating-point operations of one training step over a whole batch, those of products and convolutions.

    Two for each multiplication and its addition. All else is a few percent, and a matter of how it is compiled.

    Args:
      step: as `pmap_train` returns it; one that has run with these shapes is not traced again.
      state, batch, key: arrays or their shapes: nothing is computed with them.
    """
    return jax.device_count() * count_flops(jaxpr_of(step, *step_shapes(state, batch, key)))


def forward_flops(network: Network, side: int) -> tuple[int, int]:
    """Likewise of the encoder, and of one decoder, for one image of that side in inference mode.

    Counted in the forward passes that initialised them: tracing others would be the first training step's tenth.
    """
    encoder, decoder = initial_jaxprs(network)
    area = (side // network.stride) ** 2
    return area * count_flops(encoder), area * count_flops(decoder)


def count_flops(jaxpr: Any) -> int:
    """FLOPs of a traced function's products and convolutions, of all functions that it calls among them."""
    return sum(_FLOPS.get(equation.primitive.name, _flops_within)(equation) for equation in jaxpr.eqns)


def _flops_within(equation: Any) -> int:
    """Of the functions that an equation calls: all of them, a loop's body as often as it runs."""
    inner = sum(count_flops(jaxpr) for jaxpr in jaxprs_in_params(equation.params))
    return int(equation.params.get("length", 1)) * inner


def _flops_of_product(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    (left, _), (result,) = equation.invars, equation.outvars
    return 2 * result.aval.size * math.prod(left.aval.shape[axis] for axis in contracted)


def _flops_of_convolution(equation: Any) -> int:
    (_, kernel), (result,) = equation.invars, equation.outvars
    outputs = kernel.aval.shape[equation.params["dimension_numbers"].rhs_spec[0]]
    # Between the pixels of a dilated image lie zeros, which nobody multiplies.
    taps = kernel.aval.size // outputs / math.prod(equation.params["lhs_dilation"])
    return round(2 * result.aval.size * taps)


_FLOPS: dict[str, Callable[[Any], int]] = {
    "dot_general": _flops_of_product,
    "conv_general_dilated": _flops_of_convolution,
}


def step_memory(step: Callable[..., Any], state: TrainState, batch: Batch, key: jax.Array) -> int | None:
    """Bytes that a mapped training step needs on each device: arguments, results and what lies between.

    Of a step that has run with these shapes nothing is compiled again. None where the backend does not say.
    Arguments: see `step_flops`.
    """
    plan = lowered(step, state, batch, key).compile().memory_analysis()
    if plan is None:
        return None
    # The state is updated in place: what results share with arguments counts once.
    held = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    return int(held + plan.temp_size_in_bytes)
