"""Reading a run's checkpoints for analysis."""

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsmu_jax import configuration, digests, untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.selection import choose
from tsmu_jax.learning.autoencoders import downsample, reconstruction_errors
from tsmu_jax.learning.state import Model
from tsmu_jax.models.tsmu import Network, Tree, forward, make_network
from tsmu_jax.runs.directory import PhaseDirectory, RunDirectory

_RESTORE = "restore it from a copy, or load_model what the run has saved"


@dataclasses.dataclass(frozen=True, eq=False)
class LoadedPhase:
    """A model as it was at the end of a phase.

    Attributes:
      params: {"shared": ..., "old": {decoder: ...}, "new": {decoder: ...}}, NumPy arrays.
      batch_stats: likewise, BatchNorm's moving statistics.
      config: the run's resolved configuration.
      record: what the phase left in `phase.json`: its results, and counts of pixels for each test image.
    """

    params: dict[str, Tree]
    batch_stats: dict[str, Tree]
    config: dict[str, Any]
    record: dict[str, Any]

    @property
    def decoders(self) -> tuple[str, ...]:
        """Names of the decoders, those of the part "old" first."""
        return (*self.params["old"], *self.params["new"])

    @property
    def route(self) -> dict[str, str]:
        """Ecoregion -> name of the decoder that answers for it."""
        return {name: scores["decoder"] for name, scores in self.record["result"]["ecoregions"].items()}

    def predict(self, images: np.ndarray | jax.Array) -> dict[str, np.ndarray]:
        """Answers with every decoder.

        Args:
          images: f32[b, h, w, c] in [0, 1]: the run's channels, sides divisible by 2 ** (depth - 1).

        Returns:
          {decoder: f32[b, h, w] probability of landslide}.

        Raises:
          ValueError: the images have another shape, or values outside of [0, 1].
        """
        images = np.asarray(images, np.float32)
        self._check(images)
        return {name: np.asarray(answer) for name, answer in self._answer(jax.device_put(images)).items()}

    @functools.cached_property
    def network(self) -> Network:
        """The modules that the parameters belong to."""
        model = self.config["model"]
        return make_network(
            model["variant"],
            channels=self.config["data"]["channels"],
            width=model["width"],
            depth=model["depth"],
            dropout=model["dropout"],
            momentum=model["bn_momentum"],
            dtype=model["dtype"],
        )

    @functools.cached_property
    def _answer(self) -> Callable[[jax.Array], dict[str, jax.Array]]:
        @jax.jit
        def answer(params: Tree, batch_stats: Tree, images: jax.Array) -> dict[str, jax.Array]:
            weights = dict.fromkeys(self.decoders, jnp.ones(len(images)))
            logits, _ = forward(self.network, params, batch_stats, images, weights)
            return {name: jax.nn.sigmoid(values) for name, values in logits.items()}

        return functools.partial(answer, *jax.device_put((self.params, self.batch_stats)))

    def _check(self, images: np.ndarray) -> None:
        channels, stride = self.network.channels, self.network.stride
        if images.ndim != 4 or images.shape[-1] != channels or images.shape[1] % stride or images.shape[2] % stride:
            raise ValueError(
                f"images have shape {images.shape}; needed: (b, h, w, {channels}), h and w divisible by {stride}"
            )
        _check_values(images)


