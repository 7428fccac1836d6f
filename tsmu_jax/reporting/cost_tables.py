"""Table IX, and how costs add up as ecoregions arrive."""

from collections.abc import Callable, Sequence

import numpy as np

from tsmu_jax.evaluation.intervals import Spread, spread
from tsmu_jax.methods import METHODS, Method
from tsmu_jax.reporting import paper
from tsmu_jax.reporting.comparison import Comparison, Variant
from tsmu_jax.reporting.costs import (
    UpdateCosts,
    cumulative_seconds,
    grows,
    images_per_ecoregion,
    measured_rates,
    update_costs,
)
from tsmu_jax.reporting.paper_tables import Row, in_order, table_rows
from tsmu_jax.reporting.table import Cell, Column, Table

ECOREGIONS = 8  # up to which costs are added up

_Value = Callable[[UpdateCosts], float | None]

# What Table IX says of each method, then what it does not.
_QUANTITIES: tuple[tuple[str, _Value], ...] = (
    ("epochs", lambda costs: costs.epochs),
    ("time (s)", lambda costs: costs.seconds),
    ("images", lambda costs: costs.images),
    ("trainable parameters", lambda costs: costs.trainable_parameters),
    ("all parameters", lambda costs: costs.total_parameters),
    ("arithmetic (GFLOP)", lambda costs: None if costs.flops is None else costs.flops / 1e9),
    ("peak memory (MiB a device)", lambda costs: _mebibytes(costs.peak_memory_bytes)),
)

_NOTES = (
    "Of an update alone: the initial training, which all methods share, is not counted; the freeze phase and the "
    "storing of responses are. Time includes compilation and validation. Means over seeds, ± their standard "
    "deviation where there are several.",
    "Images are those of an epoch, augmented draws and all. Sequential methods: the sum of all their updates.",
    "Arithmetic counts the products and convolutions of one training step, two for each multiplication and its "
    "addition, times the steps; peak memory is the compiler's plan for one step: arguments, results and what lies "
    "between. Validation and stored responses are left out of both.",
)
_PAPER = (
    "The paper's times are hours on an RTX 2080 Ti, printed to a tenth; its trainable parameters are all parameters of "
    "the model and its moving statistics. It prints one number for sequential TSMU and for all data, end to end "
    "from the first ecoregion on; they stand beside the averages."
)


def costs_table(comparison: Comparison) -> Table:
    """Table IX: what an update costs."""
    rows = table_rows(comparison)  # here columns
    beside = any(row.paper and row.setting for row in rows)
    columns = [Column("method"), Column("of an update")]
    for row in rows:
        group = " + ".join(row.setting.new_ecoregions) if row.setting else "average"
        columns += [Column("measured", group, None), *([Column("paper", group, None)] if beside else [])]
    if not rows:  # sequential runs alone
        rows, columns = [Row(None, (), None)], [*columns, Column("measured", digits=None)]
    lines: list[tuple[Cell, ...]] = []
    for variant in in_order(comparison):
        if not METHODS[variant.method].update:
            continue
        for quantity, value in _QUANTITIES:
            line: list[Cell] = [variant.label, quantity]
            for row in rows:
                line.append(_measured(comparison, variant, row, value))
                line += [_printed(variant.method, quantity, row)] if beside else []
            if any(cell is not None for cell in line[2:]):
                lines.append(tuple(line))
    return Table(
        "table_9_costs",
        "Table IX. Additional training",
        tuple(columns),
        tuple(lines),
        (*_NOTES, *([_PAPER] if beside else [])),
    )


def cumulative_table(comparison: Comparison) -> Table:
    """Training time in seconds up to the k-th ecoregion, k = 1 to 8, from what each kind of phase took."""
    columns = [
        Column("method"),
        *(Column(str(k), "ecoregions", None) for k in range(1, ECOREGIONS + 1)),
        Column("growth"),
    ]
    lines: list[tuple[Cell, ...]] = []
    images = images_per_ecoregion(comparison.runs)
    for variant in comparison.variants:
        plan = METHODS[variant.method]
        rates = measured_rates(comparison.all_runs(variant))
        total = cumulative_seconds(variant.method, rates, images=images, ecoregions=ECOREGIONS)
        if total is not None:
            lines.append((variant.label, *total.tolist(), _growth(plan)))
    notes = (
        "Seconds of training until so many ecoregions are learned, if they arrive one at a time: the initial training "
        "on the first, then one update for each.",
        "Computed from what the runs took: the seconds of an image in each kind of phase (without compilation and "
        "validation), times the phase's epochs, "
        f"times {images:,.4g} images of an ecoregion and epoch (the mean of the runs' initial trainings) for each "
        "ecoregion that the phase sees: one with new images alone, two with a sample of old ones, all with all data.",
        "In sequential methods the old decoders to distil grow in number; their mean time per step is taken as it was.",
    )
    return Table("cumulative_costs", "Cumulative training time", tuple(columns), tuple(lines), notes)


def _growth(plan: Method) -> str:
    if grows(plan):
        return "quadratic"
    return "about linear" if plan.sequential else "linear"  # each update has one decoder more to distil


def _mebibytes(memory: int | None) -> float | None:
    return None if memory is None else memory / 2**20


def _measured(comparison: Comparison, variant: Variant, row: Row, value: _Value) -> Spread | None:
    """Mean over seeds, of sequential methods in the column of averages only."""
    sequential = METHODS[variant.method].sequential
    if sequential and row.setting:
        return None
    settings = comparison.settings_of(variant) if sequential else row.members
    by_seed: dict[int, list[float]] = {}
    for run in comparison.all_runs(variant, settings):
        costs = update_costs(run)
        number = value(costs) if costs else None
        if number is not None:
            by_seed.setdefault(run.seed, []).append(number)
    most = max(map(len, by_seed.values()), default=0)
    means = [float(np.mean(values)) for values in by_seed.values() if len(values) == most]
    return spread(means) if means else None


def _printed(method: str, quantity: str, row: Row) -> float | None:
    """Returns the paper's numbers: by ecoregion held out; a number for all of them stands beside the averages."""
    costs = paper.COSTS.get(method)
    if costs is None or row.paper is None:
        return None
    numbers: dict[str, Sequence[float]] = {
        "epochs": [costs.epochs] * len(costs.hours),
        "time (s)": [3600 * hours for hours in costs.hours],
        "images": costs.images,
        "trainable parameters": [costs.parameters] * len(costs.hours),
    }
    known = numbers.get(quantity)
    if known is None:
        return None
    if row.paper == paper.AVERAGE:
        return float(np.mean(known))
    return known[paper.ECOREGIONS.index(row.paper)] if len(known) > 1 else None
