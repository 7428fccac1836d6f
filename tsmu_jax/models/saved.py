"""The saved model: opened anywhere, without data, configuration file or GPU.

model/model.json                 network, decoders, input contract of each ecoregion, scores, lineage, digest
model/parameters.safetensors     parameters and statistics by subtree and decoder
model/autoencoders.safetensors   one autoencoder an ecoregion, where they were trained
model/exam.safetensors           test pairs of each ecoregion at the network's size, unless left out
"""

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tsmu_jax import untrusted
from tsmu_jax.batch import IMAGE, fill
from tsmu_jax.errors import UserError
from tsmu_jax.models import archive
from tsmu_jax.models.layout import AUTOENCODERS, EXAM, MANIFEST, PARAMETERS, directory_of
from tsmu_jax.models.tsmu import PARTS, Network, Tree, find_decoder, forward, init_decoder, init_encoder, make_network

SCHEMA = 1


@dataclasses.dataclass(frozen=True, eq=False)
class SavedModel:
    """An encoder and its decoders, with all that is needed to apply and to update them.

    Attributes:
      path: the directory.
      description: what `model.json` holds.
      params: {"shared": ..., "old": {decoder: ...}, "new": {decoder: ...}}, NumPy arrays.
      batch_stats: likewise, BatchNorm's moving statistics.
    """

    path: Path
    description: Mapping[str, Any]
    params: Mapping[str, Tree]
    batch_stats: Mapping[str, Tree]

    @property
    def digest(self) -> str:
        """Names the model: equal digests, equal models."""
        return str(self.description["digest"])

    @property
    def decoders(self) -> tuple[str, ...]:
        """Names of the decoders, in the order of their arrival."""
        return tuple(self.description["decoders"])

    @property
    def route(self) -> dict[str, str]:
        """Ecoregion -> name of the decoder that answers for it."""
        return {
            ecoregion: name
            for name, decoder in self.description["decoders"].items()
            for ecoregion in decoder["ecoregions"]
        }

    @property
    def ecoregions(self) -> tuple[str, ...]:
        """Those that the model knows, in the order of their arrival."""
        return tuple(self.description["ecoregions"])

    @property
    def side(self) -> int:
        """Side of the squares that the network was trained on, in pixels."""
        return int(self.description["side"])

    def logits(self, images: np.ndarray, decoder: str) -> np.ndarray:
        """Answers with one decoder, on all devices.

        Args:
          images: u8[b, h, w, c], or f32 in [0, 1]; the model's channels, sides divisible by 2 ** (depth - 1).
          decoder: its name.

        Returns:
          f32[b, h, w], unnormalised.

        Raises:
          UserError: there is no such decoder.
          ValueError: the images have another shape or type, or values outside of [0, 1].
        """
        return np.asarray(self._sent(images, decoder))[: len(images)]

    def predict(self, images: np.ndarray, decoder: str) -> np.ndarray:
        """Calibrated probabilities of landslide, f32[b, h, w] in [0, 1]; arguments as for `logits`."""
        return np.asarray(self.begin(images, decoder))[: len(images)]

    def begin(self, images: np.ndarray, decoder: str) -> jax.Array:
        """Begins what `predict` returns, and does not wait for it.

        Returns:
          f32[n, h, w] on the devices, n at least the number of images: the rows behind theirs mean nothing.
        """
        probabilities = _probabilities(self._sent(images, decoder), self._temperatures[decoder])
        probabilities.copy_to_host_async()
        return probabilities

    def autoencoders(self) -> dict[str, Tree]:
        """The autoencoder of each ecoregion, in the order of arrival; none where none were trained.

        Raises:
          UserError: the file holds no such arrays.
        """
        if AUTOENCODERS + archive.SUFFIX not in self.description["files"]:
            return {}
        try:
            trees = archive.nested(archive.read_arrays(self.path, AUTOENCODERS))
        except ValueError as error:
            raise UserError(f"{self.path / AUTOENCODERS}{archive.SUFFIX}: {error}; save the model again") from error
        return {name: trees[name] for name in self.ecoregions if name in trees}

    def exam(self, ecoregion: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Test images u8[n, s, s, c] and masks u8[n, s, s] of an ecoregion; None where it was left out.

        Raises:
          UserError: the file holds other arrays.
        """
        if EXAM + archive.SUFFIX not in self.description["files"]:
            return None
        arrays = archive.read_arrays(self.path, EXAM, under=f"{ecoregion}/")
        if not arrays:
            return None
        names = self.description["ecoregions"][ecoregion].get("tests", ())
        shape = (len(names), self.side, self.side)
        expected = {f"{ecoregion}/images": (*shape, self.network.channels), f"{ecoregion}/masks": shape}
        if {name: each.shape for name, each in arrays.items() if each.dtype == np.uint8} != expected:
            raise UserError(f"{self.path / EXAM}{archive.SUFFIX}: no exam of {ecoregion!r}; save the model again")
        return arrays[f"{ecoregion}/images"], arrays[f"{ecoregion}/masks"]

    @functools.cached_property
    def network(self) -> Network:
        """The modules that the parameters belong to."""
        return make_network(**self.description["network"])

    @functools.cached_property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(jax.local_devices()), ("images",))

    @functools.cached_property
    def _answer(self) -> Callable[..., jax.Array]:
        @jax.jit
        def answer(params: Tree, batch_stats: Tree, images: jax.Array) -> jax.Array:
            if images.dtype == jnp.uint8:
                images = images.astype(jnp.float32) / 255
            logits, _ = forward(self.network, params, batch_stats, images, {"decoder": jnp.ones(len(images))})
            return logits["decoder"]

        return answer

    def _sent(self, images: np.ndarray, decoder: str) -> jax.Array:
        """Logits on the devices, of images filled up to a multiple of their number."""
        sent = self._on_devices(images, decoder)
        part, _ = find_decoder(self.params, decoder)
        chosen = (
            {"shared": tree["shared"], "old": {"decoder": tree[part][decoder]}, "new": {}} for tree in self._placed
        )
        return self._answer(*chosen, sent)

    def _on_devices(self, images: np.ndarray, decoder: str) -> jax.Array:
        """Checks what is asked, fills the images up to a multiple of the devices' number and sends them there."""
        if decoder not in self.decoders:
            raise UserError(f"{self.path}: no decoder {decoder!r}; there are {', '.join(self.decoders)}")
        images = self._checked(images)
        devices = len(self._mesh.devices)
        whole = fill({IMAGE: images}, -(-len(images) // devices) * devices)[IMAGE]
        return jax.device_put(whole, NamedSharding(self._mesh, PartitionSpec("images")))

    @functools.cached_property
    def _placed(self) -> tuple[Tree, Tree]:
        """Parameters and statistics on every device, sent there once."""
        return jax.device_put((self.params, self.batch_stats), NamedSharding(self._mesh, PartitionSpec()))

    @functools.cached_property
    def _temperatures(self) -> dict[str, jax.Array]:
        """That of each decoder's calibration, on every device."""
        decoders = self.description["decoders"].items()
        values = {name: np.float32(decoder["calibration"]["temperature"]) for name, decoder in decoders}
        return jax.device_put(values, NamedSharding(self._mesh, PartitionSpec()))

    def _checked(self, images: np.ndarray) -> np.ndarray:
        channels, stride = self.network.channels, self.network.stride
        if images.ndim != 4 or images.shape[-1] != channels or images.shape[1] % stride or images.shape[2] % stride:
            raise ValueError(
                f"images have shape {images.shape}; needed: (b, h, w, {channels}), h and w divisible by {stride}"
            )
        if images.dtype == np.uint8:
            return images
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(f"images lie in [{images.min()}, {images.max()}]; divide them by their maximum intensity")
        return images.astype(np.float32)


@jax.jit
def _probabilities(logits: jax.Array, temperature: jax.Array) -> jax.Array:
    return jax.nn.sigmoid(logits / temperature)


def save(
    directory: Path,
    description: Mapping[str, Any],
    params: Mapping[str, Tree],
    batch_stats: Mapping[str, Tree],
    *,
    autoencoders: Mapping[str, Tree],
    exam: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> dict[str, Any]:
    """Writes a model's directory whole or not at all. Returns its description.

    Args:
      description: "network" (arguments of `make_network`), "side", "decoders" ({name: {"ecoregions", "calibration":
        {"temperature"}, ...}}), "ecoregions", and what else is known, all plain values.
      autoencoders: by ecoregion; may be empty.
      exam: images u8 and masks u8 by ecoregion; may be empty.
    """
    arrays = {PARAMETERS: archive.flattened({"params": params, "batch_stats": batch_stats})}
    if autoencoders:
        arrays[AUTOENCODERS] = archive.flattened(autoencoders)
    if exam:
        arrays[EXAM] = archive.flattened({name: {"images": i, "masks": m} for name, (i, m) in exam.items()})
    return archive.write(directory, MANIFEST, {"schema": SCHEMA, **description}, arrays)


def load_model(path: str | os.PathLike[str]) -> SavedModel:
    """Opens a saved model. Args: path: its directory, or that of a run that holds one.

    Raises:
      UserError: there is none, it is of a newer release, a file is missing or has changed, or description and
        parameters do not fit each other.
    """
    directory = directory_of(Path(path))
    description = archive.read_description(directory, MANIFEST, schema=SCHEMA)
    try:
        trees = archive.nested(archive.read_arrays(directory, PARAMETERS))
        params, stats = ({part: trees[kind].get(part, {}) for part in PARTS} for kind in ("params", "batch_stats"))
        model = SavedModel(directory, description, params, stats)
        check_description(model)
        _check_parameters(model)
    except UserError:
        raise
    except Exception as error:  # nobody can list what nonsense raises in the libraries that read it
        reason = f"not what tsmu_jax saves ({type(error).__name__}: {str(error):.200}); save the model again"
        raise UserError(f"{directory / MANIFEST}: {reason}") from error
    return model


def check_description(model: SavedModel) -> None:
    """Raises an error of any kind where the description lacks what every model has.

    Files that changed by accident have been noticed by their digests; a program that wrote both may still be wrong.
    """
    untrusted.names(model.ecoregions, "an ecoregion")  # the update's run has a folder for each
    for described in model.description["ecoregions"].values():
        untrusted.names(described.get("tests", ()), "a test image")  # and a file
        learnt = described.get("learnt") or {}  # not of earlier releases
        images = untrusted.names(learnt.get("id", ()), "a test image")
        for kind in ("tp", "fp", "fn"):
            if [type(count) is int and 0 <= count < 2**53 for count in learnt.get(kind, ())] != [True] * len(images):
                raise ValueError(f"an exam counts no pixels ({kind}) of each image")
    if wrong := [name for name in model.decoders if name in (".", "..") or "/" in name]:
        raise ValueError(f"{wrong[0]!r:.100} is no name of a decoder")
    if set(model.route) != set(model.ecoregions):
        raise ValueError("decoders and ecoregions differ")
    for name, described in model.description["decoders"].items():
        temperature = described["calibration"]["temperature"]
        if not (isinstance(temperature, float) and math.isfinite(temperature) and temperature > 0):
            raise ValueError(f"the temperature of decoder {name} is {temperature!r}")
    halo = model.description.get("halo")  # not of earlier releases
    if halo is not None and not all(type(halo[side]) is int and halo[side] >= 0 for side in ("before", "after")):
        raise ValueError(f"the halo is {halo!r:.100}")
    if model.side < 1 or model.side % model.network.stride:
        raise ValueError(f"the side {model.side} is not divisible by {model.network.stride}")


def _check_parameters(model: SavedModel) -> None:
    """Raises an error of any kind where the parameters are not those of the described network."""
    known = {**model.params["old"], **model.params["new"]}
    if set(known) != set(model.decoders):
        raise ValueError("decoders and parameters differ")
    encoder, decoder = (
        jax.eval_shape(functools.partial(init, model.network), jax.random.key(0))
        for init in (init_encoder, init_decoder)
    )
    found = [(encoder, [tree["shared"] for tree in (model.params, model.batch_stats)])]
    for name in model.decoders:
        found.append((decoder, [find_decoder(tree, name)[1] for tree in (model.params, model.batch_stats)]))
    for expected, trees in found:
        if jax.tree.map(np.shape, tuple(trees)) != jax.tree.map(np.shape, expected):
            raise ValueError("the parameters have other shapes than the network's")
