"""Reads finished runs into plain values. Without JAX and Matplotlib: a report starts at once."""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.configuration import FREE, flatten, own_settings
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation import metrics, probabilities
from tsmu_jax.evaluation.continual import Trajectory, matrix
from tsmu_jax.methods import METHODS, Stage, stages

DEPTH = 2  # of run directories below a directory that is none


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
      seconds: of training, compilation and validation, and of recording responses where the phase does.
      recording_seconds: the latter alone.
      log: its lines of `metrics.jsonl`, one an epoch.
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
    log: tuple[Mapping[str, Any], ...]

    @property
    def images_per_second(self) -> float | None:
        """In training steps; None where nothing was logged.

        The median of its epochs, since the first one compiles and others may share the machine.
        """
        rates = [line["images_per_second"] for line in self.log if _is_number(line.get("images_per_second"))]
        return float(np.median(rates)) if rates else None

    def iou(self, ecoregions: Sequence[str]) -> float:
        """Mean over all test images of some ecoregions."""
        return float(np.concatenate([self.tests[name].iou for name in ecoregions]).mean())


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """A finished run. `config` is flat: {"data.size": 64}."""

    path: Path
    method: str
    old: tuple[str, ...]
    new: tuple[str, ...]
    seed: int
    config: Mapping[str, Any]
    phases: tuple[PhaseResult, ...]

    @property
    def ecoregions(self) -> tuple[str, ...]:
        """In order of arrival."""
        return (*self.old, *self.new)

    @property
    def sequential(self) -> bool:
        """Whether the new ecoregions arrive one after the other."""
        return METHODS[self.method].sequential

    @property
    def updates(self) -> tuple[PhaseResult, ...]:
        """The phases after the initial training."""
        return tuple(phase for phase in self.phases if phase.arrived)

    def concerns(self, key: str) -> bool:
        """Whether a key of the configuration can make a difference to this run."""
        plan = METHODS[self.method]
        phases = (*plan.initial, *plan.update)
        elsewhere = ("method", "old", "new", "seed", *own_settings(self.config))  # these are part of the method
        if key in (*elsewhere, *FREE) or (key == "without" and not plan.settings):  # FREE: without any effect
            return False
        if key.startswith("epochs."):
            return key.removeprefix("epochs.") in (phase.name for phase in phases)
        if key.startswith("distillation."):
            return any(phase.distils for phase in phases)
        if key == "optimizer.small_rate":
            return any(phase.rate == "small" for phase in phases)
        return not (key.startswith("data.synthetic.") and self.config.get("data.dir"))

    def members(self, group: str) -> tuple[str, ...]:
        """Ecoregions of the group "old", "new" or "global"."""
        return {"old": self.old, "new": self.new, "global": self.ecoregions}[group]

    @property
    def trajectory(self) -> Trajectory:
        """R and when each ecoregion is learned; one that no phase trains on is learned after the last one."""
        scores = [{name: float(test.iou.mean()) for name, test in phase.tests.items()} for phase in self.phases]
        first, learned = [], []
        for name in self.ecoregions:
            own = [
                index
                for index, phase in enumerate(self.phases)
                if name in phase.arrived or (not phase.arrived and name in self.old)
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


class LeftOut(NamedTuple):
    """A run that a report cannot show, and why."""

    path: Path
    reason: str


class Found(NamedTuple):
    """What some directories hold."""

    runs: tuple[Run, ...]
    left_out: tuple[LeftOut, ...]


def find_runs(workdirs: Sequence[Path]) -> Found:
    """Reads the finished runs in run directories, or up to two levels below directories of runs.

    Raises:
      UserError: a directory is missing, holds no run, or no run at all is finished.
    """
    paths: dict[Path, Path] = {}
    for workdir in workdirs:
        for path in _run_directories(workdir):
            paths.setdefault(path.resolve(), path)
    runs: dict[Any, Run] = {}
    left_out = []
    for path in paths.values():
        run = _read(path)
        if isinstance(run, LeftOut):
            left_out.append(run)
            continue
        same = runs.setdefault(_identity(run), run)
        if same is not run:
            left_out.append(LeftOut(path, f"repeats {same.path}: nothing that concerns its method is different"))
    if not runs:
        raise UserError(f"no finished run to report on; {left_out[0].path}: {left_out[0].reason}")
    return Found(tuple(runs.values()), tuple(left_out))


def differing_keys(runs: Iterable[Run]) -> tuple[str, ...]:
    """Configuration keys that concern several runs, in which these differ."""
    known = list(runs)
    keys = sorted({key for run in known for key in run.config})
    return tuple(key for key in keys if len({repr(run.config.get(key)) for run in known if run.concerns(key)}) > 1)


def _identity(run: Run) -> Any:
    config = {key: value for key, value in run.config.items() if run.concerns(key)}
    return json.dumps([run.method, run.old, run.new, run.seed, config], sort_keys=True)


def _run_directories(workdir: Path) -> list[Path]:
    if not workdir.is_dir():
        raise UserError(f"--workdir={workdir}: no such directory")
    found = list(_beneath(workdir, DEPTH))
    if not found:
        raise UserError(
            f"--workdir={workdir}: holds no run, nor do directories in it; name one that tsmu_jax.main wrote"
        )
    return found


def _beneath(path: Path, depth: int) -> Iterator[Path]:
    if _config(path) is not None:
        yield path
    elif depth:
        for child in sorted(path.iterdir()):
            if child.is_dir() and not child.name.startswith("."):
                yield from _beneath(child, depth - 1)


def _config(path: Path) -> Mapping[str, Any] | None:
    """The configuration of a run; None where `config.json` is missing or another program's."""
    try:
        config = json.loads((path / "config.json").read_text())["config"]
        return flatten(config) if "method" in config and "seed" in config else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _read(path: Path) -> Run | LeftOut:
    config = _config(path) or {}
    method = str(config["method"])
    if method not in METHODS:
        return LeftOut(path, f"method {method!r} is unknown to this release; known: {', '.join(METHODS)}")
    old, new = (tuple(word for word in str(config[key]).split(",") if word) for key in ("old", "new"))
    plan = stages(method, old, new)
    finished = [stage for stage in plan if (path / "phases" / stage.directory / "phase.json").exists()]
    results = path / "results.json"
    if len(finished) < len(plan) or not results.exists():
        return LeftOut(path, f"unfinished: {len(finished)} of {len(plan)} phases; its own command goes on with it")
    log = _log(path / "metrics.jsonl")
    phases = tuple(_phase(path, stage, log.get(stage.directory, [])) for stage in plan)
    return Run(path, method, old, new, int(config["seed"]), config, phases)


def _log(file: Path) -> dict[str, list[Mapping[str, Any]]]:
    """The records of each phase; lines cut off by the end of a process are left out, as are another release's."""
    log: dict[str, list[Mapping[str, Any]]] = {}
    for line in file.read_text().splitlines() if file.exists() else []:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            record = json.loads(line)
            log.setdefault(record["phase"], []).append(record)
    return log


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _histogram(counts: Mapping[str, Sequence[float]] | None) -> probabilities.Histogram | None:
    if counts is None:
        return None
    return probabilities.Histogram(*(np.array(counts[field]) for field in probabilities.Histogram._fields))


def _phase(path: Path, stage: Stage, log: Sequence[Mapping[str, Any]]) -> PhaseResult:
    file = path / "phases" / stage.directory / "phase.json"
    try:
        record = json.loads(file.read_text())
        result = record["result"]
        tests = {
            name: TestScores(
                tuple(test["id"]),
                metrics.Counts(*(np.array(test[field], np.int64) for field in metrics.Counts._fields)),
                _histogram(test.get("probabilities")),
            )
            for name, test in record["tests"].items()
        }
        return PhaseResult(
            directory=stage.directory,
            name=stage.phase.name,
            arrived=stage.arrived,
            trained_on=stage.ecoregions,
            tests=tests,
            steps=record["steps"],
            recording_seconds=result.get("recording_seconds", 0.0),
            log=tuple(log),
            flops=result.get("flops"),
            peak_memory_bytes=result.get("peak_memory_bytes"),
            **{key: result[key] for key in _COSTS},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: not what a run writes ({error!r}); leave its run out") from error


_COSTS = ("epochs", "images", "seconds", "trainable_parameters", "total_parameters")
