"""Shared by sweep files: the base configuration, its ecoregions, each of them held out in turn."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import config_dict

from tsmu_jax import configuration
from tsmu_jax.errors import UserError
from tsmu_jax.runs.experiment import ecoregions_of

CONFIG = Path(__file__).parents[1] / "configs" / "tsmu.py"


def base(variant: str, **knobs: Any) -> config_dict.ConfigDict:
    """Returns a variant of configs/tsmu.py with the knobs of a sweep beside it.

    Args:
      variant: "default", "paper", "small" or "demo".
      knobs: settings of the sweep itself, under `config.sweep`; the points do not see them. All sweeps have:
        ecoregions: which of the data's take part, "etf,nad"; "": all of them.
        held_out: which of these arrive, one at a time; "": each in turn.
        seeds: how many, from `config.seed` on.
    """
    config = runpy.run_path(str(CONFIG))["get_config"](variant).unlock()
    config.sweep = config_dict.ConfigDict({"ecoregions": "", "held_out": "", "seeds": 1} | knobs)
    return config.lock()


def ecoregions(config: config_dict.ConfigDict) -> tuple[str, ...]:
    """The ecoregions that take part, in the order of `sweep.ecoregions` or else of the paper.

    Raises:
      UserError: there is only one, so that none is left to begin with.
    """
    of_runs = {key: value for key, value in config.to_dict().items() if key != "sweep"}
    found = configuration.names(config.sweep.ecoregions) or ecoregions_of(of_runs)
    if len(found) < 2:
        raise UserError(f"--config.sweep.ecoregions={config.sweep.ecoregions}: one arrives after others; name two")
    return found


def seeds(config: config_dict.ConfigDict) -> range:
    """The seeds of the sweep."""
    return range(config.seed, config.seed + config.sweep.seeds)


def updates(config: config_dict.ConfigDict) -> Iterator[dict[str, Any]]:
    """Yields the overrides of each update of the paper's protocol: a seed, and the ecoregion that arrives.

    The model starts with all others (section VI-A).
    """
    regions = ecoregions(config)
    for seed in seeds(config):
        for arriving in configuration.names(config.sweep.held_out) or regions:
            # Where all ecoregions take part, leaving the old ones away says the same with a shorter name.
            others = {"old": ",".join(name for name in regions if name != arriving)} if config.sweep.ecoregions else {}
            yield {**others, "new": arriving, "seed": seed}


def numbers(config: config_dict.ConfigDict, knob: str, *, whole: bool = False) -> list[Any]:
    """The numbers of a knob that lists them: "1e-5,1e-4" as float, or "2,4,8" as int where they must be `whole`.

    Raises:
      UserError: a word is no such number.
    """
    words = config.sweep[knob]
    try:
        return [int(word) if whole else float(word) for word in configuration.names(words)]
    except ValueError as error:
        required = "whole numbers, such as 2,4,8,0" if whole else "numbers, such as 1e-5,1e-4"
        raise UserError(f"--config.sweep.{knob}={words}: must be {required}") from error
