"""The network as a list of operations in the order of a forward pass: what other runtimes build it from.

Dropout and the batch's statistics are left out: they matter in training alone.
"""

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tsmu_jax.models import archive
from tsmu_jax.models.decoder import Decoder
from tsmu_jax.models.encoder import ResNet34Encoder, TableIXEncoder
from tsmu_jax.models.layers import BatchNorm
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.models.tsmu import Network, find_decoder

EPSILON = BatchNorm.epsilon
INPUT, FEATURES, LOGITS = "images", "features", "logits"  # the values that have names; all others are numbered


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation on values f32[b, h, w, channels].

    Attributes:
      kind: "conv" (zero padding to the same size), "conv_transpose" (doubles the sides; which tap an output sees:
        `tsmu_jax.models.convolutions.conv_transpose`), "normalize", "relu", "add", "max_pool" (2 x 2), "concatenate".
      inputs: names of the values that it takes.
      output: name of the value that it makes.
      arrays: {role: name of an array}. Kernels are [height, width, channels in / groups, channels out], or [channels
        in, channels out] for 1 x 1.
      groups: of a convolution; as many as channels for one of each channel alone.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    arrays: Mapping[str, str] = dataclasses.field(default_factory=dict)
    groups: int = 1

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**dataclasses.asdict(self), "inputs": list(self.inputs)}


def arrays(model: SavedModel, decoders: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Parameters and moving statistics by the names that operations use.

    Returns:
      {"encoder/Conv_0/kernel": f32[...], "decoders/NAME/BatchNorm_0/mean": f32[...], ...}
    """
    trees = (model.params, model.batch_stats)
    found: dict[str, np.ndarray] = {}
    for tree in trees:
        found |= archive.flattened(tree["shared"], "encoder/")
        for name in decoders:
            found |= archive.flattened(find_decoder(tree, name)[1], _prefix(name))
    return found


def encoder_operations(network: Network) -> list[Operation]:
    """From the images f32[b, h, w, c] in [0, 1] to the features f32[b, h, w, k]."""
    walk, encoder = _Walk("encoder/"), network.encoder
    walked = _table_ix if isinstance(encoder, TableIXEncoder) else _resnet
    walked(walk, encoder)  # type: ignore[arg-type]
    return walk.ended(FEATURES)


def decoder_operations(network: Network, name: str) -> list[Operation]:
    """From the features to the logits f32[b, h, w, 1] of one decoder, before its temperature."""
    walk, decoder = _Walk(_prefix(name)), network.decoder
    assert isinstance(decoder, Decoder)
    _decoder(walk, decoder, int(network.encoder.feature_channels))
    return walk.ended(LOGITS)


def _prefix(decoder: str) -> str:
    return f"decoders/{decoder}/"


class _Walk:
    """Collects operations, and numbers modules by their class as Flax does."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._modules: collections.Counter[str] = collections.Counter()
        self._operations: list[Operation] = []

    def ended(self, name: str) -> list[Operation]:
        """The operations, the last value renamed."""
        *before, last = self._operations
        return [*before, dataclasses.replace(last, output=name)]

    def apply(self, kind: str, *inputs: str, groups: int = 1, **arrays: str) -> str:
        output = f"{self._prefix}{len(self._operations)}"
        self._operations.append(Operation(kind, inputs, output, arrays, groups))
        return output

    def pointwise(self, x: str) -> str:
        return self._with_arrays("conv", x, "Pointwise", "kernel", "bias", inner="Dense_0/")

    def conv(self, x: str, *, bias: bool = True, groups: int = 1) -> str:
        return self._with_arrays("conv", x, "Conv", "kernel", *(["bias"] if bias else []), groups=groups)

    def conv_transpose(self, x: str) -> str:
        return self._with_arrays("conv_transpose", x, "ConvTranspose", "kernel", "bias")

    def normalize(self, x: str) -> str:
        return self._with_arrays("normalize", x, "BatchNorm", "scale", "bias", "mean", "var")

    def relu(self, x: str) -> str:
        return self.apply("relu", x)

    def _with_arrays(self, kind: str, x: str, module: str, *roles: str, inner: str = "", groups: int = 1) -> str:
        own = f"{self._prefix}{module}_{self._modules[module]}/{inner}"
        self._modules[module] += 1
        return self.apply(kind, x, groups=groups, **{role: own + role for role in roles})


def _table_ix(walk: _Walk, encoder: TableIXEncoder) -> None:
    x = INPUT
    for _ in encoder.widths:
        shortcut = walk.pointwise(x)
        path = walk.relu(walk.pointwise(x))
        path = walk.relu(walk.conv(path))
        x = walk.relu(walk.normalize(walk.apply("add", shortcut, walk.pointwise(path))))


def _resnet(walk: _Walk, encoder: ResNet34Encoder) -> None:
    def conv_norm(x: str) -> str:
        return walk.normalize(walk.conv(x, bias=False))

    x, channels = walk.relu(conv_norm(INPUT)), encoder.stem
    for width, count in zip(encoder.widths, encoder.blocks, strict=True):
        for _ in range(count):
            path = conv_norm(walk.relu(conv_norm(x)))
            shortcut = x if channels == width else walk.pointwise(x)
            x, channels = walk.relu(walk.apply("add", shortcut, path)), width


def _decoder(walk: _Walk, decoder: Decoder, channels: int) -> None:
    x, skips = FEATURES, []
    for level, width in enumerate(decoder.widths):
        x = walk.pointwise(walk.conv(x, bias=False, groups=channels)) if decoder.separable else walk.conv(x)
        x, channels = walk.relu(walk.normalize(x)), width
        if level + 1 < len(decoder.widths):
            skips.append(x)
            x = walk.apply("max_pool", x)
    for skip in reversed(skips):
        x = walk.apply("concatenate", walk.conv_transpose(x), skip)
        x = walk.relu(walk.normalize(walk.conv(x)))
    walk.pointwise(x)
