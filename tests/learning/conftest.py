import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
import pytest

from tsmu_jax import methods
from tsmu_jax.batch import DECODER, FLIP, IMAGE, MASK, WEIGHT
from tsmu_jax.learning.answer import Answerer
from tsmu_jax.learning.optimizer import make_optimizer
from tsmu_jax.learning.parallel import AXIS, pmap_train, replicate, shard
from tsmu_jax.learning.state import Model, TrainState, start
from tsmu_jax.learning.steps import Objective, make_train_step
from tsmu_jax.models.decoder import Decoder
from tsmu_jax.models.encoder import TableIXEncoder
from tsmu_jax.models.tsmu import Network, init_decoder, init_encoder

SIDE = 8


def make_network(axis_name: str | None, widths: tuple[int, ...] = (4, 8)) -> Network:
    """As small as it gets with every kind of layer: compiling is what takes the time."""
    encoder = TableIXEncoder((2,), axis_name=axis_name)
    return Network(encoder, Decoder(widths, dropout=0.5, axis_name=axis_name), channels=3)


def drawn_model(network: Network) -> Model:
    """Two old decoders "a" and "b", a new one "new"; statistics that are not those of a fresh network."""
    random = np.random.default_rng(0)

    def drawn(init) -> tuple[dict, dict]:
        shapes = jax.eval_shape(functools.partial(init, network), jax.random.key(0))
        return (
            jax.tree.map(lambda p: random.normal(0, 0.4, p.shape).astype(np.float32), shapes[0]),
            jax.tree.map(lambda s: random.uniform(0.2, 1.2, s.shape).astype(np.float32), shapes[1]),
        )

    shared, a, b, new = drawn(init_encoder), *(drawn(init_decoder) for _ in range(3))
    trees = ({"shared": shared[i], "old": {"a": a[i], "b": b[i]}, "new": {"new": new[i]}} for i in range(2))
    return Model(*trees)


@pytest.fixture(scope="package")
def network() -> Network:
    return make_network(AXIS)


@pytest.fixture(scope="package")
def network_of_one_device() -> Network:
    return make_network(None)


@pytest.fixture(scope="package")
def model(network_of_one_device: Network) -> Model:
    return drawn_model(network_of_one_device)


class Shallow(NamedTuple):
    """A network of one level, for what depends on the objective alone: it compiles in half of the time."""

    network: Network
    network_of_one_device: Network
    model: Model
    answer: Answerer


@pytest.fixture(scope="package")
def shallow() -> Shallow:
    network, of_one_device = (make_network(axis_name, widths=(4,)) for axis_name in (AXIS, None))
    return Shallow(network, of_one_device, drawn_model(of_one_device), Answerer(of_one_device, batch_size=3))


@pytest.fixture(scope="package")
def make_batch() -> Callable[..., dict[str, np.ndarray]]:
    def make(seed: int, images: int = 4) -> dict[str, np.ndarray]:
        random = np.random.default_rng(seed)
        return {
            IMAGE: random.integers(0, 256, (images, SIDE, SIDE, 3), np.uint8),
            MASK: random.integers(0, 2, (images, SIDE, SIDE), np.uint8),
            FLIP: random.permutation(images).astype(np.int32) % 4,
            WEIGHT: np.ones(images, np.float32),
            DECODER: np.zeros(images, np.int32),
        }

    return make


class Training:
    """A training step on all devices, with a state that its steps may consume."""

    def __init__(self, network: Network, tx: optax.GradientTransformation, objective: Objective):
        self.tx, self.objective = tx, objective
        self.mapped = pmap_train(make_train_step(network, tx, objective, axis_name=AXIS))

    def start(self, model: Model) -> TrainState:
        return replicate(start(model, self.tx))

    def run(self, model: Model, batches, seed: int = 0) -> tuple[TrainState, list[dict[str, float]]]:
        state, history = self.start(model), []
        for batch in batches:
            state, metrics = self.mapped(state, shard(batch), jax.random.key(seed))
            history.append({name: float(value) for name, value in metrics.items()})
        return jax.device_get(state), history


def objective_of(phase: methods.Phase, **kwargs: Any) -> Objective:
    return Objective(trains=phase.trains, training=phase.statistics, **kwargs)


@pytest.fixture(scope="package")
def freeze(network: Network) -> Training:
    """The phase `freeze` as TSMU runs it, with a weight decay that would show."""
    tx = make_optimizer(methods.FREEZE.trains, rate=1e-2, weight_decay=0.1, clip_norm=1.0)
    return Training(network, tx, objective_of(methods.FREEZE, supervised=("new",)))


@pytest.fixture(scope="package")
def joint(network: Network) -> Training:
    """The phase `joint_fine_tuning`, towards both old decoders' responses; temperature and weight are no defaults."""
    tx = make_optimizer(methods.JOINT_FINE_TUNING.trains, rate=1e-2)
    settings: dict[str, Any] = {"temperature": 4.0, "kd_weight": 3.0}
    distilled = objective_of(methods.JOINT_FINE_TUNING, supervised=("new",), distilled=("a", "b"), **settings)
    return Training(network, tx, distilled)


@pytest.fixture(scope="package")
def answer(network_of_one_device: Network) -> Answerer:
    return Answerer(network_of_one_device, batch_size=3)


@pytest.fixture(scope="package")
def identical() -> Callable[[Any, Any], bool]:
    """Whether two trees hold the same bits."""

    def same(first: Any, second: Any) -> bool:
        if jax.tree.structure(first) != jax.tree.structure(second):
            return False
        pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
        return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)

    return same
