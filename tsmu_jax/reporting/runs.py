"""A finished run as plain values, and what several differ in."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.declaration import Scope
from tsmu_jax.evaluation import metrics, probabilities, verdict
from tsmu_jax.evaluation.continual import Trajectory, matrix
from tsmu_jax.evaluation.intervals import Interval
from tsmu_jax.methods import METHODS
from tsmu_jax.settings import SETTINGS


@dataclasses.dataclass(frozen=True, eq=False)
class TestScores:
    """The test images of one ecoregion after a phase."""

    __test__ = False  # not for pytest to collect

    ids: tuple[str, ...]
    counts: metrics.Counts
    probabilities: probabilities.Histogram | None  # None in runs that did not count them

    @functools.cached_property
    def iou(self) -> np.ndarray:
        """f64[n] in [0, 1], of each image."""
        return metrics.scores(self.counts).iou


@dataclasses.dataclass(frozen=True, eq=False)
class PhaseResult:
    """A finished phase: how well the model does after it, and what it cost.

    Attributes:
      directory: "02_freeze".
      arrived: ecoregions of the update that the phase belongs to; none in the initial phase.
      trained_on: ecoregions whose images it saw.
      tests: by ecoregion, of all ecoregions of the run.
      images: of an epoch.
      seconds: of training, compilation and validation, and of storing responses and features before it.
      recording_seconds: the latter alone, under the name that `phase.json` has for it.
      trained_in: name of the run that has trained it, of a copy; None where this run has.
      log: its lines of `metrics.jsonl`, one an epoch.
      lines_lost: these are missing, or not as they were written.
      flops: of all training steps; None in runs that did not count them.
      peak_memory_bytes: of a training step, on each device; None likewise.
    """

    directory: str
    name: str
    arrived: tuple[str, ...]
    trained_on: tuple[str, ...]
    tests: Mapping[str, TestScores]
    epochs: int
    images: int
    steps: int
    seconds: float
    recording_seconds: float
    trainable_parameters: int
    total_parameters: int
    flops: float | None
    peak_memory_bytes: int | None
    trained_in: str | None
    log: tuple[Mapping[str, Any], ...]
    lines_lost: bool = False

    @property
    def images_per_second(self) -> float | None:
        """In training steps; None where nothing was logged.

        The median of its epochs, since the first one compiles and others may share the machine.
        """
        rates = [line["images_per_second"] for line in self.log if _is_number(line.get("images_per_second"))]
        return float(np.median(rates)) if rates else None

    def iou(self, ecoregions: Sequence[str]) -> float:
        """Mean over all test images of some ecoregions; NaN without any."""
        each = [self.tests[name].iou for name in ecoregions]
        return float(np.concatenate(each).mean()) if each else float("nan")


class ChoiceScores(NamedTuple):
    """How well decoders were chosen for some test images: shares in [0, 1].

    Attributes:
      accuracy: whose ecoregion was named.
      decoder_accuracy: whose decoder is that of their ecoregion.
      iou: mean IoU by who answers, `selection.WAYS`.
    """

    images: int
    accuracy: float
    decoder_accuracy: float
    iou: Mapping[str, float]


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """The decoders that the autoencoders chose for the test images (section V-E).

    Attributes:
      together: scores of all test images; `ecoregions`: of each true ecoregion's.
      confusion: true ecoregion -> chosen ecoregion -> images.
      threshold: of the margin, below which an image goes to review; `review`: how many do.
      quantiles: share of the images -> the margin that they stay below.
      accuracy_of_rest: of those that do not go to review; None if all do. Likewise `decoder_accuracy_of_rest`.
    """

    together: ChoiceScores
    ecoregions: Mapping[str, ChoiceScores]
    confusion: Mapping[str, Mapping[str, int]]
    threshold: float
    quantiles: Mapping[float, float]
    review: int
    accuracy_of_rest: float | None
    decoder_accuracy_of_rest: float | None


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Attributes:
      config: flat, {"data.size": 64}.
      choice: of the decoders by the autoencoders; None in runs that did not choose.
    """

    path: Path
    method: str
    old_ecoregions: tuple[str, ...]
    new_ecoregions: tuple[str, ...]
    seed: int
    config: Mapping[str, Any]
    phases: tuple[PhaseResult, ...]
    choice: Choice | None = None

    @property
    def ecoregions(self) -> tuple[str, ...]:
        """Those that were tested, in order of arrival: a saved model's exam may have been left out."""
        return tuple(name for name in (*self.old_ecoregions, *self.new_ecoregions) if name in self.phases[0].tests)

    @property
    def sequential(self) -> bool:
        """Whether the new ecoregions arrive one after the other."""
        return METHODS[self.method].sequential

    @property
    def updates(self) -> tuple[PhaseResult, ...]:
        """The phases after the initial training."""
        return tuple(phase for phase in self.phases if phase.arrived)

    def concerns(self, key: str) -> bool:
        """Whether a key of the configuration can make a difference to this run, beside its method and its seed."""
        setting, plan = SETTINGS[key], METHODS[self.method]
        if setting.scope is Scope.IMAGES:
            return not (key.startswith("data.synthetic.") and self.config["data.dir"])
        if setting.scope is Scope.START:
            return True
        if setting.scope in (Scope.AUTOENCODERS, Scope.REVIEW):
            return self.choice is not None
        return key != "seed" and any(setting.concerns(phase) for phase in (*plan.initial, *plan.update))

    @property
    def verdict(self) -> str | None:
        """The change by the update, in one sentence; None where there was no update."""
        return verdict.sentence(self._changes)

    def change(self, group: str) -> Interval | None:
        """The change by the update for the group "old" or "new"; None where it was not measured."""
        return self._changes.get(group)

    @functools.cached_property
    def _changes(self) -> dict[str, Interval]:
        counted = [
            (phase.name, {name: {"id": test.ids, **test.counts._asdict()} for name, test in phase.tests.items()})
            for phase in self.phases
        ]
        return verdict.changes(counted, self.old_ecoregions, self.new_ecoregions)

    def members(self, group: str) -> tuple[str, ...]:
        """Ecoregions of the group "old", "new" or "global"."""
        groups = {"old": self.old_ecoregions, "new": self.new_ecoregions, "global": self.ecoregions}
        return tuple(name for name in groups[group] if name in self.ecoregions)

    @property
    def trajectory(self) -> Trajectory:
        """R and when each ecoregion is learned; one that no phase trains on is learned after the last one."""
        scores = [{name: float(test.iou.mean()) for name, test in phase.tests.items()} for phase in self.phases]
        first, learned = [], []
        for name in self.ecoregions:
            own = [
                index
                for index, phase in enumerate(self.phases)
                if name in phase.arrived or (not phase.arrived and name in self.old_ecoregions)
            ]
            first.append(own[0] if own else len(self.phases))
            learned.append(own[-1] if own else len(self.phases))
        return Trajectory(matrix(scores, self.ecoregions), np.array(first), np.array(learned))

    @property
    def everything(self) -> np.ndarray:
        """f64[ecoregions], in [0, 1]: mean IoU of calling every pixel a landslide, which takes no learning."""
        pixels = int(self.config["data.size"]) ** 2
        counts = [self.phases[0].tests[name].counts for name in self.ecoregions]
        return np.array([float((each.tp + each.fn).mean()) / pixels for each in counts])


def differing_keys(runs: Iterable[Run]) -> tuple[str, ...]:
    """Configuration keys that concern several runs, in which these differ."""
    known = list(runs)
    keys = sorted({key for run in known for key in run.config})
    return tuple(key for key in keys if len({repr(run.config.get(key)) for run in known if run.concerns(key)}) > 1)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
