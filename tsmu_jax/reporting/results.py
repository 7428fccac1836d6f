"""Reads `results.json` without trusting it to be complete: a run cut short has tables and figures too."""

import math
from collections.abc import Mapping, Sequence

GROUPS = ("old", "new", "global")


def phases(results: Mapping[str, object]) -> list[Mapping[str, object]]:
    """The finished phases, first to last."""
    run = results.get("phases")
    return [phase for phase in run if isinstance(phase, Mapping)] if isinstance(run, Sequence) else []


def number(tree: Mapping[str, object], *keys: str) -> float:
    """The number under nested `keys` of a tree; NaN where there is none."""
    value: object = tree
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def names(results: Mapping[str, object], group: str) -> list[str]:
    """Ecoregions of the group "old" or "new", in order of arrival."""
    members = results.get(group)
    return [str(member) for member in members] if isinstance(members, list | tuple) else []


def ecoregions(results: Mapping[str, object]) -> list[str]:
    """All that were evaluated: old ecoregions, then new ones, then any others."""
    found = [*names(results, "old"), *names(results, "new")]
    for phase in phases(results):
        evaluated = phase.get("ecoregions")
        found.extend(str(name) for name in evaluated) if isinstance(evaluated, Mapping) else None
    return list(dict.fromkeys(found))
