"""Tables II to VIII of the paper in their shape: what was measured, and beside it what the paper prints."""

from collections.abc import Mapping
from typing import NamedTuple

from tsmu_jax.methods import METHODS
from tsmu_jax.reporting import paper
from tsmu_jax.reporting.comparison import METHOD_ORDER, REFERENCE, Comparison, Setting, Variant
from tsmu_jax.reporting.table import Cell, Column, Table

# The paper's Tables II to VII; methods that it has no table of follow without a number.
NUMBERED = {
    "leave_one_out": (2, "Model transferability"),
    "retraining": (3, "Retraining"),
    "fine_tuning": (4, "Fine-tuning"),
    "feature_extraction": (5, "Feature extraction"),
    "tsmu": (6, "Task-Specific Model Updates"),
    "joint_training": (7, "Joint training"),
}
ROMAN = {2: "II", 3: "III", 4: "IV", 5: "V", 6: "VI", 7: "VII", 8: "VIII", 9: "IX"}

SPREADS = (
    "Mean IoU of the test images, averaged over seeds, ± their standard deviation where there are several. An average "
    "over ecoregions is given where a method was run on all of those that any was run on."
)
INTERVALS = (
    "Differences are to TSMU, on the same test images of the same seeds, with paired bootstrap 95 % intervals over "
    "test images, widened by the variance between seeds where there are several; better and worse are said only where "
    "the interval excludes 0. They are not corrected for their number: of twenty without any difference one will "
    "exclude 0."
)
PAPER = "The paper's numbers are of its own images, which are not public: 5 test images an ecoregion, 512 x 512."


class _Score(NamedTuple):
    """A column of scores: after which phase, of which group."""

    column: Column
    number: int
    phase: str
    group: str


def transfer_tables(comparison: Comparison) -> list[Table]:
    """Tables II to VII, and one in their shape for each further method: those of the methods that were run.

    Sequential methods hold no ecoregion out and have none.
    """
    methods = dict.fromkeys((*NUMBERED, *METHODS))
    shown = [name for name in methods if comparison.of_method(name) and not METHODS[name].sequential]
    return [_transfer_table(comparison, method) for method in shown]


def _transfer_table(comparison: Comparison, method: str) -> Table:
    variants = comparison.of_method(method)
    rows = table_rows(comparison)
    scores, beside = _scores(method), any(row.setting and row.setting.held_out for row in rows)
    configured = any(variant.values for variant in variants)
    compared = method != "leave_one_out" and any(comparison.counterpart(one) for one in variants)
    columns = [Column("trained on"), Column("new"), *([Column("configuration")] if configured else [])]
    columns += [score.column for score in scores]
    columns += [Column(group, "difference to TSMU") for group in ("old", "new")] if compared else []
    columns += [Column(f"{score.phase} {score.group}", "paper") for score in scores] if beside else []
    lines: list[tuple[Cell, ...]] = []
    for row in rows:
        run = [one for one in variants if all(comparison.runs_of(one, setting) for setting in row.members)]
        for variant in run or [Variant(method)]:
            line: list[Cell] = [*_named(row.setting), *([variant.configuration] if configured else [])]
            line += [comparison.spread(variant, row.members, score.group, phase=score.number) for score in scores]
            if compared:
                against = comparison.counterpart(variant)
                line += [comparison.difference(variant, against, group, row.members) for group in ("old", "new")]
            line += [_printed(method, score, row.paper) for score in scores] if beside else []
            lines.append(tuple(line))
    number, title = NUMBERED.get(method, (0, method))
    name = f"table_{number}_{method}" if number else f"table_{method}"
    title = f"Table {ROMAN[number]}. {title}" if number else title
    notes = (SPREADS, *([INTERVALS] if compared else []), *([PAPER] if beside else []))
    return Table(name, f"{title}: mean IoU", tuple(columns), tuple(lines), notes)


class Row(NamedTuple):
    """A row of a table: a setting, or the average over several."""

    setting: Setting | None  # none for the average
    members: tuple[Setting, ...]
    paper: str | None  # key of the paper's numbers for it


def table_rows(comparison: Comparison) -> list[Row]:
    """One row for each setting, then their average.

    Where several settings were run, one of the paper's experiments among them, all four of these have a row.
    """
    found = list(comparison.settings)
    if len(found) > 1 and any(setting.held_out for setting in found):
        known = {setting.held_out: setting for setting in found}
        rest = [setting for setting in found if setting.held_out is None]
        found = [known.get(name) or _paper_setting(name) for name in paper.ECOREGIONS] + rest
    rows = [Row(setting, (setting,), setting.held_out) for setting in found]
    return [*rows, Row(None, comparison.settings, paper.AVERAGE)] if len(rows) > 1 else rows


