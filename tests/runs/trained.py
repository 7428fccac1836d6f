"""A run without the pictures and the closing table, which take most of a tiny run's time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmu_jax.runs.train import train


def trained(config: Mapping[str, Any], workdir: Path) -> dict[str, Any]:
    """Trains what is not finished. Returns what `results.json` holds."""
    return train(config, workdir).results
