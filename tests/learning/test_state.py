import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tests.growth import kept
from tsmu_jax.learning.state import Model, add_decoder, copy_decoder, init_model, promote, start
from tsmu_jax.models.decoder import Decoder
from tsmu_jax.models.encoder import TableIXEncoder
from tsmu_jax.models.tsmu import Network


@pytest.fixture(scope="module")
def smallest() -> Network:
    return Network(TableIXEncoder((1,)), Decoder((1,)), channels=1)


@pytest.fixture(scope="module")
def model(smallest: Network) -> Model:
    return init_model(smallest, jax.random.key(0))


def test_a_model_starts_without_decoders(model) -> None:
    for tree in (model.params, model.batch_stats):
        assert set(tree) == {"shared", "old", "new"}
        assert tree["shared"] and tree["old"] == tree["new"] == {}


def test_add_decoder_adds_and_leaves_the_rest(smallest, model) -> None:
    with_old = add_decoder(model, smallest, jax.random.key(1), part="old", name="old")
    both = add_decoder(with_old, smallest, jax.random.key(2), part="new", name="new")
    assert model.params["old"] == {}  # the argument is not changed
    assert set(both.params["old"]) == {"old"} and set(both.params["new"]) == {"new"}
    for before, after in ((model.params, both.params), (model.batch_stats, both.batch_stats)):
        assert after["shared"] is before["shared"]
    assert both.params["old"]["old"] is with_old.params["old"]["old"]
    assert set(both.batch_stats["new"]) == {"new"}
    kernels = (both.params[part][part]["Conv_0"]["kernel"] for part in ("old", "new"))
    assert not np.array_equal(*kernels)  # each key its own decoder


def test_a_copied_decoder_is_the_old_one_under_another_name(smallest, model) -> None:
    with_old = add_decoder(model, smallest, jax.random.key(1), part="old", name="old")
    both = copy_decoder(with_old, "old", part="new", name="new")
    assert with_old.params["new"] == {}  # the argument is not changed
    for before, after in ((with_old.params, both.params), (with_old.batch_stats, both.batch_stats)):
        assert after["shared"] is before["shared"] and after["old"] is before["old"]
        leaves = zip(jax.tree.leaves(before["old"]["old"]), jax.tree.leaves(after["new"]["new"]), strict=True)
        assert all(np.array_equal(one, other) for one, other in leaves)


def test_promote_makes_new_decoders_old() -> None:
    params = {"shared": {"k": jnp.ones(1)}, "old": {"a": {"k": jnp.zeros(1)}}, "new": {"b": {"k": jnp.ones(2)}}}
    stats = {"shared": {}, "old": {"a": {"mean": jnp.zeros(1)}}, "new": {"b": {"mean": jnp.ones(3)}}}
    model = promote(Model(params, stats))
    assert model.params == {
        "shared": params["shared"],
        "old": {"a": params["old"]["a"], "b": params["new"]["b"]},
        "new": {},
    }
    assert list(model.batch_stats["old"]) == ["a", "b"] and model.batch_stats["new"] == {}
    assert model.batch_stats["old"]["b"] is stats["new"]["b"]
    assert set(params["old"]) == {"a"}  # the argument is not changed


def test_start_takes_a_fresh_optimizer(model) -> None:
    state = start(model, optax.adam(1e-3))
    assert state.step == 0 and state.step.dtype == jnp.int32
    assert state.params is model.params and state.batch_stats is model.batch_stats
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(state.opt_state))


def test_starting_again_with_an_optimizer_keeps_nothing(model) -> None:
    tx = optax.adam(1e-3)
    assert kept(lambda: jax.eval_shape(lambda each: start(each, tx), model), calls=50) < 10


def test_the_model_of_a_state_has_the_parameters_of_its_last_step(model) -> None:
    doubled = jax.tree.map(lambda leaf: 2 * leaf, model.params)
    state = start(model, optax.adam(1e-3)).replace(params=doubled)
    assert state.model.params is doubled and state.model.batch_stats is model.batch_stats
