"""Tables of single runs: what they are, R[i, j] and transfer; and what a sweep's configurations make of a method."""

import math
from collections.abc import Sequence

from tsmu_jax.evaluation.continual import backward_transfer, forgetting, forward_transfer
from tsmu_jax.methods import METHODS
from tsmu_jax.reporting.comparison import METHOD_ORDER, Comparison, Setting, Variant
from tsmu_jax.reporting.paper_tables import INTERVALS, SPREADS
from tsmu_jax.reporting.runs import Run
from tsmu_jax.reporting.table import Cell, Column, Table
from tsmu_jax.runs.progress import duration


def runs_table(comparison: Comparison) -> Table:
    """Every run, with the configuration keys in which the runs differ, and which phases others have trained for it."""
    columns = (*_COLUMNS, *(Column(key, digits=None) for key in comparison.keys), *_SHARING, Column("directory"))
    lines = [
        (*_named(run), *(_value(run.config.get(key)) for key in comparison.keys), *_sharing(run), str(run.path))
        for run in comparison.runs
    ]
    return Table("runs", "Runs", columns, tuple(lines), _sharing_notes(comparison.runs))


def matrix_table(comparison: Comparison) -> Table:
    """R[i, j] of every run: mean IoU on each ecoregion after each phase."""
    regions = tuple(dict.fromkeys(name for run in comparison.runs for name in run.ecoregions))
    columns = (*_COLUMNS, Column("after phase"), *(Column(name, "mean IoU") for name in regions))
    lines: list[tuple[Cell, ...]] = []
    for run in comparison.runs:
        for phase in run.phases:
            scores = [phase.iou([name]) if name in phase.tests else None for name in regions]
            lines.append((*_named(run), phase.directory, *scores))
    return Table("matrix", "R[i, j]: IoU on each ecoregion after each phase", columns, tuple(lines))


def transfer_table(comparison: Comparison) -> Table:
    """Backward transfer, forward transfer and forgetting of every run, beside where it ends."""
    titles = ("backward transfer", "forward transfer", "forgetting")
    lines: list[tuple[Cell, ...]] = []
    for run in comparison.runs:
        path = run.trajectory
        moved = [backward_transfer(path), forward_transfer(path, run.everything), forgetting(path)]
        scores = [run.phases[-1].iou(run.members(group)) for group in ("old", "new", "global")]
        lines.append((*_named(run), *(None if math.isnan(value) else value for value in (*moved, *scores))))
    notes = (
        "Backward transfer: mean change of the IoU on an ecoregion from the end of its own update to the end of the "
        "run. Forgetting: mean loss from the best IoU on the way. Forward transfer: mean IoU on an ecoregion just "
        "before the first training on it, less that of calling every pixel a landslide.",
    )
    ends = (Column(group, "mean IoU at the end") for group in ("old", "new", "all"))
    columns = (*_COLUMNS, *(Column(title) for title in titles), *ends)
    return Table("transfer", "Transfer and forgetting", columns, tuple(lines), notes)


def ablation_table(comparison: Comparison) -> Table | None:
    """The configurations of each method that was run with several; None where there is no such method."""
    methods = [method for method in METHOD_ORDER if len(comparison.of_method(method)) > 1]
    if not methods:
        return None
    variants = [variant for method in methods for variant in comparison.of_method(method)]
    keys = tuple(dict.fromkeys(key for variant in variants for key, _ in variant.values))
    keys = tuple(key for key in keys if any(_differs(comparison, method, key) for method in methods))
    columns = [
        Column("method"),
        *(Column(key, digits=None) for key in keys),
        Column("new"),
        Column("seeds", digits=None),
    ]
    columns += [Column(group, "mean IoU") for group in ("old", "new", "all")]
    columns += [Column(group, "difference to the reference") for group in ("old", "new", "all")]
    lines: list[tuple[Cell, ...]] = []
    for variant in variants:
        settings = comparison.settings_of(variant)
        rows: list[tuple[str, tuple[Setting, ...]]] = [(" + ".join(one.new_ecoregions), (one,)) for one in settings]
        rows += [("average", settings)] if len(settings) > 1 else []
        values = dict(variant.values)
        for label, members in rows:
            head = [variant.method, *(_value(values.get(key)) for key in keys), label]
            lines.append((*head, *_scores(comparison, variant, members)))
    named = ", ".join(str(reference.label) for method in methods if (reference := comparison.reference(method)))
    notes = (
        SPREADS,
        f"References: {named}; --reference=KEY=VALUE chooses others.",
        INTERVALS.replace("to TSMU", "to it"),
    )
    return Table("ablation", "Configurations", tuple(columns), tuple(lines), notes)


_SHARING = (Column("copied phases"), Column("seconds of training in the run", digits=None))


def _sharing_notes(runs: Sequence[Run]) -> tuple[str, ...]:
    """Says which phases of the runs were trained; nothing where no phase was copied."""
    phases = [phase for run in runs for phase in run.phases]
    trained = [phase for phase in phases if phase.trained_in is None]
    if len(trained) == len(phases):
        return ()
    spent, whole = (duration(sum(phase.seconds for phase in some)) for some in (trained, phases))
    return (
        f"{len(trained)} of {len(phases)} phases were trained here, in {spent} of {whole}; the others were copied from "
        "runs that had trained them. Copies of releases that did not note them count as trained.",
    )


def _sharing(run: Run) -> list[Cell]:
    copied = [phase.directory for phase in run.phases if phase.trained_in is not None]
    return [", ".join(copied) or None, sum(phase.seconds for phase in run.phases if phase.trained_in is None)]


_COLUMNS = (Column("method"), Column("old"), Column("new"), Column("seed", digits=None))


def _named(run: Run) -> list[Cell]:
    arrow = " → " if run.sequential else " + "
    return [run.method, " + ".join(run.old_ecoregions), arrow.join(run.new_ecoregions), run.seed]


def _scores(comparison: Comparison, variant: Variant, settings: tuple[Setting, ...]) -> list[Cell]:
    groups = ("global",) if METHODS[variant.method].sequential else ("old", "new", "global")
    spreads = {group: comparison.spread(variant, settings, group) for group in groups}
    reference = comparison.reference(variant.method)
    against = None if reference == variant else reference
    differences = {group: comparison.difference(variant, against, group, settings) for group in groups}
    seeds = spreads["global"].seeds if spreads["global"] else None
    shown = ("old", "new", "global")
    return [seeds, *(spreads.get(group) for group in shown), *(differences.get(group) for group in shown)]


def _differs(comparison: Comparison, method: str, key: str) -> bool:
    return len({repr(dict(variant.values).get(key)) for variant in comparison.of_method(method)}) > 1


def _value(value: object) -> Cell:
    """A configuration's value as a cell; truth values and empty texts by name."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    return str(value) or '""'
