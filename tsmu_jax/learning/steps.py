"""Pure steps, built by closure: one training step, and one that only answers."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from tsmu_jax.batch import DECODER, FEATURES, FLIP, IMAGE, MASK, RESPONSES, WEIGHT
from tsmu_jax.learning.losses import (
    batch_soft_dice,
    cross_entropy,
    dice_sums,
    drift,
    knowledge_distillation,
    soft_dice,
)
from tsmu_jax.learning.state import TrainState
from tsmu_jax.mask import UNKNOWN
from tsmu_jax.models.tsmu import Network, Tree, encode, forward

Batch = Mapping[str, jax.Array]
Metrics = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Objective:
    """The objective of a training step, and the parts that it trains.

    Attributes:
      trains: parts whose parameters move.
      training: parts that normalise by the batch, move their statistics and drop out.
      supervised: decoders that labels train.
      distilled: old decoders held to their stored responses; none outside of joint fine-tuning.
    """

    trains: Collection[str]
    training: Collection[str]
    supervised: tuple[str, ...]
    distilled: tuple[str, ...] = ()
    dice: str = "image"  # mean over images of soft Dice (the paper), or soft Dice of the whole batch
    smoothing: float = 1.0  # mu
    cross_entropy: float = 0.0  # weight of the labels' cross-entropy beside Dice
    kd: str = "bce"
    temperature: float = 2.0
    kd_weight: float = 1.0  # lambda


def flip(x: jax.Array, code: jax.Array) -> jax.Array:
    """Mirrors each image by its own code. Args: x: [b, h, w, ...]; code: i32[b] in [0, 4)."""
    broadcast = (slice(None), *(None,) * (x.ndim - 1))
    x = jnp.where((code & 1).astype(bool)[broadcast], x[:, :, ::-1], x)
    return jnp.where((code & 2).astype(bool)[broadcast], x[:, ::-1], x)


def to_unit(images: jax.Array) -> jax.Array:
    """u8 to float32 in [0, 1]: division by the maximum intensity (section IV)."""
    return images.astype(jnp.float32) / 255


def _images(batch: Batch) -> jax.Array | None:
    """The images of a batch as the network sees them, flipped; None where it brings their stored features."""
    return None if FEATURES in batch else flip(to_unit(batch[IMAGE]), batch[FLIP])


def make_train_step(
    network: Network, tx: optax.GradientTransformation, objective: Objective, *, axis_name: str | None = None
) -> Callable[[TrainState, Batch, jax.Array], tuple[TrainState, Metrics]]:
    """Returns step(state, batch, key) -> (state, metrics), Algorithm 1's inner loop.

    Loss: soft Dice over the batch's real images (plus, if asked for, their cross-entropy), plus lambda times the
    mean of knowledge distillation over images and old decoders. Unknown ground has no weight in any of them; BatchNorm
    sees it like all other pixels.
    Only the trained parts are differentiated, so a frozen encoder costs no backward pass, and only they are written:
    all other parts leave as they came, to the bit.
    """
    gather = _gather_over(axis_name)
    frozen_encoder = "shared" not in (*objective.trains, *objective.training)

    def step(state: TrainState, batch: Batch, key: jax.Array) -> tuple[TrainState, Metrics]:
        images, mask = _images(batch), flip(batch[MASK], batch[FLIP])
        known, weight = mask != UNKNOWN, batch[WEIGHT]
        total = jnp.maximum(gather(weight.sum()), 1.0)
        routed = {name: weight * (batch[DECODER] == index) for index, name in enumerate(objective.supervised)}
        # A decoder that is only distilled answers for every image.
        weights = {**dict.fromkeys(objective.distilled, weight), **routed}
        keys = _image_keys(jax.random.fold_in(key, state.step), len(weight), axis_name)
        features = batch.get(FEATURES)
        if images is not None and frozen_encoder:  # the precision of stored features, whether they fit or not
            encoded, _ = encode(network, state.params["shared"], state.batch_stats["shared"], images, weight)
            features = _as_stored(encoded)

        def loss_fn(trained: dict[str, Tree]) -> tuple[jax.Array, tuple[dict[str, Tree], Metrics]]:
            params = {**state.params, **trained}
            logits, stats = forward(
                network,
                params,
                state.batch_stats,
                images,
                weights,
                training=objective.training,
                keys=keys,
                features=features,
            )
            loss, metrics = _supervision(objective, logits, (mask, known), routed, total, gather)
            if objective.distilled:
                metrics |= _distillation(objective, logits, batch[RESPONSES], known, weight / total)
                loss = loss + objective.kd_weight * metrics["kd_loss"]
            return loss, (stats, {"loss": loss, **metrics})

        trained = {part: state.params[part] for part in objective.trains}
        gradients, (stats, metrics) = jax.grad(loss_fn, has_aux=True)(trained)
        gradients, metrics = gather((gradients, metrics))
        # Zeros that `set_to_zero` ignores; the compiler drops them.
        frozen = {k: jax.tree.map(jnp.zeros_like, v) for k, v in state.params.items() if k not in trained}
        updates, opt_state = tx.update({**frozen, **gradients}, state.opt_state, state.params)
        moved = {part: optax.apply_updates(trained[part], updates[part]) for part in trained}
        return TrainState(state.step + 1, {**state.params, **moved}, stats, opt_state), metrics

    return step


def _gather_over(axis_name: str | None) -> Callable[[Any], Any]:
    return lambda tree: tree if axis_name is None else lax.psum(tree, axis_name)


def _supervision(
    objective: Objective,
    logits: Mapping[str, jax.Array],
    truth: tuple[jax.Array, jax.Array],
    routed: Mapping[str, jax.Array],
    total: jax.Array,
    gather: Callable[[Any], Any],
) -> tuple[jax.Array, Metrics]:
    """This device's share of what the labels say.

    Args:
      truth: the mask and which of its pixels are known, [b, h, w] each.
      routed: {decoder: f32[b], which images it learns from}.
    """
    mask, known = truth
    dice = [_dice(objective, logits[name], truth, w, total, gather) for name, w in routed.items()]
    metrics = {"dice_loss": jnp.stack(dice).sum()}
    loss = metrics["dice_loss"]
    if objective.cross_entropy:
        surprise = [
            (w * cross_entropy(logits=logits[name], mask=mask, known=known)).sum() for name, w in routed.items()
        ]
        metrics["cross_entropy"] = jnp.stack(surprise).sum() / total
        loss = loss + objective.cross_entropy * metrics["cross_entropy"]
    return loss, metrics


def _dice(
    objective: Objective,
    logits: jax.Array,
    truth: tuple[jax.Array, jax.Array],
    weight: jax.Array,
    total: jax.Array,
    gather: Callable[[Any], Any],
) -> jax.Array:
    """This device's share of one decoder's Dice loss; the shares of all devices and decoders add up to it."""
    mask, known = truth
    if objective.dice == "image":
        each = soft_dice(logits=logits, mask=mask, smoothing=objective.smoothing, known=known)
        return (weight * each).sum() / total
    sums = gather([(weight * each).sum() for each in dice_sums(logits=logits, mask=mask, known=known)])
    whole = batch_soft_dice(sums, smoothing=objective.smoothing)  # the same on every device
    return whole * weight.sum() / total


def _distillation(
    objective: Objective, logits: Mapping[str, jax.Array], stored: jax.Array, known: jax.Array, share: jax.Array
) -> Metrics:
    """This device's share of the distillation loss and of the drift, means over images and old decoders."""
    answers = [(logits[name], stored[:, index]) for index, name in enumerate(objective.distilled)]
    distances = [
        knowledge_distillation(
            logits=now, responses=before, temperature=objective.temperature, form=objective.kd, known=known
        )
        for now, before in answers
    ]
    moved = [drift(logits=now, responses=before, known=known) for now, before in answers]
    return {
        "kd_loss": (share * jnp.stack(distances).mean(0)).sum(),
        "drift": (share * jnp.stack(moved).mean(0)).sum(),
    }


