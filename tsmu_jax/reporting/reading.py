"""Finds finished runs on the disk and reads them. Without JAX and Matplotlib: a report starts at once."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax import digests, untrusted
from tsmu_jax.configuration import flatten
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation import metrics, probabilities
from tsmu_jax.evaluation.selection import WAYS
from tsmu_jax.methods import METHODS
from tsmu_jax.reporting.runs import Choice, ChoiceScores, PhaseResult, Run, TestScores
from tsmu_jax.runs import metrics_log
from tsmu_jax.runs.plan import START_DIRECTORY, Stage, stages, start_stage
from tsmu_jax.settings import SETTINGS

LEAVE_OUT = "leave its run out"
DEPTH = 2  # of run directories below a directory that is none


class LeftOut(NamedTuple):
    """A run that a report cannot show, and why."""

    path: Path
    reason: str


class Found(NamedTuple):
    """The runs that some directories hold."""

    runs: tuple[Run, ...]
    left_out: tuple[LeftOut, ...]


def find_runs(workdirs: Sequence[Path]) -> Found:
    """Reads the finished runs in run directories, or up to two levels below directories of runs.

    Raises:
      UserError: a directory is missing, holds no run, or no run at all is finished; or one is not what a run writes.
    """
    paths: dict[Path, Path] = {}
    for workdir in workdirs:
        for path in _run_directories(workdir):
            paths.setdefault(path.resolve(), path)
    runs: dict[Any, Run] = {}
    left_out = []
    for path in paths.values():
        untrusted.refuse_links(path)
        run = _read(path)
        if isinstance(run, LeftOut):
            left_out.append(run)
            continue
        if lost := [phase.directory for phase in run.phases if phase.lines_lost]:
            reason = f"the lines of {', '.join(lost)} are missing or have changed, so no curves show them"
            left_out.append(LeftOut(path / metrics_log.FILE, reason))
        if run.choice and not (images := path / "selection" / "selection.json").exists():
            left_out.append(LeftOut(images, "is missing, so no single image's choice is shown"))
        same = runs.setdefault(_identity(run), run)
        if same is not run:
            left_out.append(LeftOut(path, f"repeats {same.path}: nothing that concerns its method is different"))
    if not runs:
        raise UserError(f"no finished run to report on; {left_out[0].path}: {left_out[0].reason}")
    return Found(tuple(runs.values()), tuple(left_out))


def _identity(run: Run) -> Any:
    config = {key: value for key, value in run.config.items() if run.concerns(key)}
    return json.dumps([run.method, run.old_ecoregions, run.new_ecoregions, run.seed, config], sort_keys=True)


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
    """The configuration of a run; None where `config.json` is missing or another program's.

    Raises:
      UserError: it is a run's, and damaged.
    """
    file = path / "config.json"
    try:
        record = digests.read_or_refuse(file, remedy=LEAVE_OUT)
    except UserError:
        if (path / "phases").is_dir():
            raise
        return None
    try:
        flat = flatten(record["config"])
        return flat if {"method", "old", "new", "seed", "data.size"} <= flat.keys() else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if (path / "phases").is_dir():
            raise _not_written(file, error) from error
        return None


def _read(path: Path) -> Run | LeftOut:
    config = _config(path) or {}
    strange = sorted(config.keys() ^ SETTINGS.keys())
    if strange:
        return LeftOut(path, f"written by another release: {strange[0]} is a setting of one of the two alone")
    method = str(config["method"])
    if method not in METHODS:
        return LeftOut(path, f"method {method!r} is unknown to this release; known: {', '.join(METHODS)}")
    old_ecoregions, new_ecoregions = (
        tuple(word for word in str(config[key]).split(",") if word) for key in ("old", "new")
    )
    plan = (
        _plan(path, method, old_ecoregions, new_ecoregions)
        if config["start"]
        else stages(method, old_ecoregions, new_ecoregions)
    )
    finished = [stage for stage in plan if (path / "phases" / stage.directory / "phase.json").exists()]
    results = path / "results.json"
    if len(finished) < len(plan) or not plan or not results.exists():
        lacks = f"{len(finished)} of {len(plan)} phases have a phase.json"
        lacks += "" if results.exists() else f", and there is no {results.name}"
        return LeftOut(path, f"unfinished: {lacks}; its own command goes on with it")
    log = _log(path / metrics_log.FILE)
    diverged = [stage.phase.name for stage in plan if _diverged(log.get(stage.directory, []))]
    if diverged:
        return LeftOut(path, f"{diverged[0]} has diverged: its loss is no number; train it with a lower rate")
    phases = tuple(_phase(path, stage, log.get(stage.directory, [])) for stage in plan)
    return Run(path, method, old_ecoregions, new_ecoregions, int(config["seed"]), config, phases, _choice(results))


def _plan(
    path: Path, method: str, old_ecoregions: tuple[str, ...], new_ecoregions: tuple[str, ...]
) -> tuple[Stage, ...]:
    """The stages of an update of a saved model, the model that it starts from first; none before that is scored."""
    file = path / "phases" / START_DIRECTORY / "phase.json"
    if not file.exists():
        return ()
    record = digests.read_or_refuse(file, remedy=LEAVE_OUT)
    try:
        route = record["route"]
        plan = stages(method, old_ecoregions, new_ecoregions, start=route)
        return (start_stage(plan, old_ecoregions, new_ecoregions, route), *plan)
    except (ValueError, KeyError, TypeError) as error:
        raise _not_written(file, error) from error


def _not_written(file: Path, error: Exception) -> UserError:
    """For a whole record of other values than a run's."""
    return UserError(f"{file}: not what a run writes ({error!r}); {LEAVE_OUT}")


