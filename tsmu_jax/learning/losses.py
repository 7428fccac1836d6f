"""Soft Dice and distillation (equations 5 to 11): one value for each image; the caller reduces."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

KD_FORMS = ("bce", "eq11", "mse")


def soft_dice(
    *, logits: jax.Array, mask: jax.Array, smoothing: float = 1.0, known: jax.Array | None = None
) -> jax.Array:
    """Soft Dice loss of each image, equations 5 to 8: 1 - (2 sum(y p) + mu) / (sum(y) + sum(p) + mu).

    An image without landslide has next to no gradient unless hardly a pixel is predicted: false alarms there go
    unpunished. Data with such images needs `cross_entropy` beside it, or `batch_soft_dice`.

    Args:
      logits: f[b, h, w], unnormalised.
      mask: [b, h, w] in {0, 1}.
      smoothing: mu, 1 in the paper.
      known: bool[b, h, w], which pixels count; all by default.

    Returns:
      f32[b] in [0, 1).
    """
    return 1 - _dice_coefficient(*dice_sums(logits=logits, mask=mask, known=known), smoothing)


def batch_soft_dice(sums: Sequence[jax.Array], *, smoothing: float = 1.0) -> jax.Array:
    """Soft Dice loss of a batch as if it were one image, as in the authors' published scripts.

    It punishes false alarms in images without landslide, and weighs large landslides more than small ones.

    Args:
      sums: what `dice_sums` returns, added up over the images; f32[] each.
      smoothing: mu.

    Returns:
      f32[] in [0, 1).
    """
    intersection, union = sums
    return 1 - _dice_coefficient(intersection, union, smoothing)


def dice_sums(*, logits: jax.Array, mask: jax.Array, known: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
    """Equations 5 and 6: sum(y p) and sum(y + p) of each image, f32[b] each; arguments as for `soft_dice`."""
    probability = _masked(jax.nn.sigmoid(logits.astype(jnp.float32)), known)
    truth = _masked(mask.astype(jnp.float32), known)
    return (truth * probability).sum((1, 2)), (truth + probability).sum((1, 2))


def _dice_coefficient(intersection: jax.Array, union: jax.Array, smoothing: float) -> jax.Array:
    return (2 * intersection + smoothing) / (union + smoothing)


def cross_entropy(*, logits: jax.Array, mask: jax.Array, known: jax.Array | None = None) -> jax.Array:
    """Binary cross-entropy of each image, mean over its known pixels: what Dice lacks where a mask is empty.

    Not in the paper, whose images all show a landslide; Dice plus cross-entropy is the usual remedy elsewhere.

    Args: as for `soft_dice`. Returns f32[b].
    """
    labels = mask.astype(jnp.float32)
    return _mean(optax.losses.sigmoid_binary_cross_entropy(logits.astype(jnp.float32), labels), known)


def knowledge_distillation(
    *,
    logits: jax.Array,
    responses: jax.Array,
    temperature: float = 2.0,
    form: str = "bce",
    known: jax.Array | None = None,
) -> jax.Array:
    """Distance of a decoder's answers from its stored responses at temperature T, equations 9 to 11.

    For a sigmoid output equation 9, p^(1/T) / (p^(1/T) + (1-p)^(1/T)), is sigmoid(logit / T). Forms, with the
    tempered response f and answer q:
      "bce": -f log q - (1 - f) log(1 - q), minus the same at q = f: the entropy of f is no concern of the student,
        so equal answers cost 0. The gradient is that of the cross-entropy.
      "eq11": -f log q, as printed. Its gradient only ever raises the logits.
      "mse": (f - q)^2, as in the authors' published scripts.
    Equation 11 sums over pixels, which makes lambda depend on the size of the image; all forms here are means.

    Args:
      logits: f[b, h, w], the student's.
      responses: f[b, h, w], the teacher's logits; no gradient flows into them.
      known: bool[b, h, w], which pixels count; all by default.

    Returns:
      f32[b].

    Raises:
      ValueError: for an unknown form.
    """
    student = logits.astype(jnp.float32) / temperature
    teacher = jax.lax.stop_gradient(responses.astype(jnp.float32)) / temperature
    target = jax.nn.sigmoid(teacher)
    if form == "bce":
        surprise = functools.partial(optax.losses.sigmoid_binary_cross_entropy, labels=target)
        pixels = surprise(logits=student) - surprise(logits=teacher)
    elif form == "eq11":
        pixels = -target * jax.nn.log_sigmoid(student)
    elif form == "mse":
        pixels = jnp.square(jax.nn.sigmoid(student) - target)
    else:
        raise ValueError(f"unknown form of knowledge distillation {form!r}; known: {', '.join(KD_FORMS)}")
    return _mean(pixels, known)


def drift(*, logits: jax.Array, responses: jax.Array, known: jax.Array | None = None) -> jax.Array:
    """Mean absolute change of probability from the stored responses: what validation on new images cannot see.

    Args: logits, responses: f[b, h, w]; known: bool[b, h, w], which pixels count. Returns f32[b] in [0, 1].
    """
    return _mean(jnp.abs(jax.nn.sigmoid(logits) - jax.nn.sigmoid(responses)), known)


def _masked(pixels: jax.Array, known: jax.Array | None) -> jax.Array:
    return pixels if known is None else jnp.where(known, pixels, 0.0)


def _mean(pixels: jax.Array, known: jax.Array | None) -> jax.Array:
    """The mean of each image over its known pixels, f32[b]; 0 where none is known."""
    if known is None:
        return pixels.mean((1, 2))
    return _masked(pixels, known).sum((1, 2)) / jnp.maximum(known.sum((1, 2), dtype=jnp.float32), 1.0)
