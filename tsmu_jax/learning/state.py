"""The state that training changes: parameters in three subtrees, batch statistics and the optimiser's memory."""

import functools
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from tsmu_jax.models.tsmu import Network, find_decoder, init_decoder, init_encoder

Tree = Any


class Model(flax.struct.PyTreeNode):
    """Parameters and statistics: handed on to the next phase, to evaluation and to analysis."""

    params: dict[str, Tree]
    batch_stats: dict[str, Tree]


class TrainState(flax.struct.PyTreeNode):
    """The state of one phase: all that its next step depends on, and so all that its periodic checkpoint holds."""

    step: jax.Array  # i32[], of this phase
    params: dict[str, Tree]  # {"shared": ..., "old": {decoder: ...}, "new": {decoder: ...}}
    batch_stats: dict[str, Tree]  # likewise
    opt_state: optax.OptState

    @property
    def model(self) -> Model:
        """The model of the state, which evaluation sees and a phase keeps."""
        return Model(self.params, self.batch_stats)


def init_model(network: Network, key: jax.Array) -> Model:
    """A model with a random encoder and no decoders yet."""
    params, stats = init_encoder(network, key)
    return Model({"shared": params, "old": {}, "new": {}}, {"shared": stats, "old": {}, "new": {}})


def add_decoder(model: Model, network: Network, key: jax.Array, *, part: str, name: str) -> Model:
    """Adds a randomly initialised decoder to the part "old" or "new"."""
    params, stats = init_decoder(network, key)
    return Model(
        {**model.params, part: {**model.params[part], name: params}},
        {**model.batch_stats, part: {**model.batch_stats[part], name: stats}},
    )


def copy_decoder(model: Model, origin: str, *, part: str, name: str) -> Model:
    """Adds a copy of the decoder called `origin` to the part "old" or "new"."""
    (_, params), (_, stats) = (find_decoder(tree, origin) for tree in (model.params, model.batch_stats))
    return Model(
        {**model.params, part: {**model.params[part], name: params}},
        {**model.batch_stats, part: {**model.batch_stats[part], name: stats}},
    )


def promote(model: Model) -> Model:
    """Finishes an update: what was new is old from now on."""

    def moved(tree: dict[str, Tree]) -> dict[str, Tree]:
        return {**tree, "old": {**tree["old"], **tree["new"]}, "new": {}}

    return Model(moved(model.params), moved(model.batch_stats))


def start(model: Model, tx: optax.GradientTransformation) -> TrainState:
    """The state at the beginning of a phase: a fresh optimiser."""
    return TrainState(
        jnp.zeros((), jnp.int32),
        model.params,
        model.batch_stats,
        _initialiser(tx.init)(model.params),
    )


@functools.lru_cache(maxsize=32)
def _initialiser(init: optax.TransformInitFn) -> Callable[[Tree], optax.OptState]:
    """One program instead of one for each shape. Cached, since JAX keeps what it knows of each `jit` of a function."""
    return jax.jit(init)
