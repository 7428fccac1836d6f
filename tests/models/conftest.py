import functools

import jax
import numpy as np
import pytest

from tsmu_jax.learning.state import Model
from tsmu_jax.models.decoder import Decoder
from tsmu_jax.models.encoder import TableIXEncoder
from tsmu_jax.models.tsmu import Network, init_decoder, init_encoder


@pytest.fixture(scope="package")
def network() -> Network:
    """As small as it gets with every kind of layer: compiling is what takes the time."""
    return Network(TableIXEncoder((2,)), Decoder((4, 8), dropout=0.5), channels=3)


@pytest.fixture(scope="package")
def model(network: Network) -> Model:
    """Decoders "a" and "b" (old) and "c" (new), with statistics that are not those of a fresh network."""
    random = np.random.default_rng(0)

    def drawn(init) -> tuple[dict, dict]:
        params, stats = jax.eval_shape(functools.partial(init, network), jax.random.key(0))
        return (
            jax.tree.map(lambda p: random.normal(0, 0.3, p.shape).astype(np.float32), params),
            jax.tree.map(lambda s: random.uniform(0.2, 1.2, s.shape).astype(np.float32), stats),
        )

    shared, *decoders = drawn(init_encoder), *(drawn(init_decoder) for _ in range(3))
    (a, b, c) = decoders
    trees = ({"shared": shared[i], "old": {"a": a[i], "b": b[i]}, "new": {"c": c[i]}} for i in range(2))
    return Model(*trees)


@pytest.fixture(scope="package")
def images() -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(3, 8, 8, 3)).astype(np.float32)
