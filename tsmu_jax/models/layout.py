"""Where a saved model lies and keeps its parts; apart from `saved.py`, so that asking does not import JAX."""

from pathlib import Path

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError

MANIFEST = "model.json"
PARAMETERS, AUTOENCODERS, EXAM = "parameters", "autoencoders", "exam"  # files, without suffix
EXPORT = "export.json"  # the description of an export, which no model's directory holds
FOLDER = "model"  # in a run's directory
REJECTED = "model.rejected"  # likewise, where an update was not accepted


def directory_of(path: Path) -> Path:
    """Where the model of a run lies, or `path` itself. Raises UserError where there is none to train."""
    if (path / FOLDER / MANIFEST).exists():
        untrusted.refuse_links(path, only=(FOLDER,))
        return path / FOLDER
    if (path / REJECTED / MANIFEST).exists():
        raise UserError(f"{path}: its update was rejected; to use its model all the same, name {path / REJECTED}")
    if (path / EXPORT).exists() and not (path / MANIFEST).exists():
        raise UserError(f"{path}: is an export, which answers and cannot be trained on; name the saved model itself")
    if (path / "config.json").exists() and not (path / MANIFEST).exists():
        reason = "it is unfinished, or of a release that saved none"
        remedy = "its own command goes on with it, and tsmu_jax.load_phase reads its phases"
        raise UserError(f"{path}: this run has no saved model: {reason}; {remedy}")
    return path