def make_answer_step(network: Network) -> Callable[[Tree, Tree, Batch], jax.Array]:
    """Returns step({"shared", "decoder"} parameters, likewise statistics, batch) -> logits f32[b, h, w].

    Responses, validation and predictions come from it. All decoders share one compiled function; there is one more
    for batches that bring stored features in place of images.
    """

    def step(params: Tree, batch_stats: Tree, batch: Batch) -> jax.Array:
        number = len(next(iter(batch.values())))
        logits, _ = forward(
            network,
            {"shared": params["shared"], "old": {"decoder": params["decoder"]}, "new": {}},
            {"shared": batch_stats["shared"], "old": {"decoder": batch_stats["decoder"]}, "new": {}},
            _images(batch),
            {"decoder": jnp.ones(number)},
            features=batch.get(FEATURES),
        )
        return logits["decoder"]

    return step


def make_encode_step(network: Network) -> Callable[[Tree, Tree, Batch], jax.Array]:
    """Returns step(the encoder's parameters, its statistics, batch) -> features f16[b, h, w, k].

    float16 takes half of the memory of float32 and keeps three decimal digits, more than bfloat16 does.
    """

    def step(params: Tree, batch_stats: Tree, batch: Batch) -> jax.Array:
        images = flip(to_unit(batch[IMAGE]), batch[FLIP])
        features, _ = encode(network, params, batch_stats, images, jnp.ones(len(images)))
        return _as_stored(features)

    return step


def _as_stored(features: jax.Array) -> jax.Array:
    """Features in the precision in which they are stored."""
    largest = float(jnp.finfo(jnp.float16).max)
    return jnp.clip(features.astype(jnp.float32), -largest, largest).astype(jnp.float16)


def _image_keys(key: jax.Array, images: int, axis_name: str | None) -> jax.Array:
    """One key for each image of the whole batch, whichever device it lies on."""
    first = 0 if axis_name is None else lax.axis_index(axis_name) * images
    return jax.vmap(lambda position: jax.random.fold_in(key, position))(first + jnp.arange(images))
