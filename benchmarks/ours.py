"""Our steps by themselves, each built by a function that a candidate names: plain values in, a `Job` out."""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.predict import write_pairs
from benchmarks.worker import Job
from tsmu_jax.batch import FLIP, IMAGE, MASK
from tsmu_jax.compilation import return_memory
from tsmu_jax.data.contract import contract_of
from tsmu_jax.data.source import PairInfo
from tsmu_jax.learning import costs
from tsmu_jax.learning.optimizer import make_optimizer
from tsmu_jax.learning.parallel import AXIS, padded, pmap_answer, pmap_train, replicate, shard
from tsmu_jax.learning.state import Model, add_decoder, init_model, start
from tsmu_jax.learning.steps import Objective, make_answer_step, make_train_step
from tsmu_jax.models import saved
from tsmu_jax.models.tsmu import PARTS, Network, make_network
from tsmu_jax.prediction import pairs
from tsmu_jax.prediction import run as prediction
from tsmu_jax.prediction.output import Output
from tsmu_jax.prediction.predictor import Predictor
from tsmu_jax.scenes.run import map_scene


def train_step(size: int, batch: int, dtype: str = "float32", **network_arguments: Any) -> Job:
    """A step of initial training, from u8 images on the devices to new parameters.

    Args:
      network_arguments: of `make_network`, here and below.
    """
    network, model = _model(dtype, {"old": 1}, **network_arguments)
    parts = ("shared", "old")
    objective = Objective(trains=parts, training=parts, supervised=("old0",))
    return _training(network, model, objective, costs.blank_batch(padded(batch), size, 6, distilled=0))


def joint_fine_tuning_step(size: int, batch: int, old_decoders: int, dtype: str = "float32") -> Job:
    """A step of joint fine-tuning beside `old_decoders`, each held to its stored responses."""
    network, model = _model(dtype, {"old": old_decoders, "new": 1})
    distilled = tuple(model.params["old"])
    objective = Objective(trains=PARTS, training=(), supervised=("new0",), distilled=distilled)
    return _training(network, model, objective, costs.blank_batch(padded(batch), size, 6, distilled=old_decoders))


def inference(size: int, batch: int, dtype: str = "float32", **network_arguments: Any) -> Job:
    """Logits of a batch, from u8 images on the devices."""
    network, model = _model(dtype, {"old": 1}, **network_arguments)
    step = pmap_answer(make_answer_step(network))
    drawn = _drawn(costs.blank_batch(padded(batch), size, 6, distilled=0))
    sent = shard({name: drawn[name] for name in (IMAGE, FLIP)})
    params, stats = (
        replicate({"shared": tree["shared"], "decoder": tree["old"]["old0"]})
        for tree in (model.params, model.batch_stats)
    )

    def run() -> None:
        jax.block_until_ready(step(params, stats, sent))

    return Job(run, warmup=2, lead=2)


def predict(size: int, batch: int, dtype: str = "float32", **network_arguments: Any) -> Job:
    """A folder of `batch` pairs, from PNG files to PNG files, by a saved model that is open."""
    directory = write_pairs(batch, size)
    path = Path(directory.name)
    pair = PairInfo("0", "a", "0", size=(size, size))
    save_model(path / "model", pair, side=size, dtype=dtype, **network_arguments)
    predictor = Predictor(saved.load_model(path / "model"))
    found, bad = pairs.find(path / "input", require_pre=True)
    outputs = (path / f"output{number}" for number in itertools.count())

    def run() -> None:
        with Output(next(outputs), {}) as output:
            prediction.predict(predictor, found, bad, output, ["landslide"])

    return Job(run, warmup=2, close=directory.cleanup)


def scene(model: str, pre: str, post: str, output: str, memory_gib: float, aoi: str | None = None) -> Job:
    """A scene, or of it what lies in `aoi`, from its files to a new map, as `tsmu_jax.predict` makes it."""

    def run() -> None:
        map_scene(model, Path(pre), Path(post), Path(output), memory_gib=memory_gib, aoi=Path(aoi) if aoi else None)

    return Job(run, warmup=0)


def save_model(path: Path, pair: PairInfo, *, side: int, dtype: str = "float32", **network: Any) -> None:
    """Saves a model of random values with one decoder.

    Args:
      pair: of an ecoregion, whose size and ground resolution the training images had, as the model says.
      side: of the squares that they were resized to.
      network: arguments of `make_network`.
    """
    made, model = _model(dtype, {"old": 1}, **network)
    contract = dataclasses.asdict(contract_of([pair], channels=made.channels, side=side))
    description = {
        "network": {"variant": "table_ix", "depth": len(made.decoder.widths), "dtype": dtype, **network},
        "side": side,
        "decoders": {"old0": {"ecoregions": [pair.ecoregion], "calibration": {"temperature": 1.0}}},
        "ecoregions": {pair.ecoregion: {"contract": contract}},
        "margin": 0.1,
    }
    saved.save(path, description, model.params, model.batch_stats, autoencoders={}, exam={})


def _model(dtype: str, decoders: Mapping[str, int], **network_arguments: Any) -> tuple[Network, Model]:
    """The network of Table IX and a model with decoders old0, old1, ..., new0."""
    network = make_network(dtype=dtype, axis_name=AXIS, **network_arguments)
    key = jax.random.key(0)
    model = init_model(network, key)
    for part, number in decoders.items():
        for index in range(number):
            model = add_decoder(model, network, jax.random.fold_in(key, index), part=part, name=f"{part}{index}")
    return network, model


def _training(network: Network, model: Model, objective: Objective, blank: Mapping[str, np.ndarray]) -> Job:
    return_memory()
    tx = make_optimizer(objective.trains, rate=1e-3)
    step = pmap_train(make_train_step(network, tx, objective, axis_name=AXIS))
    state = start(model, tx)
    state, sent, key = replicate(state), shard(_drawn(blank)), jax.random.key(1)

    def run() -> None:
        nonlocal state
        state, metrics = step(state, sent, key)
        jax.block_until_ready((state, metrics))

    def plan() -> dict[str, int | None]:
        return {"planned_bytes": costs.step_memory(step, state, blank, key)}

    return Job(run, warmup=2, facts=plan, lead=2)


def _drawn(blank: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The batch with random images and masks: arithmetic with zeros may be faster."""
    random = np.random.default_rng(0)
    image, mask = blank[IMAGE], blank[MASK]
    return {
        **blank,
        IMAGE: random.integers(0, 256, image.shape, np.uint8),
        MASK: random.integers(0, 2, mask.shape, np.uint8),
    }
