"""Models and exports that the tests share."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from tsmu_jax.data.contract import PLAIN, Contract
from tsmu_jax.exporting.run import export_model
from tsmu_jax.models import saved
from tsmu_jax.models.autoencoder import Autoencoder
from tsmu_jax.models.saved import SavedModel, load_model
from tsmu_jax.models.tsmu import init_decoder, init_encoder, make_network

NETWORK = {"variant": "table_ix", "channels": 6, "width": 0.25, "depth": 2}
SIDE = 16
EXAM = 8  # test images
ONNX_SIDE = 32
CHANNELS = tuple(f"{date}-event {colour}" for date in ("pre", "post") for colour in ("red", "green", "blue"))
EXTENT = {"height": (2.0, 2.5, 3.0), "width": (2.0, 2.5, 3.0)}
CONTRACT = Contract(CHANNELS, SIDE, PLAIN, pixels=None, gsd_m=EXTENT)
LINEAGE = {
    "parent": None,
    "run": "first",
    "created": "2026-11-27T09:36:09+00:00",
    "method": "tsmu",
    "ecoregions": ["alps", "andes"],
    "versions": {"jax": "0.12.0.1"},  # four numbers
}
UPDATE = {
    **LINEAGE,
    "parent": "0123456789abcdef" * 4,
    "run": "second",
    "created": "2026-12-01T10:00:00+00:00",
    "ecoregions": ["himalaya"],
}
DECODERS = {"alps+andes": ["alps", "andes"], "himalaya": ["himalaya"]}
TEMPERATURES = {"alps+andes": 2.0, "himalaya": 0.5}


def write_model(path: Path, *, contracts: dict[str, Contract] | None = None, **changes: Any) -> SavedModel:
    """A model of random values, of statistics too. Its answers spread over 0 to 1."""
    network, random = make_network(**NETWORK | changes), np.random.default_rng(0)
    encoder = init_encoder(network, jax.random.key(0))
    decoders = [init_decoder(network, jax.random.key(key)) for key in (1, 2)]
    trees = [
        {"shared": encoder[i], "old": {name: one[i] for name, one in zip(DECODERS, decoders, strict=True)}, "new": {}}
        for i in (0, 1)
    ]
    params, stats = jax.tree.map(np.asarray, trees)
    params, stats = (  # biases and statistics are no longer 0 and 1
        jax.tree.map(lambda x: x + random.uniform(0.01, 0.3, x.shape).astype("f") * (x.ndim == 1), tree)
        for tree in (params, stats)
    )
    images = random.integers(0, 256, (EXAM, SIDE, SIDE, network.channels), np.uint8)
    described: dict[str, Any] = {
        "network": NETWORK | changes,
        "side": SIDE,
        "decoders": {
            name: {"ecoregions": known, "calibration": {"temperature": TEMPERATURES[name]}}
            for name, known in DECODERS.items()
        },
        "ecoregions": {
            name: {
                "contract": dataclasses.asdict((contracts or {}).get(name, CONTRACT)),
                "tests": [str(number) for number in range(EXAM)] if name == "andes" else [],
                "scores": {"images": EXAM, "iou": 0.5, "precision": 0.6, "recall": 0.7, "f1": 0.65, "micro_iou": 0.4},
            }
            for known in DECODERS.values()
            for name in known
        },
        "margin": 0.1,
        "lineage": [LINEAGE, UPDATE],
        "autoencoders": {"side": 8, "hidden": 3},
    }
    exam = {"andes": (images, random.integers(0, 2, images.shape[:3], np.uint8))}
    blank = np.zeros((1, 8 * 8 * network.channels), np.float32)
    chosen = {
        name: Autoencoder(3).init(jax.random.key(key), blank)["params"]
        for key, name in enumerate(described["ecoregions"])
    }

    def write() -> SavedModel:
        saved.save(path, described, params, stats, autoencoders=chosen, exam=exam)
        return load_model(path)

    before, last = write(), f"Pointwise_{NETWORK['depth'] if network.decoder.separable else 0}"
    for name in DECODERS:  # centres and scales the answers
        logits, head = before.logits(images, name), params["old"][name][last]["Dense_0"]
        head["kernel"], head["bias"] = (
            2 * x / logits.std() for x in (head["kernel"], head["bias"] - np.median(logits))
        )
    return write()


def noise(*shape: int) -> np.ndarray:
    """Images in [0, 1]."""
    return np.random.default_rng(1).random(shape, np.float32)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> SavedModel:
    return write_model(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture(scope="session")
def exported(model: SavedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, of both decoders. Nothing may change in the directory."""
    directory = tmp_path_factory.mktemp("exported") / "export"
    export_model(model.path, directory, side=ONNX_SIDE, licences={"alps": "CC-BY-4.0"})
    return directory
