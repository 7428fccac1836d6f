import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsmu_jax.learning.optimizer import make_optimizer

RATE, DECAY, B1, B2, EPSILON = 1e-2, 3e-2, 0.9, 0.999, 1e-8


def tree(seed: int) -> dict:
    """Every part has a kernel and a bias, except for "new", which may have no decoder yet."""
    random = np.random.default_rng(seed)

    def layer() -> dict[str, np.ndarray]:
        return {"kernel": random.normal(size=(2, 3)), "bias": random.normal(size=3)}

    params = {"shared": layer(), "old": {"old": layer()}, "new": {}}
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)


def run(tx, params, gradients) -> tuple[dict, optax.OptState]:
    state = tx.init(params)
    update = jax.jit(tx.update)
    for gradient in gradients:
        updates, state = update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def adamw(p: np.ndarray, gradients: list[np.ndarray], decay: float) -> np.ndarray:
    """Adam with decoupled weight decay, as in its paper."""
    p = p.astype(np.float64)
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gradients, start=1):
        m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g**2
        p = p - RATE * (m / (1 - B1**t) / (np.sqrt(v / (1 - B2**t)) + EPSILON) + decay * p)
    return p


def test_kernels_decay_and_biases_do_not() -> None:
    params, gradients = tree(0), [tree(seed) for seed in (1, 2, 3)]
    moved, _ = run(make_optimizer(("shared", "old"), rate=RATE, weight_decay=DECAY), params, gradients)
    for name, decay in {"kernel": DECAY, "bias": 0.0}.items():
        history = [np.asarray(g["old"]["old"][name], np.float64) for g in gradients]
        expected = adamw(np.asarray(params["old"]["old"][name]), history, decay)
        np.testing.assert_allclose(moved["old"]["old"][name], expected, rtol=1e-4, atol=1e-6)
    without = adamw(np.asarray(params["old"]["old"]["kernel"]), [np.zeros((2, 3))] * 3, DECAY)
    assert np.abs(without - params["old"]["old"]["kernel"]).max() > 1e-5  # the decay is visible at all


def test_frozen_parts_have_neither_update_nor_decay_nor_memory() -> None:
    params, gradients = tree(0), [tree(seed) for seed in (1, 2)]
    moved, state = run(make_optimizer(("shared",), rate=RATE, weight_decay=DECAY), params, gradients)
    for name in ("kernel", "bias"):
        assert np.array_equal(moved["old"]["old"][name], params["old"]["old"][name])
        assert not np.array_equal(moved["shared"][name], params["shared"][name])
    shapes = [leaf.shape for leaf in jax.tree.leaves(state) if leaf.ndim]
    assert sorted(shapes) == [(2, 3), (2, 3), (3,), (3,)]


def test_nothing_is_trained_where_nothing_is_named() -> None:
    params = tree(0)
    moved, state = run(make_optimizer((), rate=RATE), params, [tree(1)])
    jax.tree.map(np.testing.assert_array_equal, moved, params)
    assert not [leaf for leaf in jax.tree.leaves(state) if leaf.ndim]


@functools.lru_cache
def rates_of(rate: float, steps_per_epoch: int, steps: int, decay: str = "schedule", **schedule: Any) -> np.ndarray:
    """The rate of each step: with an unchanging gradient, the length of Adam's steps."""
    tx = make_optimizer(
        ("shared",), rate=rate, weight_decay=0.0, decay=decay, steps_per_epoch=steps_per_epoch, **schedule
    )
    params = {"shared": {"kernel": jnp.zeros((1, 1))}, "old": {}, "new": {}}
    gradient = jax.tree.map(jnp.ones_like, params)

    def step(state, _):
        updates, state = tx.update(gradient, state, params)
        return state, -updates["shared"]["kernel"][0, 0]

    return np.asarray(jax.lax.scan(step, tx.init(params), length=steps)[1])


def test_schedule_reading_lets_the_rate_fall_every_20_epochs() -> None:
    rates = rates_of(1e-3, 3, 60 * 6)
    expected = np.repeat([1e-3, 7e-4, 4e-4, 1e-4, 1e-9, 1e-9], 60)
    np.testing.assert_allclose(rates, expected, rtol=1e-3)


def test_schedule_reading_is_proportional_from_another_rate() -> None:
    rates = rates_of(1e-5, 1, 20 * 5)
    np.testing.assert_allclose(rates, np.repeat([1e-5, 7e-6, 4e-6, 1e-6, 1e-11], 20), rtol=1e-3)


def test_cosine_falls_to_zero_over_the_whole_phase() -> None:
    rates = rates_of(1e-3, 5, 40, "weight", schedule="cosine", epochs=8)
    expected = 1e-3 * (1 + np.cos(np.pi * np.arange(40) / 40)) / 2
    np.testing.assert_allclose(rates, expected, rtol=1e-3, atol=1e-9)
    constant = rates_of(1e-3, 5, 40, "weight", schedule="constant", epochs=8)
    np.testing.assert_allclose(constant, 1e-3, rtol=1e-3)
    both = rates_of(1e-3, 1, 60, "schedule", schedule="cosine", epochs=60)
    falls = np.repeat([1.0, 0.7, 0.4], 20) * (1 + np.cos(np.pi * np.arange(60) / 60)) / 2
    np.testing.assert_allclose(both, 1e-3 * falls, rtol=1e-3, atol=1e-9)


def test_schedule_reading_has_no_weight_decay() -> None:
    params = tree(0)
    still = jax.tree.map(jnp.zeros_like, params)
    tx = make_optimizer(("shared", "old"), rate=RATE, weight_decay=DECAY, decay="schedule")
    moved, _ = run(tx, params, [still])
    jax.tree.map(np.testing.assert_array_equal, moved, params)


def test_clipping_takes_the_norm_of_the_trained_parts_alone() -> None:
    params, gradients = tree(0), [tree(1), jax.tree.map(lambda x: 30 * x, tree(2))]
    for gradient in gradients:
        gradient["old"] = jax.tree.map(lambda x: 1e6 * x, gradient["old"])  # frozen
    tx = make_optimizer(("shared",), rate=RATE, weight_decay=0.0, clip_norm=3.0)
    moved, _ = run(tx, params, gradients)
    shared = [jax.tree.map(lambda x: np.asarray(x, np.float64), g["shared"]) for g in gradients]
    norms = [np.sqrt(sum((leaf**2).sum() for leaf in g.values())) for g in shared]
    assert norms[0] < 3 < norms[1]  # only the second one is too long
    for name in ("kernel", "bias"):
        expected = adamw(np.asarray(params["shared"][name]), [shared[0][name], shared[1][name] * 3 / norms[1]], 0)
        np.testing.assert_allclose(moved["shared"][name], expected, rtol=1e-4, atol=1e-6)
        unclipped = adamw(np.asarray(params["shared"][name]), [g[name] for g in shared], 0)
        assert np.abs(unclipped - expected).max() > 1e-4


def test_unknown_reading() -> None:
    with pytest.raises(ValueError, match="'both'; known: weight, schedule"):
        make_optimizer(("new",), rate=RATE, decay="both")


def test_unknown_schedule() -> None:
    with pytest.raises(ValueError, match="'linear'; known: constant, cosine"):
        make_optimizer(("new",), rate=RATE, schedule="linear")
