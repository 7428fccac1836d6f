"""Whose BatchNorm statistics follow the new images, under each form of distillation?

    python -m launch.sweep --config=configs/sweeps/statistics.py:small --config.data.dir=DIR --workdir=runs/statistics

The paper does not say. Moved on new images alone, they change what the old decoders see while no gradient can tell.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, updates
from tsmu_jax.methods import STATISTICS

FORMS = ("bce", "eq11", "mse")


def get_config(variant: str = "small") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    return base(variant, seeds=1 if variant == "demo" else 3)


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    for update in updates(config):
        for statistics, form in itertools.product(STATISTICS, FORMS):
            yield {**update, "statistics.joint_fine_tuning": statistics, "distillation.form": form}
