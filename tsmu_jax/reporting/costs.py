"""The costs of an update, now and as ecoregions keep arriving."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tsmu_jax.methods import METHODS, Method, Phase
from tsmu_jax.reporting.runs import PhaseResult, Run


class UpdateCosts(NamedTuple):
    """Costs of a run's updates: without its initial training, which all methods share; with the freeze phase.

    Attributes:
      images: of an epoch, the largest number of an update's phases, summed over updates: several phases see the same.
      trainable_parameters: the largest number of a phase.
      flops: of all training steps; None if they were not counted.
      peak_memory_bytes: of a training step on a device, the largest of a phase; None likewise.
    """

    epochs: int
    seconds: float
    images: int
    trainable_parameters: int
    total_parameters: int
    flops: float | None
    peak_memory_bytes: int | None


def update_costs(run: Run) -> UpdateCosts | None:
    """None for a method that does not update."""
    phases = run.updates
    if not phases:
        return None
    updates: dict[tuple[str, ...], list[PhaseResult]] = {}
    for phase in phases:
        updates.setdefault(phase.arrived, []).append(phase)
    flops = [phase.flops for phase in phases if phase.flops is not None]
    memory = [phase.peak_memory_bytes for phase in phases if phase.peak_memory_bytes is not None]
    return UpdateCosts(
        epochs=sum(phase.epochs for phase in phases),
        seconds=sum(phase.seconds for phase in phases),
        images=sum(max(phase.images for phase in update) for update in updates.values()),
        trainable_parameters=max(phase.trainable_parameters for phase in phases),
        total_parameters=phases[-1].total_parameters,
        flops=sum(flops) if len(flops) == len(phases) else None,
        peak_memory_bytes=max(memory) if len(memory) == len(phases) else None,
    )


class Rates(NamedTuple):
    """The measured costs of each kind of phase, by name."""

    seconds_per_image: Mapping[str, float]  # of one image pair once through a training step
    epochs: Mapping[str, float]


def measured_rates(runs: Iterable[Run]) -> Rates:
    """Means over runs. Stored responses count as part of their phase; compilation and validation do not."""
    seconds: dict[str, list[float]] = {}
    epochs: dict[str, list[float]] = {}
    for run in runs:
        for phase in run.phases:
            if phase.epochs:
                seconds.setdefault(phase.name, []).append(_seconds_per_image(phase))
                epochs.setdefault(phase.name, []).append(phase.epochs)
    return Rates(*({name: float(np.mean(values)) for name, values in each.items()} for each in (seconds, epochs)))


def _seconds_per_image(phase: PhaseResult) -> float:
    shown = phase.epochs * phase.images
    if phase.images_per_second is None:
        return phase.seconds / shown
    return 1 / phase.images_per_second + phase.recording_seconds / shown


def images_per_ecoregion(runs: Sequence[Run]) -> float:
    """Mean over runs of the images that an epoch of the initial training takes from each of its ecoregions.

    NaN where no run has an initial training: updates of saved models have none.
    """
    initial = [run.phases[0] for run in runs if run.phases[0].epochs]
    return float(np.mean([phase.images / len(phase.trained_on) for phase in initial])) if initial else float("nan")


def cumulative_seconds(method: str, rates: Rates, *, images: float, ecoregions: int) -> np.ndarray | None:
    """Training time up to the k-th ecoregion, for k = 1 to `ecoregions`, if they arrive one at a time.

    Time(k) = initial training on the first + sum over updates j = 2 to k and their phases of
    seconds per image x epochs x images(j), where images(j) is `images` for a phase that sees new images alone, twice
    that with as large a sample of old ones, and j times with all: linear in k, or quadratic (section VI-C).

    Returns:
      f64[ecoregions]; None if a phase of the method was not measured, or it does not update.
    """
    plan = METHODS[method]
    if not plan.update or any(phase.name not in rates.epochs for phase in (*plan.initial, *plan.update)):
        return None

    def seconds(phases: Sequence[Phase], known: int) -> float:
        each = [rates.seconds_per_image[one.name] * rates.epochs[one.name] * shares(one, known) for one in phases]
        return images * sum(each)

    return np.cumsum([seconds(plan.initial, 1), *(seconds(plan.update, known) for known in range(1, ecoregions))])


def shares(phase: Phase, known: int) -> int:
    """How many ecoregions' worth of images a phase sees: `known` are there already, one more arrives."""
    return {"old_ecoregions": known, "new_ecoregions": 1, "new_and_sample": 2, "all": known + 1}[phase.data]


def grows(plan: Method) -> bool:
    """Whether each further update of a method costs more than the last."""
    return any(shares(phase, 2) > shares(phase, 1) for phase in plan.update)
