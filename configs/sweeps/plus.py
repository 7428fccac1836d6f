"""What joint fine-tuning gains beyond the paper: one thing at a time on top of TSMU, several together, all but one.

    python -m launch.sweep --config=configs/sweeps/plus.py:small --config.data.dir=DIR --workdir=runs/plus \
        --config.sweep.held_out=REGION,REGION

Choose by some of the ecoregions and report on the others: `sweep.held_out` names those that arrive. What may be worth
its place lets the larger rate keep the old ecoregions, so everything is tried at both. A point costs its joint
fine-tuning alone. `sweep.methods` names fewer methods, `sweep.rates` other rates in place of `rates.joint_fine_tuning`.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, numbers, updates
from tsmu_jax.configuration import names
from tsmu_jax.methods import CONTROL, METHODS, PAPER_METHODS

TRIED = ("tsmu", *(name for name in METHODS if name not in (*PAPER_METHODS, *CONTROL)))


def get_config(variant: str = "small") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    return base(variant, methods=",".join(TRIED), rates="3e-4,1e-3" if variant == "demo" else "1e-5,1e-4")


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    rates, methods = numbers(config, "rates"), names(config.sweep.methods)
    for update, rate, method in itertools.product(updates(config), rates, methods):
        point = {"method": method, **update, "rates.joint_fine_tuning": rate}
        yield point
        together = METHODS[method].settings if method in METHODS else ()  # an unknown one is named when it is checked
        if len(together) > 1:
            yield from ({**point, "without": left_out} for left_out in together)
