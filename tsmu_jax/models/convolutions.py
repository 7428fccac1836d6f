"""Convolutions in the form that suits the backend; what they compute is what XLA's own do.

Transposed convolutions are matrix products on every backend. XLA's own are slow on a CPU, forward and backward. On a
GPU their gradients take most of a training step: 57 ms of 76 at 512 x 512, batch 2, bfloat16, on an H200, where the
gradients of the products take 0.2 ms.

On a CPU, XLA's gradient of a convolution's kernel reaches a quarter of the speed of its forward convolution, and
convolutions of few pixels are slow both ways. There, these are matrix products, too: kernel gradients a sum over blocks
of image rows that stay in the cache, the others products of gathered neighbourhoods. Other backends keep XLA's.
"""

from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jax import lax

BLOCK_PIXELS = 1024  # of one matrix product of a kernel's gradient; more channels, fewer pixels
BLOCK_VALUES = 1 << 16  # of the gradient in a block: 9 shifted copies of them in float32 fill two L2 caches
FEW_PIXELS = 64  # of a batch: the weights outweigh the neighbourhoods by far
LAYOUT = ("NHWC", "HWIO", "NHWC")


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """3x3 convolution with zero padding to the same size.

    Args:
      x: f[b, h, w, c].
      kernel: f[3, 3, c, d].

    Returns:
      f[b, h, w, d].
    """
    pixels = x.shape[0] * x.shape[1] * x.shape[2]
    if not isinstance(pixels, int) or pixels > FEW_PIXELS:  # an export leaves the sizes open
        return _convolve(x, kernel)
    return _convolve_few_pixels(x, kernel) if _on_cpu() else _forward(x, kernel)


def conv_transpose(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """3x3 or 2x2 transposed convolution with stride 2, as `flax.linen.ConvTranspose` pads it.

    One product with all taps, whose results are laid over one another.

    Args:
      x: f[b, h, w, c].
      kernel: f[k, k, c, d], k 2 or 3.

    Returns:
      f[b, 2h, 2w, d].
    """
    batch, height, width, channels = x.shape
    side, _, _, outputs = kernel.shape
    product = x @ kernel.transpose(2, 0, 1, 3).reshape(channels, -1)
    taps = product.reshape(batch, height, width, side, side, outputs)
    return _interleave(_interleave(taps, axis=1), axis=2)


def _on_cpu() -> bool:
    """Asked while tracing: `lax.platform_dependent` would trace both forms, a fifth of a training step's tracing."""
    return jax.default_backend() == "cpu"


def _interleave(taps: jax.Array, axis: int) -> jax.Array:
    """[..., n, ..., k, ...] becomes [..., 2n, ...]: sums the taps that each output along one axis sees.

    With three taps an even output sees tap 2 of its own input and tap 0 of the one before, an odd output tap 1. With
    two, an even output sees tap 1 and an odd one tap 0.

    Args:
      axis: that of size n; that of the taps is axis 3.
    """
    *first, odd, last = (lax.index_in_dim(taps, tap, 3, keepdims=False) for tap in range(taps.shape[3]))
    even = last
    if first:
        one = [int(a == axis) for a in range(last.ndim)]
        even = lax.pad(first[0], jnp.zeros((), last.dtype), [(step, -step, 0) for step in one]) + last
    pairs = jnp.stack([even, odd], axis + 1)
    return pairs.reshape(*last.shape[:axis], 2 * last.shape[axis], *last.shape[axis + 1 :])


def _convolve_few_pixels(x: jax.Array, kernel: jax.Array) -> jax.Array:
    _, height, width, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    near = _neighbours(padded, [(i, j) for i in range(3) for j in range(3)], height, width)
    return near @ kernel.reshape(-1, kernel.shape[-1])


def _neighbours(padded: jax.Array, offsets: Iterable[tuple[int, int]], height: int, width: int) -> jax.Array:
    """f[..., height, width, offsets * c]: what lies at each offset, side by side."""
    return jnp.concatenate([padded[..., i : i + height, j : j + width, :] for i, j in offsets], axis=-1)


@jax.custom_vjp
def _convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _forward(x, kernel)


def _forward(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)


def _convolve_forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _forward(x, kernel), (x, kernel)


def _convolve_backward(saved: tuple[jax.Array, jax.Array], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = saved
    mirrored = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)  # the gradient of x is a forward convolution again
    of_kernel, gradient = _one_by_one(_kernel_gradient(x, gradient), gradient)
    return _forward(gradient, mirrored), of_kernel


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _one_by_one(of_kernel: jax.Array, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Orders two gradients, the kernel's first.

    The kernel's gradient is the last use of x, so the memory of x is free before the gradient of x is computed.
    """
    return lax.optimization_barrier((of_kernel, gradient))


def _kernel_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
    few = x.shape[0] * x.shape[1] * x.shape[2] <= BLOCK_PIXELS
    return by_blocks(x, gradient) if _on_cpu() and not few else at_once(x, gradient)


def at_once(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """XLA's own gradient of the kernel. Arguments and result: see `by_blocks`."""
    kernel = jax.ShapeDtypeStruct((3, 3, x.shape[-1], gradient.shape[-1]), x.dtype)
    (result,) = jax.linear_transpose(lambda kernel: _forward(x, kernel), kernel)(gradient)
    return result


def by_blocks(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """Gradient of a convolution's kernel, one matrix product for each block of image rows.

    Args:
      x: f[b, h, w, c], the convolution's input.
      gradient: f[b, h, w, d], of its output.

    Returns:
      f[3, 3, c, d].
    """
    batch, height, width, channels = x.shape
    outputs = gradient.shape[-1]
    rows = _rows(height, width, outputs)
    framed = jnp.pad(gradient, ((0, 0), (1, 1), (1, 1), (0, 0)))
    # x at a pixel meets the gradient at the pixel less the kernel's offset.
    offsets = [(2 - i, 2 - j) for i in range(3) for j in range(3)]

    def add_block(total: jax.Array, index: jax.Array) -> tuple[jax.Array, None]:
        image, row = index // (height // rows), index % (height // rows) * rows
        pixels = lax.dynamic_slice(x, (image, row, 0, 0), (1, rows, width, channels)).reshape(-1, channels)
        around = lax.dynamic_slice(framed, (image, row, 0, 0), (1, rows + 2, framed.shape[2], outputs))
        shifted = _neighbours(around[0], offsets, rows, width)
        product = lax.dot_general(
            pixels,
            shifted.reshape(-1, len(offsets) * outputs),
            (((0,), (0,)), ((), ())),
            preferred_element_type=total.dtype,
        )
        return total + product, None

    start = jnp.zeros((channels, len(offsets) * outputs), jnp.float32)
    total, _ = lax.scan(add_block, start, jnp.arange(batch * (height // rows)))
    return total.reshape(channels, 3, 3, outputs).transpose(1, 2, 0, 3).astype(x.dtype)


def _rows(height: int, width: int, outputs: int) -> int:
    """Rows of a block: a divisor of the height, as near below the wished number of pixels as there is."""
    wished = max(1, min(BLOCK_PIXELS, BLOCK_VALUES // outputs) // width)
    return max(rows for rows in range(1, min(wished, height) + 1) if height % rows == 0)
