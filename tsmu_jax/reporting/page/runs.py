"""Each run: what it is, how well it ends, what it cost, and its configuration."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tsmu_jax import digests
from tsmu_jax.reporting.comparison import Comparison, setting_of
from tsmu_jax.reporting.costs import update_costs
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.reading import LEAVE_OUT
from tsmu_jax.reporting.runs import Run
from tsmu_jax.reporting.table import number

_PROVENANCE = ("command", "created", "git_revision", "platform")

Facts = Mapping[str, str]


class RunFacts(NamedTuple):
    """A run under its title."""

    title: str
    result: Facts
    configuration: Facts  # what not all runs share
    origin: Facts


def summary(comparison: Comparison) -> Facts:
    """The runs that are compared."""
    regions = dict.fromkeys(name for run in comparison.runs for name in run.ecoregions)
    return {
        "Runs": str(len(comparison.runs)),
        "Methods": ", ".join(dict.fromkeys(variant.method for variant in comparison.variants)),
        "Ecoregions": ", ".join(regions),
        "Seeds": ", ".join(map(str, sorted({run.seed for run in comparison.runs}))),
        "Configurations differ in": ", ".join(comparison.keys) or "nothing",
    }


def configurations(comparison: Comparison) -> tuple[Facts, list[RunFacts]]:
    """The configuration that all runs share, and every run."""
    keys = sorted({key for run in comparison.runs for key in run.config})
    same = [key for key in keys if len({repr(run.config.get(key)) for run in comparison.runs}) == 1]
    shared = {key: _value(comparison.runs[0].config[key]) for key in same}
    runs = [
        RunFacts(
            f"{run.method}, {parts.setting_title(setting_of(run))}, seed {run.seed}",
            _result(run),
            {key: _value(run.config[key]) for key in sorted(run.config) if key not in shared},
            _origin(run),
        )
        for run in comparison.runs
    ]
    return shared, runs


def _result(run: Run) -> Facts:
    """Scores after the last phase, and what the update cost."""
    last, costs = run.phases[-1], update_costs(run)
    facts = {"Phases": " → ".join(phase.name for phase in run.phases)}
    for title, group in (("IoU, old", "old"), ("IoU, new", "new"), ("IoU, all", "global")):
        if members := run.members(group):
            facts[title] = number(last.iou(members), 3)
    facts["Parameters"] = number(last.total_parameters, None)
    if costs:
        facts["Update"] = f"{costs.epochs} epochs, {number(costs.seconds, None)} s"
    return facts


def _origin(run: Run) -> Facts:
    origin: Mapping[str, Any] = digests.read_or_refuse(run.path / "config.json", remedy=LEAVE_OUT)
    facts = {key.replace("_", " "): str(origin[key]) for key in _PROVENANCE if origin.get(key)}
    versions = origin.get("versions")
    if isinstance(versions, Mapping):
        facts["versions"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    return {"directory": str(run.path), **{key: words for key, words in facts.items() if words}}


def _value(value: object) -> str:
    return str(value) if value != "" else '""'