def _choice(file: Path) -> Choice | None:
    selection = digests.read_or_refuse(file, remedy=LEAVE_OUT).get("selection")
    try:
        if not selection:
            return None
        margin, known = selection["margin"], list(next(iter(selection["confusion"].values())))
        return Choice(
            _choice_scores(selection),
            {name: _choice_scores(one) for name, one in selection["ecoregions"].items()},
            {name: {other: row[other] for other in known} for name, row in selection["confusion"].items()},
            quantiles={float(share): value for share, value in margin["quantiles"].items()},
            **{key: margin[key] for key in _MARGIN},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_written(file, error) from error


def _choice_scores(scores: Mapping[str, Any]) -> ChoiceScores:
    iou = {way: scores["iou"][way] for way in WAYS}
    return ChoiceScores(scores["images"], scores["accuracy"], scores["decoder_accuracy"], iou)


def _log(file: Path) -> dict[str, list[Mapping[str, Any]]]:
    """The lines of each phase; those cut off by the end of a process are left out, as are another release's."""
    log: dict[str, list[Mapping[str, Any]]] = {}
    for encoded in file.read_bytes().splitlines() if file.exists() else []:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            line = untrusted.parse(encoded)
            log.setdefault(line["phase"], []).append(line)
    return log


def _diverged(lines: Sequence[Mapping[str, Any]]) -> bool:
    return any(line.get("train/loss", 0.0) is None for line in lines)  # how a log spells NaN


def _histogram(counts: Mapping[str, Sequence[float]] | None) -> probabilities.Histogram | None:
    if counts is None:
        return None
    return probabilities.Histogram(*(np.array(counts[field]) for field in probabilities.Histogram._fields))


def _phase(path: Path, stage: Stage, log: Sequence[Mapping[str, Any]]) -> PhaseResult:
    file = path / "phases" / stage.directory / "phase.json"
    record = digests.read_or_refuse(file, remedy=LEAVE_OUT)
    try:
        result, lost = record["result"], metrics_log.differ(log, stage.directory, record)
        tests = {
            name: TestScores(
                untrusted.names(test["id"], "a test image"),
                metrics.Counts.from_record(test),
                _histogram(test.get("probabilities")),
            )
            for name, test in record["tests"].items()
        }
        untrusted.names(tests, "an ecoregion")
        return PhaseResult(
            directory=stage.directory,
            name=stage.phase.name,
            arrived=stage.arrived,
            trained_on=stage.ecoregions,
            tests=tests,
            steps=record["steps"],
            recording_seconds=result.get("recording_seconds", 0.0),
            trained_in=record.get("trained_in"),
            log=() if lost else tuple(log),
            lines_lost=lost,
            flops=result.get("flops"),
            peak_memory_bytes=result.get("peak_memory_bytes"),
            **{key: result[key] for key in _COSTS},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_written(file, error) from error


_MARGIN = ("threshold", "review", "accuracy_of_rest", "decoder_accuracy_of_rest")
_COSTS = ("epochs", "images", "seconds", "trainable_parameters", "total_parameters")
