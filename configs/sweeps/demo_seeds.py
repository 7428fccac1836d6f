"""Does the demo's update help on every seed? The demo as it is and its control, with ten seeds.

    python -m launch.sweep --config=configs/sweeps/demo_seeds.py --workdir=runs/demo_seeds --max_parallel=2

A seed draws other synthetic images, another split and another network. The control trains the new decoder alone, for
as many epochs as TSMU: what TSMU gains over it is not due to longer training. The closing table has what the update
changed on each seed, and over all of them.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, seeds
from tsmu_jax.methods import CONTROL


def get_config(variant: str = "demo") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    return base(variant, seeds=10)


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    for seed, method in itertools.product(seeds(config), ("tsmu", *CONTROL)):
        yield {"method": method, "seed": seed}
