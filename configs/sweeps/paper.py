"""The paper's protocol (section VI), with the control and `tsmu_plus`: each ecoregion held out in turn, several seeds.

    python -m launch.sweep --config=configs/sweeps/paper.py:demo --workdir=runs/paper_demo
    python -m launch.sweep --config=configs/sweeps/paper.py:small --config.data.dir=DIR --workdir=runs/paper_small

`demo` takes hours on two CPU cores; `--config.sweep.seeds=1` is a fifth of that. Without a variant the images are
512 x 512 and the epochs the paper's: work for GPUs. Sequential TSMU holds no ecoregion out: it starts with the first
one, and the others arrive in their order.
"""

from collections.abc import Iterator
from typing import Any

from ml_collections import config_dict

from launch.space import base, ecoregions, seeds, updates
from tsmu_jax.configuration import names
from tsmu_jax.methods import CONTROL, METHODS, PAPER_METHODS, PLUS


def get_config(variant: str = "default") -> config_dict.ConfigDict:
    """Returns the base configuration of a variant of configs/tsmu.py: "default", "paper", "small" or "demo"."""
    # methods: "tsmu,retraining"; "": those of the paper, tsmu_plus, and feature extraction with as many epochs as TSMU
    return base(variant, methods="", seeds=5 if variant == "demo" else 3)


def points(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each point."""
    methods = names(config.sweep.methods) or (*PAPER_METHODS, *CONTROL, *PLUS)
    for update in updates(config):
        for method in methods:
            if method not in METHODS or not METHODS[method].sequential:
                yield {"method": method, **update}
    first, *others = ecoregions(config)
    for method in methods:
        if method in METHODS and METHODS[method].sequential:
            for seed in seeds(config):
                yield {"method": method, "old": first, "new": ",".join(others), "seed": seed}
