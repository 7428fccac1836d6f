"""An export with StableHLO, opened to predict: the same answers as the saved model's, without its parameters.

EXPORT/export.json                     the model's description, without what training alone needs; the digest
EXPORT/<decoder>.stablehlo             a program of JAX for each decoder: images f32 in [0, 1] to probabilities
EXPORT/autoencoders.safetensors        as in the saved model
"""

import dataclasses
import datetime
import functools
import os
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.models import archive
from tsmu_jax.models.layout import EXPORT
from tsmu_jax.models.saved import SavedModel, check_description, load_model

SCHEMA = 1
STABLEHLO = "stablehlo"


@dataclasses.dataclass(frozen=True, eq=False)
class ExportedModel(SavedModel):
    """Answers as a saved model does; it has no parameters, no exam and no logits."""

    def logits(self, images: np.ndarray, decoder: str) -> np.ndarray:
        """Raises UserError: the programs of an export end in probabilities."""
        raise UserError(f"{self.path}: an export answers with probabilities alone; name the saved model itself")

    def begin(self, images: np.ndarray, decoder: str) -> jax.Array:
        """As `SavedModel.begin`."""
        sent = self._on_devices(images, decoder)
        probabilities = self._programs[decoder](sent)
        probabilities.copy_to_host_async()
        return probabilities

    @functools.cached_property
    def _programs(self) -> dict[str, Callable[[jax.Array], jax.Array]]:
        return {name: self._program(file) for name, file in self.description["formats"][STABLEHLO]["files"].items()}

    def _program(self, file: str) -> Callable[[jax.Array], jax.Array]:
        path, about = self.path / file, self.description["formats"][STABLEHLO]
        try:
            exported = export.deserialize(bytearray(path.read_bytes()))
        except Exception as error:  # of the reader in jax, which names no types
            made = f"written by jax {about['jax']}, which promises that it can be read until {about['expires']}"
            raise UserError(f"{path}: jax {jax.__version__} cannot read it; {made}; export the model again") from error
        here = export.default_export_platform()
        if here not in exported.platforms:
            known = ", ".join(exported.platforms)
            raise UserError(f"{path}: runs on {known}, and not on {here}; use the saved model itself there")

        @jax.jit
        def answer(images: jax.Array) -> jax.Array:
            if images.dtype == jnp.uint8:
                images = images.astype(jnp.float32) / 255
            result: jax.Array = exported.call(images)
            return result

        return answer


def open_model(path: str | os.PathLike[str]) -> SavedModel:
    """Opens what can predict: a saved model, the run that holds one, or an export with StableHLO.

    Raises:
      UserError: as `load_model` does.
    """
    return load_export(Path(path)) if (Path(path) / EXPORT).exists() else load_model(path)


def load_export(path: Path) -> ExportedModel:
    """Opens an export.

    Raises:
      UserError: a file is missing or has changed, there is no StableHLO in it, or the package that reads it is missing.
    """
    description = archive.read_description(path, EXPORT, schema=SCHEMA)
    try:
        formats = dict(description["formats"])
        if STABLEHLO in formats:
            model = ExportedModel(path, description, {}, {})
            check_description(model)
            _check_programs(model)
    except Exception as error:  # as for saved models
        reason = f"not what tsmu_jax exports ({type(error).__name__}: {str(error):.200}); export the model again"
        raise UserError(f"{path / EXPORT}: {reason}") from error
    if STABLEHLO not in formats:
        held = ", ".join(formats) or "nothing"
        raise UserError(f"{path}: holds {held}, and predicting needs {STABLEHLO}; export with --format={STABLEHLO}")
    try:
        import flatbuffers  # noqa: F401
    except ImportError as error:
        raise UserError(f"{path}: to read it needs {error.name}: pip install 'tsmu_jax[export]'") from error
    return model


def _check_programs(model: ExportedModel) -> None:
    """Raises ValueError or KeyError where the programs are not those of the decoders, or lie elsewhere."""
    about = model.description["formats"][STABLEHLO]
    if set(about["files"]) != set(model.decoders):
        raise ValueError("decoders and programs differ")
    untrusted.names(about["files"].values(), "a program")
    if missing := set(about["files"].values()) - set(model.description["files"]):
        raise ValueError(f"{min(missing)!r:.100} is none of its files")
    datetime.date.fromisoformat(about["expires"])
    str(about["jax"])
