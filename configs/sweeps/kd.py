"""Which distillation keeps what the old decoders know: form x temperature x weight (equations 9 to 11).

    python -m launch.sweep --config=configs/sweeps/kd.py:small --config.data.dir=DIR --workdir=runs/kd

The initial training and the freeze phase are those of TSMU, trained once for each held-out ecoregion: a point costs
its joint fine-tuning alone.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, updates

FORMS = ("bce", "eq11", "mse")
TEMPERATURES = (1.0, 2.0, 4.0)  # T
WEIGHTS = (0.1, 1.0, 10.0)  # lambda


def get_config(variant: str = "small") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    return base(variant)


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    for update in updates(config):
        yield {**update, "distillation.weight": 0.0}  # without any: what distillation is worth
        for form, temperature, weight in itertools.product(FORMS, TEMPERATURES, WEIGHTS):
            yield {
                **update,
                "distillation.form": form,
                "distillation.temperature": temperature,
                "distillation.weight": weight,
            }
