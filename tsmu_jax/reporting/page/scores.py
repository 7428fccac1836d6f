"""Old against new for all methods, R[i, j] as heat maps, learning curves."""

from collections.abc import Mapping, Sequence

import numpy as np

from tsmu_jax.methods import METHODS
from tsmu_jax.reporting.charts.heat_map import Grid, heat_map
from tsmu_jax.reporting.charts.learning_curves import learning_curves
from tsmu_jax.reporting.charts.shares import Dot, numbered_dots
from tsmu_jax.reporting.comparison import Comparison, Setting, Variant
from tsmu_jax.reporting.costs import update_costs
from tsmu_jax.reporting.page import parts
from tsmu_jax.reporting.page.parts import Block, Chart, Entry
from tsmu_jax.reporting.runs import Run
from tsmu_jax.reporting.table import number

_LOGGED = ("train/loss", "validation/micro_iou")  # one of which a log has that can be drawn


def old_against_new(comparison: Comparison) -> list[Chart]:
    """Mean IoU on old and on new ecoregions of each method, averaged and by setting."""
    known = comparison.settings
    groups: list[tuple[str, Sequence[Setting]]] = [
        (parts.setting_title(one), (one,)) for one in known if one.new_ecoregions
    ]
    if len(known) > 1:
        groups.insert(0, ("average over the ecoregions held out, of methods run on all of them", known))
    drawn = [_old_against_new(comparison, title, members) for title, members in groups]
    return [one for one in drawn if one]


def _old_against_new(comparison: Comparison, title: str, members: Sequence[Setting]) -> Chart | None:
    shown = []
    for variant in comparison.variants:
        on_old, on_new = (comparison.spread(variant, members, group) for group in ("old", "new"))
        if on_old and on_new and not METHODS[variant.method].sequential:
            shown.append((variant, on_old.mean, on_new.mean, _seconds(comparison, variant, members)))
    if not shown:
        return None
    most = max(seconds for *_, seconds in shown) or 1.0
    dots, entries = [], []
    for variant, old_mean, new_mean, seconds in shown:
        style = parts.style(comparison, variant)
        dots.append(Dot(style, old_mean, new_mean, seconds / most))
        note = f"old {number(old_mean, 3)}, new {number(new_mean, 3)}, {number(seconds, None)} s"
        entries.append(Entry(variant.label, style, note))
    return parts.chart(numbered_dots(dots, "IoU, old", "IoU, new"), title, legend=entries, numbered=True)


def _seconds(comparison: Comparison, variant: Variant, members: Sequence[Setting]) -> float:
    costs = [update_costs(run) for run in comparison.all_runs(variant, members)]
    return float(np.mean([cost.seconds if cost else 0.0 for cost in costs]))


def matrices(comparison: Comparison) -> list[Block]:
    """R[i, j] of each variant and setting, averaged over seeds."""
    return [
        Block(
            parts.setting_title(setting),
            [_matrix(variant.label, comparison.runs_of(variant, setting)) for variant in known],
        )
        for setting in parts.settings(comparison)
        if (known := parts.variants(comparison, setting))
    ]


def _matrix(caption: str, by_seed: Mapping[int, Run]) -> Chart:
    runs = list(by_seed.values())
    columns = runs[0].ecoregions
    values = np.mean([[[p.iou([name]) for name in columns] for p in run.phases] for run in runs], axis=0)
    rows = [phase.directory for phase in runs[0].phases]
    framed = np.array([[name in phase.trained_on for name in columns] for phase in runs[0].phases])
    texts = [[number(value, 3) for value in row] for row in values.tolist()]
    grid = Grid(("after phase", rows), ("IoU on", columns), values, texts, framed)
    return parts.chart(heat_map(grid), caption, grid.said)


def curves(comparison: Comparison) -> list[Block]:
    """Losses, validation IoU and drift of each variant and setting, a line a seed; no charts of runs without a log."""
    blocks = []
    for setting in parts.settings(comparison):
        known = {one: comparison.runs_of(one, setting) for one in parts.variants(comparison, setting)}
        charts = [_curves(variant.label, runs) for variant, runs in known.items()]
        blocks.append(Block(parts.setting_title(setting), [one for one in charts if one]))
    return blocks


def _curves(caption: str, runs: Mapping[int, Run]) -> Chart | None:
    logs = {f"seed {seed}": [line for phase in run.phases for line in phase.log] for seed, run in runs.items()}
    if not any(set(_LOGGED) & line.keys() for lines in logs.values() for line in lines):
        return None
    last = [phase.log[-1].get("validation/micro_iou") for run in runs.values() for phase in run.phases if phase.log]
    ends = ", ".join(number(value, 3) for value in last if isinstance(value, int | float))
    said = f"Loss, validation IoU and drift by training step; validation IoU at the end of each phase: {ends}"
    return parts.chart(learning_curves(logs, width=5), caption, said)
