"""What joint fine-tuning gains beyond the paper: one thing at a time on top of TSMU, all together, and all but one.

    python -m launch.sweep --config=configs/sweeps/plus.py:small --config.data.dir=DIR --workdir=runs/plus \
        --config.sweep.held_out=REGION,REGION

Choose by some of the ecoregions and report on the others: `sweep.held_out` names those that arrive. What may be worth
its place lets the larger rate keep the old ecoregions, so everything is tried at both. A point costs its joint
fine-tuning alone. The same with another combination: `--config.sweep.together=features,average`.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, updates
from tsmu_jax.configuration import names
from tsmu_jax.errors import UserError

RATES = (1e-5, 1e-4)
TRIED: dict[str, tuple[Any, ...]] = {  # under config.distillation
    "features": (0.1, 1.0, 10.0),
    "average": (0.9, 0.99),
    "jitter": (0.1, 0.2),
    "dropout": (True,),
    "statistics": ("new",),
    "drift_budget": (0.01, 0.02),
}
TOGETHER = {"features": 1.0, "average": 0.99, "jitter": 0.1, "dropout": True}


def get_config(variant: str = "small") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "paper", "small" or "demo"."""
    return base(variant, together=",".join(TOGETHER))


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    for update, rate in itertools.product(updates(config), RATES):
        for chosen in _combinations(names(config.sweep.together)):
            settings = {f"distillation.{key}": value for key, value in chosen.items()}
            yield {**update, "optimizer.small_rate": rate, **settings}


def _combinations(together: tuple[str, ...]) -> list[dict[str, Any]]:
    """TSMU as it is, each thing tried by itself, all of `together`, and all but one of them; each once."""
    unknown = [key for key in together if key not in TOGETHER]
    if unknown:
        raise UserError(f"--config.sweep.together: nothing is called {unknown[0]!r}; known: {', '.join(TOGETHER)}")
    whole = {key: TOGETHER[key] for key in together}
    alone = [{key: value} for key, values in TRIED.items() for value in values]
    fewer = [{key: value for key, value in whole.items() if key != left_out} for left_out in whole]
    found: list[dict[str, Any]] = []
    for each in ({}, *alone, whole, *fewer):
        if each not in found:
            found.append(each)
    return found
