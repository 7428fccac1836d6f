"""Each run: what it is, how well it ends, what it cost, and its configuration."""

import json
from collections.abc import Mapping
from typing import Any

from tsmu_jax.reporting.comparison import Comparison, setting_of
from tsmu_jax.reporting.costs import update_costs
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.markup import Html, element
from tsmu_jax.reporting.reading import LeftOut
from tsmu_jax.reporting.runs import Run
from tsmu_jax.reporting.table import number

_PROVENANCE = ("command", "created", "git_revision", "platform")


def summary_section(comparison: Comparison, left_out: tuple[LeftOut, ...]) -> Html:
    """What is compared here, and what is left out; of a single run first what its update changed."""
    seeds = sorted({run.seed for run in comparison.runs})
    regions = dict.fromkeys(name for run in comparison.runs for name in run.ecoregions)
    facts = {
        "Runs": str(len(comparison.runs)),
        "Methods": ", ".join(dict.fromkeys(variant.method for variant in comparison.variants)),
        "Ecoregions": ", ".join(regions),
        "Seeds": ", ".join(map(str, seeds)),
        "Configurations differ in": ", ".join(comparison.keys) or "nothing",
    }
    said = comparison.runs[0].verdict if len(comparison.runs) == 1 else None
    first = [element("p", element("strong", said))] if said else []
    items = [element("li", f"{one.path}: {one.reason}") for one in left_out]
    missing = [element("h3", "Left out"), element("ul", *items)] if items else []
    return parts.section("summary", "Summary", *first, _facts(facts), *missing)


def runs_section(comparison: Comparison) -> Html:
    """Every run, folded; what all of them share is said once."""
    keys = sorted({key for run in comparison.runs for key in run.config})
    same = [key for key in keys if len({repr(run.config.get(key)) for run in comparison.runs}) == 1]
    shared = {key: _value(comparison.runs[0].config[key]) for key in same}
    blocks = [parts.folded("Configuration that all runs share", _facts(shared))]
    for run in comparison.runs:
        own = {key: _value(run.config[key]) for key in sorted(run.config) if key not in shared}
        title = f"{run.method}, {parts.setting_title(setting_of(run))}, seed {run.seed}"
        details = [element("h4", "Result"), _facts(_result(run)), element("h4", "Configuration"), _facts(own)]
        blocks.append(parts.folded(title, *details, element("h4", "Origin"), _facts(_origin(run))))
    return parts.section("runs", "Runs and their configuration", *blocks)


def _result(run: Run) -> dict[str, str]:
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


def _origin(run: Run) -> dict[str, str]:
    record: Mapping[str, Any] = json.loads((run.path / "config.json").read_text())
    facts = {key.replace("_", " "): str(record[key]) for key in _PROVENANCE if record.get(key)}
    versions = record.get("versions") or {}
    facts["versions"] = ", ".join(f"{name} {version}" for name, version in versions.items())
    return {"directory": str(run.path), **{key: words for key, words in facts.items() if words}}


def _facts(facts: Mapping[str, str]) -> Html:
    pairs = (element("div", element("dt", key), element("dd", words)) for key, words in facts.items())
    return element("dl", *pairs)


def _value(value: object) -> str:
    return str(value) if value != "" else '""'
