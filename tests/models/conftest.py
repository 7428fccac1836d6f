import jax
import numpy as np
import pytest

from tsmu_jax.learning.state import Model, add_decoder, init_model
from tsmu_jax.models.tsmu import Network, make_network


@pytest.fixture(scope="package")
def network() -> Network:
    return make_network(channels=3, width=0.25, depth=3, dropout=0.5)


@pytest.fixture(scope="package")
def model(network: Network) -> Model:
    """Decoders "a" and "b" (old) and "c" (new), with statistics that are not those of a fresh network."""
    model = init_model(network, jax.random.key(0))
    for seed, (name, part) in enumerate({"a": "old", "b": "old", "c": "new"}.items(), start=1):
        model = add_decoder(model, network, jax.random.key(seed), part=part, name=name)
    random = np.random.default_rng(0)
    stats = jax.tree.map(lambda s: random.uniform(0.2, 1.2, s.shape).astype(np.float32), model.batch_stats)
    return Model(model.params, stats)


@pytest.fixture(scope="package")
def images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(3, 16, 16, 3)).astype(np.float32)
