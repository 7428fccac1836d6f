"""Reading a run's checkpoints for analysis."""

import dataclasses
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.learning.state import Model
from tsmu_jax.models.tsmu import Network, Tree, forward, make_network
from tsmu_jax.rundir import PhaseDirectory


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
        """Names of the decoders, old ones first."""
        return (*self.params["old"], *self.params["new"])

    def predict(self, images: np.ndarray | jax.Array) -> dict[str, np.ndarray]:
        """What every decoder answers.

        Args:
          images: f32[b, h, w, c] in [0, 1]: the run's channels, sides divisible by 2 ** (depth - 1).

        Returns:
          {decoder: f32[b, h, w] probability of landslide}.

        Raises:
          ValueError: the images have another shape, or values outside of [0, 1].
        """
        images = np.asarray(images, np.float32)
        self._check(images)
        return {name: np.asarray(answer) for name, answer in self._answer(images).items()}

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
    def _answer(self) -> Callable[[np.ndarray], dict[str, jax.Array]]:
        @jax.jit
        def answer(params: Tree, batch_stats: Tree, images: jax.Array) -> dict[str, jax.Array]:
            weights = dict.fromkeys(self.decoders, jnp.ones(len(images)))
            logits, _ = forward(self.network, params, batch_stats, images, weights)
            return {name: jax.nn.sigmoid(values) for name, values in logits.items()}

        return functools.partial(answer, self.params, self.batch_stats)

    def _check(self, images: np.ndarray) -> None:
        channels, stride = self.network.channels, self.network.stride
        if images.ndim != 4 or images.shape[-1] != channels or images.shape[1] % stride or images.shape[2] % stride:
            raise ValueError(
                f"images have shape {images.shape}; needed: (b, h, w, {channels}), h and w divisible by {stride}"
            )
        if images.size and not (images.min() >= 0 and images.max() <= 1):
            raise ValueError(f"images lie in [{images.min()}, {images.max()}]; divide them by their maximum intensity")


def load_phase(workdir: str | os.PathLike[str], phase: str) -> LoadedPhase:
    """Reads a finished phase of a run.

    Args:
      workdir: the run's directory.
      phase: its name ("freeze"; the last one of that name), or that of its directory ("02_freeze").

    Raises:
      UserError: there is no such run or no such finished phase; names the finished ones.
    """
    path = Path(workdir)
    config = path / "config.json"
    if not config.exists():
        raise UserError(f"{path}: no run here (it has no config.json)")
    finished = sorted(record.parent.name for record in path.glob("phases/*/phase.json"))
    found = [name for name in finished if phase in (name, name.partition("_")[2])]
    if not found:
        raise UserError(f"{path}: no finished phase {phase!r}; there are {', '.join(finished) or 'none'}")
    directory = PhaseDirectory(path, found[-1])
    model: Model = directory.model()
    return LoadedPhase(
        model.params, model.batch_stats, json.loads(config.read_text())["config"], directory.record() or {}
    )
