"""Does the order of arrival matter? Sequential TSMU in several orders of the ecoregions, drawn at random.

    python -m launch.sweep --config=configs/sweeps/order.py:small --config.data.dir=DIR --workdir=runs/order

Orders that begin alike share what they have in common: the initial training, and the updates up to where they part.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from ml_collections import config_dict

from launch.space import base, ecoregions, seeds


def get_config(variant: str = "small") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    config = base(variant, orders=4 if variant == "demo" else 12)  # at most: four ecoregions have 24
    config.method = "sequential_tsmu"
    return config


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    regions = ecoregions(config)
    rng = np.random.default_rng(config.seed)
    wanted = min(config.sweep.orders, math.factorial(len(regions)))
    orders: dict[tuple[str, ...], None] = {}
    while len(orders) < wanted:
        orders[tuple(regions[index] for index in rng.permutation(len(regions)))] = None
    for first, *others in orders:
        for seed in seeds(config):
            yield {"old": first, "new": ",".join(others), "seed": seed}
