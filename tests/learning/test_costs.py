import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsmu_jax.batch import RESPONSES
from tsmu_jax.learning import costs
from tsmu_jax.learning.state import Model, add_decoder, init_model, start
from tsmu_jax.learning.steps import Objective
from tsmu_jax.models.tsmu import Network, make_network

TX = optax.sgd(0.1)
WHOLE = Objective(trains=("shared", "old"), training=("shared", "old"), dropout=("old",), supervised=("a",))
FROZEN = dataclasses.replace(WHOLE, trains=("old",), training=("old",))
TAUGHT = dataclasses.replace(WHOLE, features=1.0)


def batch(slots: int) -> dict[str, np.ndarray]:
    return costs.blank_batch(slots, 8, 3, distilled=0)


def test_arithmetic_grows_with_the_batch_and_shrinks_with_what_is_frozen(network: Network, model: Model) -> None:
    def flops(objective: Objective, slots: int = 8) -> float:
        return costs.step_flops(network, TX, objective, objective.start(model, TX), batch(slots))

    one, two = flops(WHOLE), flops(WHOLE, 16)
    assert 1.9 < two / one < 2.0  # the optimiser's part does not grow
    assert flops(FROZEN) < 0.9 * one
    assert flops(TAUGHT) > 1.02 * one  # once more through the encoder, which is small here
    shapes = jax.eval_shape(lambda: WHOLE.start(model, TX))
    assert costs.step_flops(network, TX, WHOLE, shapes, batch(8)) == one


def test_a_step_is_three_forward_passes_of_what_it_trains() -> None:
    """At a size whose kernel gradients are loops on a CPU: a loop's body counts as often as it runs."""
    network = make_network(channels=3, width=0.5, depth=3)
    model = add_decoder(init_model(network, jax.random.key(0)), network, jax.random.key(1), part="old", name="a")
    encoder, decoder = costs.forward_flops(network, 64)
    for objective, expected in ((WHOLE, 3 * (encoder + decoder)), (FROZEN, encoder + 3 * decoder)):
        counted = costs.step_flops(
            network, TX, objective, objective.start(model, TX), costs.blank_batch(2, 64, 3, distilled=0)
        )
        assert counted / 2 == pytest.approx(expected, rel=0.1)


def test_memory_of_a_step_that_ran_is_known_without_compiling_it_again(freeze, model: Model, make_batch) -> None:
    freeze.run(jax.tree.map(jnp.array, model), [make_batch(0)])
    state = start(model, freeze.tx)
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if "backend_compile" in event else None
    )
    needed = costs.step_memory(freeze.mapped, state, batch(4), jax.random.key(1))
    assert compiled == []
    jax.jit(lambda x: 3 * x + needed % 7)(np.ones(5))
    assert compiled  # the listener listens
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    assert needed is not None and held < needed < 1000 * held


@pytest.mark.parametrize("distilled", [0, 2])
def test_blank_batches_hold_responses_where_there_are_any(distilled: int) -> None:
    blank = costs.blank_batch(4, 8, 3, distilled=distilled)
    assert (RESPONSES in blank) == bool(distilled)
    assert not distilled or blank[RESPONSES].shape == (4, 2, 8, 8)
