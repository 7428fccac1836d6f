"""Adam over three subtrees, of which a phase trains some and freezes the others."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import jax
import optax

from tsmu_jax.models.tsmu import PARTS


def make_optimizer(
    trains: Collection[str],
    *,
    rate: float,
    weight_decay: float = 3e-4,
    clip_norm: float = 0.0,
    decay: str = "weight",
    schedule: str = "constant",
    steps_per_epoch: int = 1,
    epochs: int = 1,
) -> optax.GradientTransformation:
    """Adam for the parts in `trains`; the other parts get no update of any kind, decay included.

    The paper's "weight decay of 0.0003 every 20 epochs until the value of 1e-9 is reached" (section V-F) has two
    readings:
      decay="weight": decoupled weight decay of convolution kernels (AdamW) with `weight_decay`.
      decay="schedule": the learning rate falls by 3e-4 every 20 epochs down to 1e-9, from 1e-3; from another rate
        it falls in proportion.

    Args:
      schedule: "constant", as in the paper, or "cosine": the learning rate falls to 0 along half a cosine over all
        `epochs`, so that a short phase ends at rest. It applies beside either reading of the decay.
      clip_norm: largest global norm of the trained parts' gradient; 0 does not clip.

    Raises:
      ValueError: for an unknown reading or schedule.
    """
    if decay not in ("weight", "schedule"):
        raise ValueError(f"unknown reading of weight decay {decay!r}; known: weight, schedule")
    if schedule not in ("constant", "cosine"):
        raise ValueError(f"unknown schedule of the learning rate {schedule!r}; known: constant, cosine")
    factors: list[optax.Schedule] = []
    if schedule == "cosine":
        factors.append(optax.cosine_decay_schedule(1.0, epochs * steps_per_epoch))
    if decay == "schedule":
        factors.append(_fall(steps_per_epoch))
    current = _product(rate, factors) if factors else rate
    adam = (
        optax.adam(current) if decay == "schedule" else optax.adamw(current, weight_decay=weight_decay, mask=_kernels)
    )
    # Clipping sits inside the partition: outside, frozen parts would count in the norm.
    train = optax.chain(optax.clip_by_global_norm(clip_norm), adam) if clip_norm else adam
    labels = {part: "train" if part in trains else "freeze" for part in PARTS}
    return optax.multi_transform({"train": train, "freeze": optax.set_to_zero()}, labels)


def _kernels(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)


def _fall(steps_per_epoch: int) -> optax.Schedule:
    fall, floor, every = 0.3, 1e-6, 20  # 3e-4 and 1e-9, relative to 1e-3

    def factor(step: Any) -> Any:
        falls = step // (every * steps_per_epoch)
        return jax.numpy.maximum(1 - fall * falls, floor)

    return factor


def _product(rate: float, factors: Sequence[optax.Schedule]) -> optax.Schedule:
    return lambda step: rate * math.prod(factor(step) for factor in factors)