@dataclasses.dataclass(frozen=True, eq=False)
class Selector:
    """Chooses the ecoregion of image pairs that come without one, and so their decoder (section V-E).

    Attributes:
      autoencoders: parameters of each ecoregion's autoencoder, in the order of arrival.
      config: the run's resolved configuration.
    """

    autoencoders: dict[str, Tree]
    config: dict[str, Any]

    def choose(self, images: np.ndarray | jax.Array) -> tuple[tuple[str, ...], np.ndarray]:
        """Chooses the ecoregion whose autoencoder reconstructs each image with the smallest mean squared error.

        `load_phase(workdir, phase).route` names the decoder of an ecoregion. The run's configuration recommends a
        review of images whose margin is below `selection.margin`.

        Args:
          images: f32[b, h, w, c] in [0, 1]: the run's channels, sides as in training or any larger ones.

        Returns:
          The ecoregion of each image, and the margin f64[b] of the choice: the relative difference of the two
          smallest errors, (second - first) / second, in [0, 1].

        Raises:
          ValueError: the images have another shape, or values outside of [0, 1].
        """
        errors = self.errors(images)
        best, margin = choose(np.stack(list(errors.values()), axis=1))
        names = tuple(errors)
        return tuple(names[column] for column in best), margin

    def errors(self, images: np.ndarray | jax.Array) -> dict[str, np.ndarray]:
        """Mean squared error of the reconstruction by each ecoregion's autoencoder, f32[b]; arguments as `choose`."""
        images = np.asarray(images, np.float32)
        data, side = self.config["data"], min(self.config["selection"]["side"], self.config["data"]["size"])
        if images.ndim != 4 or images.shape[-1] != data["channels"] or min(images.shape[1:3]) < side:
            needed = f"(b, h, w, {data['channels']}), h and w at least {side}"
            raise ValueError(f"images have shape {images.shape}; needed: {needed}")
        _check_values(images)
        small = np.asarray(downsample(jax.device_put(images), side=side))
        return {name: reconstruction_errors(params, small) for name, params in self._placed.items()}

    @functools.cached_property
    def _placed(self) -> dict[str, Tree]:
        """The autoencoders on a device, sent there once."""
        return jax.device_put(self.autoencoders)


def _check_values(images: np.ndarray) -> None:
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images lie in [{images.min()}, {images.max()}]; divide them by their maximum intensity")


def load_selector(workdir: str | os.PathLike[str]) -> Selector:
    """Reads the autoencoders of a run, which choose the decoder of an image whose ecoregion is not known.

    ```
    selector, phase = load_selector("runs/demo"), load_phase("runs/demo", "joint_fine_tuning")
    ecoregions, margins = selector.choose(images)
    decoders = [phase.route[name] for name in ecoregions]
    ```

    Raises:
      UserError: there is no such run, or it has no autoencoders.
    """
    run, config = RunDirectory(Path(workdir)), _config(Path(workdir))
    known = [name for part in ("old", "new") for name in configuration.names(str(config.get(part, "")))]
    if wrong := [name for name in known if not untrusted.is_name(name)]:
        raise UserError(f"{run.path / 'config.json'}: {wrong[0]!r} is no name of an ecoregion; copy the run again")
    trained = {name: run.autoencoder(name).params() for name in known if run.autoencoder(name).record()}
    if not trained:
        raise UserError(f"{run.path}: no autoencoders here; train with --config.selection.epochs above 0")
    return Selector(trained, config)


def load_phase(workdir: str | os.PathLike[str], phase: str) -> LoadedPhase:
    """Reads a finished phase of a run.

    Args:
      workdir: the run's directory.
      phase: its name ("freeze"; the last one of that name), or that of its directory ("02_freeze").

    Raises:
      UserError: there is no such run or no such finished phase; names the finished ones.
    """
    path = Path(workdir)
    config = _config(path)
    finished = RunDirectory(path).finished()
    found = [name for name in finished if phase in (name, name.partition("_")[2])]
    if not found:
        held = ", ".join(finished) or "none"
        raise UserError(f"{path}: no finished phase {phase!r} (one has a phase.json); there are {held}")
    directory = PhaseDirectory(path, found[-1])
    model: Model = directory.model()
    return LoadedPhase(model.params, model.batch_stats, config, directory.record() or {})


def _config(path: Path) -> dict[str, Any]:
    """The resolved configuration of the run in a directory."""
    config = path / "config.json"
    if not config.exists():
        raise UserError(f"{path}: no run here (it has no config.json)")
    untrusted.refuse_links(path)
    found = digests.read_or_refuse(config, remedy=_RESTORE).get("config")
    if not isinstance(found, dict):
        raise UserError(f"{config}: holds no configuration of a run; {_RESTORE}")
    return found
