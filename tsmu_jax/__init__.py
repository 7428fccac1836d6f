"""Task-Specific Model Updates for landslide mapping: one shared encoder, one decoder per ecoregion."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsmu_jax.analysis import LoadedPhase, Selector, load_phase, load_selector
    from tsmu_jax.models.saved import SavedModel, load_model

__version__ = "0.1.0"
__all__ = ["LoadedPhase", "SavedModel", "Selector", "load_model", "load_phase", "load_selector"]


def __getattr__(name: str) -> Any:
    if name in ("SavedModel", "load_model"):  # JAX takes a second to import: not for `--help`
        from tsmu_jax.models import saved

        return getattr(saved, name)
    if name in __all__:
        from tsmu_jax import analysis

        return getattr(analysis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
