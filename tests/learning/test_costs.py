import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsmu_jax.batch import RESPONSES
from tsmu_jax.learning import costs
from tsmu_jax.learning.parallel import AXIS, jaxpr_of, padded, pmap_train
from tsmu_jax.learning.state import Model, add_decoder, init_model, start
from tsmu_jax.learning.steps import Objective, make_train_step
from tsmu_jax.models.tsmu import Network, make_network

TX = optax.sgd(0.1)
WHOLE = Objective(trains=("shared", "old"), training=("shared", "old"), supervised=("a",))
FROZEN = dataclasses.replace(WHOLE, trains=("old",), training=("old",))


def step_flops(network: Network, model: Model, objective: Objective, blank: dict[str, np.ndarray]) -> int:
    step = pmap_train(make_train_step(network, TX, objective, axis_name=AXIS))
    return costs.step_flops(step, start(model, TX), blank, jax.random.key(0))


def batch(slots: int) -> dict[str, np.ndarray]:
    return costs.blank_batch(slots, 8, 3, distilled=0)


def test_arithmetic_grows_with_the_batch_and_shrinks_with_what_is_frozen(network: Network, model: Model) -> None:
    def flops(objective: Objective, slots: int = 8) -> int:
        return step_flops(network, model, objective, batch(slots))

    one = flops(WHOLE)
    assert flops(WHOLE, 16) == 2 * one
    assert flops(FROZEN) < 0.95 * one


def test_a_step_is_three_forward_passes_of_what_it_trains() -> None:
    """At a size whose kernel gradients are loops on a CPU: a loop's body counts as often as it runs."""
    network = make_network(channels=3, width=0.5, depth=3, axis_name=AXIS)
    model = add_decoder(init_model(network, jax.random.key(0)), network, jax.random.key(1), part="old", name="a")
    encoder, decoder = costs.forward_flops(network, 64)
    for objective, expected in ((WHOLE, 3 * (encoder + decoder)), (FROZEN, encoder + 3 * decoder)):
        slots = padded(2)
        counted = step_flops(network, model, objective, costs.blank_batch(slots, 64, 3, distilled=0))
        assert counted / slots == pytest.approx(expected, rel=0.01)  # of the images themselves no gradient is needed


@pytest.mark.parametrize(
    ("function", "flops"),
    [
        (lambda x, y: x @ y, 2 * 4 * 6 * 5),
        (lambda x, y: jnp.einsum("bij,bjk->bik", x[None], y[None]) + 1, 2 * 4 * 6 * 5),
        (lambda x, y: jax.lax.scan(lambda total, row: (total + row @ y, None), jnp.zeros(5), x)[0], 2 * 4 * 6 * 5),
        (jax.value_and_grad(lambda x, y: jax.jit(jnp.matmul)(x, y).sum(), argnums=(0, 1)), 3 * 2 * 4 * 6 * 5),
    ],
)
def test_products_are_counted_wherever_they_are(function: Callable[..., jax.Array], flops: int) -> None:
    assert costs.count_flops(jax.make_jaxpr(function)(jnp.ones((4, 6)), jnp.ones((6, 5)))) == flops


@pytest.mark.parametrize("wrap", [lambda mapped: mapped, lambda mapped: jax.jit(lambda *given: mapped(*given))])
def test_a_mapped_step_is_counted_on_one_device_in_either_form(wrap: Callable[..., Callable[..., jax.Array]]) -> None:
    """Several processes, and accelerators, have `pmap` alone."""
    mapped = jax.pmap(lambda x, y: jax.lax.psum(x @ y, AXIS), axis_name=AXIS, in_axes=(0, None), out_axes=None)
    x, y = jnp.ones((jax.device_count(), 4, 6)), jnp.ones((6, 5))
    assert costs.count_flops(jaxpr_of(wrap(mapped), x, y)) == 2 * 4 * 6 * 5


@pytest.mark.parametrize(
    ("image", "kernel", "settings", "flops"),
    [
        ((2, 8, 8, 3), (3, 3, 3, 5), {}, 2 * 2 * 64 * 9 * 3 * 5),
        ((2, 8, 8, 4), (3, 3, 1, 4), {"feature_group_count": 4}, 2 * 2 * 64 * 9 * 4),
        # transposed: each pixel meets each tap once, the frame apart
        ((2, 8, 8, 3), (2, 2, 3, 5), {"lhs_dilation": (2, 2), "padding": ((1, 1), (1, 1))}, 2 * 2 * 64 * 4 * 3 * 5),
    ],
)
def test_convolutions_are_counted_by_what_is_multiplied(image, kernel, settings, flops: int) -> None:
    def convolution(x: jax.Array, y: jax.Array) -> jax.Array:
        given = {"padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC"), **settings}
        return jax.lax.conv_general_dilated(x, y, (1, 1), **given)

    assert costs.count_flops(jax.make_jaxpr(convolution)(jnp.ones(image), jnp.ones(kernel))) == flops


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


def test_costs_are_known_from_shapes_alone(freeze, model: Model, make_batch) -> None:
    """No second state is made or sent for them."""
    freeze.run(jax.tree.map(jnp.array, model), [make_batch(0)])
    shapes, key = jax.eval_shape(lambda: start(model, freeze.tx)), jax.random.key(1)
    with jax.transfer_guard("disallow_explicit"):
        found = [cost(freeze.mapped, shapes, batch(4), key) for cost in (costs.step_flops, costs.step_memory)]
    arrays = start(model, freeze.tx)
    assert found == [cost(freeze.mapped, arrays, batch(4), key) for cost in (costs.step_flops, costs.step_memory)]


@pytest.mark.parametrize("distilled", [0, 2])
def test_blank_batches_hold_responses_where_there_are_any(distilled: int) -> None:
    blank = costs.blank_batch(4, 8, 3, distilled=distilled)
    assert (RESPONSES in blank) == bool(distilled)
    assert not distilled or blank[RESPONSES].shape == (4, 2, 8, 8)