def overall_table(comparison: Comparison) -> Table:
    """Table VIII: all test data after the last phase, every method."""
    held_out = any(setting.held_out for setting in comparison.settings)
    regions = {frozenset(run.ecoregions) for run in comparison.runs}
    beside = held_out or frozenset(paper.ECOREGIONS) in regions
    columns = [Column("method"), Column("held out", digits=None), Column("seeds", digits=None), Column("mean IoU")]
    columns += [Column("difference to TSMU")]
    columns += [Column("mean IoU", "paper"), Column("std", "paper")] if beside else []
    lines: list[tuple[Cell, ...]] = []
    for variant in in_order(comparison):
        settings = comparison.settings_of(variant)
        spread = comparison.spread(variant, settings, "global")
        line: list[Cell] = [variant.label, len(settings) or None, spread.seeds if spread else None, spread]
        line += [comparison.difference(variant, comparison.counterpart(variant), "global")]
        if beside:
            line += paper.ALL_TEST_DATA.get(variant.method, (None, None))
        lines.append(tuple(line))
    notes = (
        SPREADS,
        "Averages are taken over the ecoregions held out, of which methods may have different numbers; differences are "
        "not affected: they are taken where both were run. Sequential methods hold none out: all ecoregions arrive.",
        INTERVALS,
        *([PAPER] if beside else []),
    )
    return Table("table_8_all_test_data", "Table VIII. All test data: mean IoU", tuple(columns), tuple(lines), notes)


def differences_table(comparison: Comparison) -> Table:
    """Each method's difference to TSMU by setting and group: every ranking there is."""
    columns = (Column("method"), Column("new"), *(Column(group, "difference") for group in ("old", "new", "all")))
    lines: list[tuple[Cell, ...]] = []
    for variant in comparison.variants:
        against = comparison.counterpart(variant)
        if against is None or METHODS[variant.method].sequential:
            continue
        for row in table_rows(comparison):
            cells = [comparison.difference(variant, against, group, row.members) for group in ("old", "new", "global")]
            if any(cells):
                lines.append((variant.label, _named(row.setting)[1] or "average", *cells))
    reference = comparison.reference(REFERENCE)
    named = f"The reference is {reference.label}." if reference else "No run of TSMU is here to compare with."
    title = "Differences to TSMU: mean IoU after the last phase"
    return Table("differences", title, columns, tuple(lines), (INTERVALS, named))


def in_order(comparison: Comparison) -> list[Variant]:
    """The variants in the order of Table VIII; where several methods were run, the paper's others among them."""
    compared = len({variant.method for variant in comparison.variants}) > 1
    absent = {method: (Variant(method),) for method in paper.ALL_TEST_DATA if compared}
    return [one for method in METHOD_ORDER for one in comparison.of_method(method) or absent.get(method, ())]


def _scores(method: str) -> list[_Score]:
    """Chooses the groups of a method's table: old and new; new alone after a phase that leaves the old as it was."""
    plan = METHODS[method]
    phases = (*plan.initial, *plan.update)
    scores = []
    for index, phase in enumerate(phases):
        title = f"phase {index + 1}, {phase.name}"
        moved = "old" in phase.trains or "shared" in phase.trains
        groups = ("old", "new") if moved or phase is phases[-1] else ("new",)
        scores += [_Score(Column(group, title), index, phase.name, group) for group in groups]
    return scores


def _named(setting: Setting | None) -> list[Cell]:
    return (
        ["average", ""] if setting is None else [" + ".join(setting.old_ecoregions), " + ".join(setting.new_ecoregions)]
    )


def _paper_setting(held_out: str) -> Setting:
    return Setting(tuple(sorted(set(paper.ECOREGIONS) - {held_out})), (held_out,))


def _printed(method: str, score: _Score, key: str | None) -> Cell:
    """Returns the paper's numbers, of a row of its experiments or of its row of averages."""
    known: dict[str, Mapping[str, paper.Pair]] = {"initial": paper.INITIAL, "freeze": paper.FREEZE}
    if score.number and score.phase == METHODS[method].update[-1].name:
        known[score.phase] = paper.UPDATED.get(method, {})
    return getattr(known.get(score.phase, {}).get(key or ""), f"{score.group}_iou", None)
