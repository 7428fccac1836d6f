"""Groups runs into what can be compared: methods and configurations, ecoregions held out, seeds."""

import dataclasses
import functools
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.configuration import short
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.intervals import Interval, Sample, Spread, paired_interval, spread
from tsmu_jax.methods import CONTROL, METHODS
from tsmu_jax.reporting import paper
from tsmu_jax.reporting.runs import Run, differing_keys
from tsmu_jax.settings import SETTINGS

REFERENCE = "tsmu"  # the method that differences are taken to
_UP_TO = list(paper.ALL_TEST_DATA).index(REFERENCE)
# Table VIII's, with the control before TSMU, then all others.
METHOD_ORDER = tuple(dict.fromkeys((*list(paper.ALL_TEST_DATA)[:_UP_TO], *CONTROL, *paper.ALL_TEST_DATA, *METHODS)))
ORDER = "order"  # of arrival: what sequential runs may differ in, beside their configuration


class Setting(NamedTuple):
    """Which ecoregions a model starts with and which arrive; of a sequential run all arrive."""

    old_ecoregions: tuple[str, ...]
    new_ecoregions: tuple[str, ...]

    @property
    def held_out(self) -> str | None:
        """The paper's ecoregion whose experiment this is."""
        match = len(self.new_ecoregions) == 1 and {*self.old_ecoregions, *self.new_ecoregions} == set(paper.ECOREGIONS)
        return self.new_ecoregions[0] if match else None


class Variant(NamedTuple):
    """A method under one configuration: its values of the keys in which the runs differ."""

    method: str
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def configuration(self) -> str:
        """The settings that tell it from others, "form=eq11"; empty where no run differs from another."""
        named = short(key for key, _ in self.values)
        return ", ".join(f"{named[key]}={value}" for key, value in self.values)

    @property
    def label(self) -> str:
        """As it stands in tables: "tsmu (form=eq11)"."""
        return f"{self.method} ({self.configuration})" if self.values else self.method


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """All runs of a report.

    Attributes:
      keys: of the configuration, in which runs differ.
      chosen: values that single out the reference among the variants of a method; by default it is the one with most
        default settings, the first one of equals.
    """

    runs: tuple[Run, ...]
    keys: tuple[str, ...]
    chosen: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def _groups(self) -> dict[tuple[Variant, Setting], dict[int, Run]]:
        orders = {run.ecoregions for run in self.runs if run.sequential}
        groups: dict[tuple[Variant, Setting], dict[int, Run]] = {}
        for run in self.runs:
            values = [(key, run.config.get(key)) for key in self.keys if run.concerns(key)]
            if run.sequential and len(orders) > 1:
                values.append((ORDER, " → ".join(run.ecoregions)))
            groups.setdefault((Variant(run.method, tuple(values)), setting_of(run)), {})[run.seed] = run
        return groups

    @functools.cached_property
    def variants(self) -> tuple[Variant, ...]:
        """In the order of Table VIII, then of the runs."""
        found = dict.fromkeys(variant for variant, _ in self._groups)
        return tuple(variant for method in METHOD_ORDER for variant in found if variant.method == method)

    @functools.cached_property
    def settings(self) -> tuple[Setting, ...]:
        """Ecoregions held out, of runs that are not sequential: the paper's in its order, then all others."""
        found = dict.fromkeys(setting for variant, setting in self._groups if not METHODS[variant.method].sequential)
        rank = {name: index for index, name in enumerate(paper.ECOREGIONS)}
        return tuple(sorted(found, key=lambda setting: rank.get(setting.held_out or "", len(rank))))

    def of_method(self, method: str) -> tuple[Variant, ...]:
        """The variants of a method."""
        return tuple(variant for variant in self.variants if variant.method == method)

    def settings_of(self, variant: Variant) -> tuple[Setting, ...]:
        """The settings that a variant was run in."""
        return tuple(setting for known, setting in self._groups if known == variant)

    def runs_of(self, variant: Variant, setting: Setting) -> dict[int, Run]:
        """Runs by seed; none where it was not run."""
        return self._groups.get((variant, setting), {})

    def all_runs(self, variant: Variant, settings: Iterable[Setting] | None = None) -> list[Run]:
        """Every run of a variant, in some settings or in all."""
        chosen = self.settings_of(variant) if settings is None else settings
        return [run for setting in chosen for run in self.runs_of(variant, setting).values()]

    def reference(self, method: str) -> Variant | None:
        """The variant of a method that others are compared with. Raises UserError where `chosen` names none."""
        variants = self.of_method(method)
        unknown = [key for key in self.chosen if key not in (*self.keys, ORDER)]
        if unknown:
            differing = ", ".join(self.keys) or "nothing"
            raise UserError(f"--reference: no two runs differ in {unknown[0]}; they do in {differing}")
        fitting = [one for one in variants if all(_has(one, key, value) for key, value in self.chosen.items())]
        if variants and not fitting and method == REFERENCE:
            known = "; ".join(variant.configuration for variant in variants)
            raise UserError(f"--reference: no run of {method} is so configured; there are {known}")
        return max(fitting or variants, key=_default_settings, default=None)

    def counterpart(self, variant: Variant) -> Variant | None:
        """Returns the variant that differences are taken to: the reference, or a TSMU where it does not agree.

        Two variants agree if they have the same values of all keys that concern both. None for the reference itself.
        """
        reference = self.reference(REFERENCE)
        if variant.method == REFERENCE or reference is None:
            return None if reference == variant else reference
        values = dict(variant.values)
        agreeing = [
            one
            for one in (reference, *self.of_method(REFERENCE))
            if all(values.get(key, value) == value for key, value in one.values)
        ]
        return next(iter(agreeing), reference)

    def spread(self, variant: Variant, settings: Iterable[Setting], group: str, *, phase: int = -1) -> Spread | None:
        """Mean IoU of the test images of a group after a phase, averaged over settings, then over seeds.

        Seeds that lack one of the settings are left out. None if that leaves none.
        """
        run_in = [self.runs_of(variant, setting) for setting in settings]
        seeds = sorted(set.intersection(*map(set, run_in))) if run_in else []
        means = [np.mean([_iou(runs[seed], group, phase) for runs in run_in]) for seed in seeds]
        return spread([float(mean) for mean in means]) if means else None

    def difference(
        self, variant: Variant, reference: Variant | None, group: str, settings: Sequence[Setting] | None = None
    ) -> Interval | None:
        """Mean IoU after the last phase minus that of a reference, on the same images of the same settings and seeds.

        Where `settings` are given, the seeds count with which both were run in all of them; else those of each.

        A sequential variant knows no old and new: it is compared with the mean of the reference's runs in which the
        same ecoregions take turns at arriving.
        """
        if reference is None:
            return None
        seeds: set[int] | None = None
        if settings:
            seeds = set.intersection(*(set(self.runs_of(v, where)) for v in (variant, reference) for where in settings))
            if not seeds:
                return None
        chosen = tuple(self.settings_of(variant) if settings is None else settings)
        pooled = METHODS[variant.method].sequential != METHODS[reference.method].sequential
        theirs = self._comparable(reference, chosen) if pooled else chosen
        scores, others = (
            _samples(self, one, where, group, seeds, pooled=pooled)
            for one, where in ((variant, chosen), (reference, theirs))
        )
        label = repr((variant, reference, group, chosen))
        return paired_interval(scores, others, np.random.default_rng(zlib.crc32(label.encode())))

    def _comparable(self, variant: Variant, settings: Sequence[Setting]) -> list[Setting]:
        regions = {frozenset((*setting.old_ecoregions, *setting.new_ecoregions)) for setting in settings}
        return [
            one for one in self.settings_of(variant) if frozenset((*one.old_ecoregions, *one.new_ecoregions)) in regions
        ]


