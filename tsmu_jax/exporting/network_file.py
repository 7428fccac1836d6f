"""`network.json`: names every array of `parameters.safetensors` and says in which order operations use them.

With both files the network can be rebuilt in any framework, without JAX and without this package.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tsmu_jax.exporting import operations
from tsmu_jax.models.saved import SavedModel

SCHEMA = 1


def described(model: SavedModel, decoders: tuple[str, ...], stored: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What the file holds; plain values.

    Args:
      stored: as `operations.arrays` returns them.

    Raises:
      ValueError: an array is used by no operation, or by two, or not there: the operations are not the network's.
    """
    network = model.network
    encoder = operations.encoder_operations(network)
    own = {name: operations.decoder_operations(network, name) for name in decoders}
    steps = [*encoder, *(one for each in own.values() for one in each)]
    roles = [(name, role) for one in steps for role, name in one.arrays.items()]
    if sorted(name for name, _ in roles) != sorted(stored):
        raise ValueError("the operations use other arrays than the model has")
    return {
        "schema": SCHEMA,
        "input": {
            "name": operations.INPUT,
            "shape": ["batch", "height", "width", network.channels],
            "values": "float32 from 0 to 1",
            "sides": f"multiples of {network.stride}",
        },
        "output": {
            "name": operations.LOGITS,
            "shape": ["batch", "height", "width", 1],
            "probability": "1 / (1 + exp(-logits / temperature))",
        },
        "kinds": KINDS,
        "epsilon": operations.EPSILON,
        "encoder": [one.plain for one in encoder],
        "decoders": {
            name: {
                "temperature": model.description["decoders"][name]["calibration"]["temperature"],
                "operations": [one.plain for one in each],
            }
            for name, each in own.items()
        },
        "arrays": {
            name: {"shape": list(stored[name].shape), "dtype": str(stored[name].dtype), "role": role}
            for name, role in roles
        },
    }


KINDS = {
    "conv": "correlation with zero padding to the same size, and the bias; kernel[height, width, in / groups, out], or "
    "[in, out] for 1 x 1",
    "conv_transpose": "doubles the sides. Along each axis, with three taps k: output 2 i = k[2] x[i] + k[0] x[i - 1], "
    "output 2 i + 1 = k[1] x[i]; with two: output 2 i = k[1] x[i], output 2 i + 1 = k[0] x[i]; then the bias",
    "normalize": "(x - mean) / sqrt(var + epsilon) * scale + bias, for each channel",
    "relu": "the larger of x and 0",
    "add": "the sum of both inputs",
    "max_pool": "the largest of 2 x 2 values, in steps of 2",
    "concatenate": "the channels of the first input, then those of the second",
}
