"""The network of PyTorch that ours is measured beside is the same network, with the same loss and optimiser."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from tsmu_jax.learning.losses import soft_dice
from tsmu_jax.learning.optimizer import make_optimizer
from tsmu_jax.models.tsmu import Network, forward, init_decoder, init_encoder, make_network, subtree_sizes

torch = pytest.importorskip("torch", reason="PyTorch is not installed; pip install -e '.[benchmarks]'")

from benchmarks import peer  # noqa: E402  (imports PyTorch)

SIDE = 64


@pytest.fixture(scope="module")
def network() -> Network:
    return make_network()


@pytest.fixture(scope="module")
def ours(network: Network) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and statistics of encoder and decoder, none of them what a fresh network has."""
    random = np.random.default_rng(0)

    def drawn(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if leaf.ndim > 1:
            return random.normal(0, np.sqrt(2 / np.prod(leaf.shape[:-1])), leaf.shape).astype(np.float32)
        around = 1.0 if path[-1].key in ("scale", "var") else 0.0
        return (around + random.uniform(-0.3, 0.3, leaf.shape)).astype(np.float32)

    key = jax.random.key(0)
    shapes = {
        "shared": jax.eval_shape(functools.partial(init_encoder, network), key),
        "decoder": jax.eval_shape(functools.partial(init_decoder, network), key),
    }
    trees = {part: jax.tree.map_with_path(drawn, tree) for part, tree in shapes.items()}
    return {part: tree[0] for part, tree in trees.items()}, {part: tree[1] for part, tree in trees.items()}


def test_has_as_many_parameters_as_table_ix_says(network: Network) -> None:
    sizes = peer.sizes(peer.Network())
    assert sizes == {"encoder": 308_960, "decoder": 4_743_985}
    assert sizes == {part: subtree_sizes(network)[part][1] for part in sizes}


def test_the_same_parameters_give_the_same_logits(network: Network, ours: tuple[dict, dict]) -> None:
    params, stats = ours
    image = np.random.default_rng(1).uniform(0, 1, (1, SIDE, SIDE, 6)).astype(np.float32)
    trees = ({"shared": tree["shared"], "old": {"a": tree["decoder"]}, "new": {}} for tree in (params, stats))
    expected = np.asarray(jax.jit(lambda p, s: forward(network, p, s, image, {"a": jnp.ones(1)})[0]["a"])(*trees))
    other = peer.Network().eval().to(memory_format=torch.channels_last)
    peer.copy_parameters(other, params, stats)
    with torch.inference_mode():
        found = other(torch.tensor(image).permute(0, 3, 1, 2)).numpy()
    assert expected.std() > 0.1  # they say something
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.std())


def test_the_same_loss() -> None:
    random = np.random.default_rng(2)
    logits, mask = random.normal(size=(3, 8, 8)).astype(np.float32), random.integers(0, 2, (3, 8, 8)).astype(np.float32)
    found = peer.soft_dice(torch.tensor(logits), torch.tensor(mask)).item()
    assert found == pytest.approx(float(soft_dice(logits=logits, mask=mask).mean()), rel=1e-5)


def test_the_same_optimiser() -> None:
    """Three steps on a kernel, which decays, and on a bias, which does not."""
    random = np.random.default_rng(3)
    layer = torch.nn.Linear(3, 2)
    params = {"kernel": layer.weight.detach().numpy().copy(), "bias": layer.bias.detach().numpy().copy()}
    gradients = [{name: random.normal(size=p.shape).astype(np.float32) for name, p in params.items()} for _ in range(3)]
    tx = make_optimizer(("shared",), rate=1e-2, weight_decay=0.5)
    tree = {"shared": params, "old": {}, "new": {}}
    state = tx.init(tree)
    optimizer = peer.make_optimizer(layer, rate=1e-2, weight_decay=0.5)
    for gradient in gradients:
        updates, state = tx.update({**tree, "shared": gradient}, state, tree)
        tree = optax.apply_updates(tree, updates)
        layer.weight.grad, layer.bias.grad = (torch.tensor(gradient[name]) for name in ("kernel", "bias"))
        optimizer.step()
    np.testing.assert_allclose(layer.weight.detach().numpy(), tree["shared"]["kernel"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.bias.detach().numpy(), tree["shared"]["bias"], rtol=1e-5, atol=1e-6)
