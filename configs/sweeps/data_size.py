"""How many pairs of a new ecoregion are enough? TSMU and feature extraction on 2, 4, ... of its training pairs.

    python -m launch.sweep --config=configs/sweeps/data_size.py:small --config.data.dir=DIR --workdir=runs/data_size

The pairs of a smaller number are among those of a larger one, and all numbers are tested on the same images. Held-out
validation pairs are not counted: with early stopping they choose the epoch.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, numbers, updates

METHODS = ("feature_extraction", "tsmu")


def get_config(variant: str = "small") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    return base(variant, pairs="17,34,68,0" if variant == "demo" else "2,4,8,0")  # numbers of training pairs; 0: all


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    for update in updates(config):
        for pairs, method in itertools.product(numbers(config, "pairs", whole=True), METHODS):
            yield {"method": method, **update, "data.new_pairs": pairs}
