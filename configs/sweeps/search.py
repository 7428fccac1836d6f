"""Chooses the learning rate and the BatchNorm statistics of each of the paper's methods, by one small search for all.

    python -m launch.sweep --config=configs/sweeps/search.py:demo --workdir=runs/search --max_parallel=2

The search runs the last phase of each method at every rate in `sweep.rates`, once with frozen statistics of the parts
that existed before the phase, and once with statistics that follow its images. Choose by the column "val." of the
closing table: the mean over all ecoregions of the micro IoU of their validation images. The default seed is 100,
because synthetic images differ by seed: results of smaller seeds are then measured on images that the search has not
seen. With `data.dir` a seed only splits the same images anew, so choose on some ecoregions (`sweep.held_out`), and
report on others.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, numbers, updates
from tsmu_jax.methods import PAPER_METHODS


def get_config(variant: str = "small") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    config = base(variant, rates="2e-4,1e-3,5e-3" if variant == "demo" else "1e-5,1e-4,1e-3")
    config.seed = 100
    return config


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    for update, (method, plan) in itertools.product(updates(config), PAPER_METHODS.items()):
        if plan.sequential or not plan.update:  # sequential TSMU takes TSMU's; leave-one-out updates nothing
            continue
        phase = plan.update[-1].settings
        # A decoder that the phase creates has no statistics yet, so its own follow in any case.
        moved = ("new" if plan.update[-1].creates else "frozen", "all") if phase in config.statistics else ("",)
        for rate, statistics in itertools.product(numbers(config, "rates"), moved):
            chosen = {f"statistics.{phase}": statistics} if statistics else {}
            yield {"method": method, **update, f"rates.{phase}": rate, **chosen}
