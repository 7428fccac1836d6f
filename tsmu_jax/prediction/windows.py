"""Windows with a halo: an image that is too large for one pass answers as it would in one.

The network is equivariant to shifts by its stride alone, and an output pixel depends on a bounded neighbourhood of the
input: its reach. So windows whose origins are multiples of the stride answer exactly where the reach lies inside.
"""

import functools
import itertools
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from tsmu_jax.models.tsmu import Network, forward, init_decoder, init_encoder, make_network

_SHORTEST = 16  # strides: length of the strip that the reach is measured on


class Reach(NamedTuple):
    """How far an output pixel sees, in pixels of the input."""

    before: int  # to the left, and upwards
    after: int  # to the right, and downwards

    @property
    def smallest_window(self) -> int:
        """The side from which on every window beyond the first gains ground, once rounded up to the stride."""
        return self.before + self.after + 1


class Span(NamedTuple):
    """A window along one side of an image, and the part of it that is kept."""

    start: int  # a multiple of the stride
    stop: int
    keep_start: int
    keep_stop: int


def spans(length: int, window: int, reach: Reach, stride: int) -> list[Span]:
    """Covers a side so that the kept parts follow one another and are exact.

    Args:
      length: of the side in pixels, a multiple of `stride`.
      window: likewise; a side that is no longer is one window.

    Raises:
      ValueError: the window is too small for the reach.
    """
    if length <= window:
        return [Span(0, length, 0, length)]
    if window < reach.smallest_window + stride:
        raise ValueError(f"windows of {window} px; this network needs {reach.smallest_window + stride} or more")
    found, done = [], 0
    while done < length:
        start = min(max(done - reach.before, 0) // stride * stride, length - window)
        stop = start + window
        keep_stop = length if stop == length else stop - reach.after
        found.append(Span(start, stop, done, keep_stop))
        done = keep_stop
    return found


def best_shape(height: int, width: int, side: int, reach: Reach, stride: int) -> tuple[int, int]:
    """The windows that cover an image with the least work, none of more pixels than a square.

    Oblong windows use the memory of the square where squares would have to be smaller to fit the image.

    Args:
      height, width: of the image in pixels, multiples of `stride`.
      side: of the square, likewise.

    Returns:
      Height and width of the windows.

    Raises:
      ValueError: the square is too small for the reach.
    """
    best = (sys.maxsize, 0, 0, 0)  # pixels that are computed, how oblong the windows are, their sides
    smallest = _smallest(reach, stride)
    for rows in itertools.count(1):
        high = fitted(height, rows, reach, stride)
        most = side**2 // high // stride * stride
        fewest = _number(width, most, reach, stride) if most >= min(width, smallest) else 0
        for columns in (fewest, fewest + 1) if fewest else ():  # sides are rounded: one more is less work now and then
            wide = fitted(width, columns, reach, stride)
            number = _number(height, high, reach, stride) * _number(width, wide, reach, stride)
            best = min(best, (number * high * wide, abs(high - wide), high, wide))
        if fewest == 1 or high <= smallest:
            break
    if not best[2]:
        raise ValueError(f"windows of {side} px; this network needs {smallest} or more")
    return best[2:]


def fitted(length: int, number: int, reach: Reach, stride: int) -> int:
    """The shortest window of which at most so many cover a side. Args: length, reach, stride: as of `spans`."""
    if number == 1:
        return length
    shared = (number - 1) * _overlap(reach, stride)
    return min(length, max(_smallest(reach, stride), -(-(length + shared) // number // stride) * stride))


def _number(length: int, window: int, reach: Reach, stride: int) -> int:
    """Of the windows that `spans` makes."""
    return 1 if length <= window else 1 - (window - length) // (window - _overlap(reach, stride))


def _overlap(reach: Reach, stride: int) -> int:
    """Of two windows that follow one another, in pixels."""
    return -(-(reach.before + reach.after) // stride) * stride


def _smallest(reach: Reach, stride: int) -> int:
    """The shortest window that `spans` takes, as a multiple of the stride."""
    return -(-(reach.smallest_window + stride) // stride) * stride


@functools.lru_cache(maxsize=4)
def reach(variant: str, depth: int) -> Reach:
    """Measures the reach of a network in inference mode.

    One column of a strip is not a number, and so is every output that depends on it. The number of channels does not
    matter, so the network that is measured is as narrow as can be.
    """
    network = make_network(variant, channels=1, width=1e-9, depth=depth)
    length = _SHORTEST * network.stride
    while True:
        middle = length // 2
        found = [np.flatnonzero(outputs) for outputs in np.asarray(_depends(network, length))]
        if all(outputs[0] > 0 and outputs[-1] < length - 1 for outputs in found):
            columns = range(middle, middle + network.stride)
            before = max(int(outputs[-1]) - column for column, outputs in zip(columns, found, strict=True))
            after = max(column - int(outputs[0]) for column, outputs in zip(columns, found, strict=True))
            return Reach(before, after)
        length *= 2  # the ends of the strip were in reach


def _depends(network: Network, length: int) -> jax.Array:
    """bool[stride, length]: whether an output column depends on the input column length / 2 + 0, 1, ..."""
    encoder, decoder = (init(network, jax.random.key(0)) for init in (init_encoder, init_decoder))
    params, stats = (
        {"shared": shared, "old": {"decoder": own}, "new": {}} for shared, own in zip(encoder, decoder, strict=True)
    )

    @jax.jit
    def each_column() -> jax.Array:
        def one(column: jax.Array) -> jax.Array:
            strip = jnp.zeros((1, network.stride, length, 1)).at[:, :, column].set(jnp.nan)
            logits, _ = forward(network, params, stats, strip, {"decoder": jnp.ones(1)})
            return jnp.isnan(logits["decoder"][0]).any(0)

        return jax.lax.map(one, length // 2 + jnp.arange(network.stride))

    lowered = each_column.lower()
    options: dict[str, Any] = {"xla_backend_optimization_level": 0}  # it runs once
    return lowered.compile(compiler_options=options)()
