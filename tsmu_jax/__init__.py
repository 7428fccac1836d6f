"""Task-Specific Model Updates for landslide mapping: one shared encoder, one decoder per ecoregion."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsmu_jax.analysis import LoadedPhase, Selector, load_phase, load_selector

__version__ = "0.1.0"
__all__ = ["LoadedPhase", "Selector", "load_phase", "load_selector"]


def __getattr__(name: str) -> Any:
    if name in __all__:  # JAX takes a second to import: not for `--help`
        from tsmu_jax import analysis

        return getattr(analysis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