def compare(runs: Sequence[Run], chosen: Mapping[str, str] | None = None) -> Comparison:
    """Groups runs. Raises UserError where `chosen` fits no run of TSMU."""
    comparison = Comparison(tuple(runs), differing_keys(runs), chosen or {})
    comparison.reference(REFERENCE)
    return comparison


def setting_of(run: Run) -> Setting:
    """A run's setting, in which the order of ecoregions does not count."""
    return (
        Setting((), tuple(sorted(run.ecoregions)))
        if run.sequential
        else Setting(tuple(sorted(run.old_ecoregions)), tuple(sorted(run.new_ecoregions)))
    )


def _default_settings(variant: Variant) -> int:
    return sum(SETTINGS[key].default == value for key, value in variant.values)


def _has(variant: Variant, key: str, value: str) -> bool:
    return any(known == key and str(one) == value for known, one in variant.values)


def _iou(run: Run, group: str, phase: int) -> float:
    return run.phases[phase].iou(run.members(group))


def _samples(
    comparison: Comparison,
    variant: Variant,
    settings: Iterable[Setting],
    group: str,
    seeds: Collection[int] | None,
    *,
    pooled: bool,
) -> dict[Sample, float]:
    """IoU of each test image after the last phase; pooled: one value a seed, the mean over settings.

    Args:
      seeds: those that count; None: all.
    """
    values: dict[Sample, list[float]] = {}
    for setting in settings:
        for seed, run in comparison.runs_of(variant, setting).items():
            if seeds is not None and seed not in seeds:
                continue
            for name in run.members(group):
                test = run.phases[-1].tests[name]
                for image, iou in zip(test.ids, test.iou.tolist(), strict=True):
                    experiment = seed if pooled else (setting, seed)
                    values.setdefault(Sample(experiment, name, image, seed), []).append(iou)
    return {sample: float(np.mean(each)) for sample, each in values.items()}
