"""How fast may joint fine-tuning move? The small rate decides what is gained and what is forgotten.

python -m launch.sweep --config=configs/sweeps/rates.py:small --config.data.dir=DIR --workdir=runs/rates
"""

from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, updates

RATES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4)


def get_config(variant: str = "small") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    return base(variant)


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    for update in updates(config):
        for rate in RATES:
            yield {**update, "rates.joint_fine_tuning": rate}
