import jax
import numpy as np
import pytest

from tsmu_jax.models.autoencoder import Autoencoder


@pytest.mark.parametrize(("inputs", "hidden"), [(7, 3), (16 * 16 * 6, 32)])
def test_two_fully_connected_layers_and_nothing_else(inputs: int, hidden: int) -> None:
    params = Autoencoder(hidden).init(jax.random.key(0), np.zeros((1, inputs), np.float32))["params"]
    assert {name: layer["kernel"].shape for name, layer in params.items()} == {
        "encode": (inputs, hidden),
        "decode": (hidden, inputs),
    }
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 2 * inputs * hidden + hidden + inputs


def test_logits_are_what_the_formula_says() -> None:
    x = np.random.default_rng(0).uniform(size=(5, 7)).astype(np.float32)
    params = Autoencoder(3).init(jax.random.key(1), x)["params"]
    encode, decode = (jax.tree.map(np.asarray, params[name]) for name in ("encode", "decode"))
    code = (x - 0.5) @ encode["kernel"] + encode["bias"][None]
    assert (code < 0).any() and (code > 0).any()
    code = np.where(code > 0, code, np.expm1(code))
    expected = code @ decode["kernel"] + decode["bias"][None]
    np.testing.assert_allclose(Autoencoder(3).apply({"params": params}, x), expected, rtol=1e-4, atol=1e-5)
