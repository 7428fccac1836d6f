"""Walks a method's phases: takes what is finished, trains the rest, evaluates after each."""

import dataclasses
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console

from tsmu_jax.data import copies
from tsmu_jax.data.source import fingerprint
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation import verdict
from tsmu_jax.evaluation.intervals import Interval
from tsmu_jax.learning import checkpoints, processes
from tsmu_jax.learning.parallel import place
from tsmu_jax.learning.periodic import interrupted_at
from tsmu_jax.learning.state import Model, add_decoder
from tsmu_jax.runs import choice, estimate, keys, metrics_log, update
from tsmu_jax.runs.directory import RunDirectory
from tsmu_jax.runs.experiment import Experiment, prepare
from tsmu_jax.runs.files import write_json
from tsmu_jax.runs.phase import assess, run_stage, run_start
from tsmu_jax.runs.plan import Stage, start_stage
from tsmu_jax.runs.provenance import command_line
from tsmu_jax.runs.saving import save_model
from tsmu_jax.runs.stage_step import origin
from tsmu_jax.words import counted


class Finished(NamedTuple):
    """A run whose phases are all finished.

    Attributes:
      results: what `results.json` holds.
      verdict: what the update changed, in one sentence; None where there was no update.
    """

    experiment: Experiment
    run: RunDirectory
    results: dict[str, Any]
    verdict: str | None


def train(config: Mapping[str, Any], workdir: Path, *, command: str = "") -> Finished:
    """Runs a configuration's method in a directory, or what of it is not finished there.

    Each phase is looked for in this order: finished or interrupted in `workdir`; finished with the same digest, by the
    same code, in a run directory beside it, from which it is copied; else it starts from scratch.

    Args:
      config: a plain nested dictionary; see configs/tsmu.py.
      command: what started the run, kept in `config.json`; by default this process's command line.

    Raises:
      UserError: before any training, for whatever the user can mend.
    """
    console = processes.console()
    experiment = prepare(config)
    run = _claim(experiment, workdir, command or command_line())
    results = results_before(experiment)
    write_json(run.path / "skipped.json", results["skipped"])
    found = _found(experiment, run)
    waiting = [stage for stage in experiment.stages if found[stage.index] is None]
    with ThreadPoolExecutor(1) as beside:
        begun = beside.submit(first_model, experiment) if waiting else None
        _announce(experiment, run, waiting, console)
    model, steps = begun.result() if begun else Model({}, {}), 0  # finished phases bring their own
    tested: list[tuple[str, verdict.Tests]] = []
    if experiment.start:
        parent, record = _begin_from(experiment, run)
        model = parent  # on the devices already
        tested.append((record["result"]["name"], record["tests"]))
        results["phases"].append(record["result"])
    written = run.path if processes.first() else processes.scratch()
    with metrics_log.MetricsLog(written, finished=run.finished()) as log:
        for stage in experiment.stages:
            choice.arrive(experiment, run, stage.arrived)
            directory, finished = run.phase(stage.directory), found[stage.index]
            if finished is None:
                _go_on(experiment, stage, run, log, steps)
                model, record = run_stage(experiment, stage, model, directory, log, steps)
            else:
                model, record = _take_over(finished, experiment, stage, run, log, steps, console)
            steps += record["steps"]
            tested.append((stage.phase.name, record["tests"]))
            results["phases"].append(record["result"])
            run.write_results(results)
            if not stage.arrived:  # the first ecoregions, at the end of their phase
                choice.arrive(experiment, run, experiment.old_ecoregions)
    if experiment.start:
        results["update"] = _judged(experiment, tested, parent, model)
    differences = verdict.changes(tested, experiment.old_ecoregions, experiment.new_ecoregions)
    results["verdict"] = {name: _by_name(interval) for name, interval in differences.items()}
    run.write_results(results)
    selection = choice.evaluate_choice(experiment, run, experiment.stages[-1], model)
    if selection is not None:
        results["selection"] = selection
    accepted = results.get("update", {}).get("accepted", True)
    results["model"] = save_model(experiment, run, model, record, accepted=accepted).name
    run.write_results(results)
    return Finished(experiment, run, results, verdict.sentence(differences))


def _judged(
    experiment: Experiment, tested: list[tuple[str, verdict.Tests]], parent: Model, model: Model
) -> dict[str, Any]:
    """The verdict on an update, and how far it has moved the old answers."""
    assert experiment.start is not None
    limit = experiment.config.update.max_forgetting
    described = experiment.start.saved.description["ecoregions"]
    learnt = {name: known["learnt"] for name, known in described.items() if known.get("learnt")}
    before, after = tested[0][1], tested[-1][1]
    judged = update.judge(before, after, experiment.old_ecoregions, limit=limit, learnt=learnt)
    moved = update.drift(experiment, parent, model)
    return {"parent": experiment.start.saved.digest, **judged, "drift": moved}


def _by_name(interval: Interval) -> dict[str, float | None]:
    """An interval as it stands in `results.json`."""
    return dict(zip(interval._fields, verdict.as_json(interval), strict=True))


def _claim(experiment: Experiment, workdir: Path, command: str) -> RunDirectory:
    """The run's directory, which the first process claims for this experiment."""
    if not processes.alone() and checkpoints.strange(workdir):  # each would save under a name of its own
        raise UserError(f"--workdir={workdir}: several processes need a path without [ ] * ? and \\; name another one")
    if not processes.first():
        return RunDirectory(workdir)
    images = fingerprint(experiment.data.source)
    if experiment.start:
        images = keys.digest([images, experiment.start.saved.digest])
    run = RunDirectory.claim(workdir, experiment.config, images=images, command=command)
    run.check_finished()
    return run


def results_before(experiment: Experiment) -> dict[str, Any]:
    """The contents of `results.json` before any phase."""
    data = experiment.data
    return {
        "schema": 1,
        "method": experiment.config.method,
        "old": list(experiment.old_ecoregions),
        "new": list(experiment.new_ecoregions),
        "seed": experiment.config.seed,
        "skipped": [entry._asdict() for entry in data.source.skipped],
        "unscored": {name: [data.source.infos[pair].id for pair in pairs] for name, pairs in data.unscored.items()},
        "phases": [],
    }


def first_model(experiment: Experiment) -> Model:
    """The model before the first phase. What compiles or traces here can do so while the first training step compiles.

    That takes one core most of the time, and longer than all of this; later calls find it done.
    """
    model = origin(experiment)
    add_decoder(model, experiment.network, experiment.random_key("decoder"), part="new", name="none")
    return model


def _begin_from(experiment: Experiment, run: RunDirectory) -> tuple[Model, dict[str, Any]]:
    """Takes the saved model that is updated, and its autoencoders, into the run. Returns it and its scores."""
    assert experiment.start is not None
    saved = experiment.start.saved
    stage = start_stage(experiment.stages, experiment.old_ecoregions, experiment.new_ecoregions, saved.route)
    model, record = run_start(experiment, stage, run.phase(stage.directory))
    choice.take_over(experiment, run, saved)
    return model, record


def _found(experiment: Experiment, run: RunDirectory) -> dict[int, RunDirectory | None]:
    """By stage the run that has finished it, None where it must be trained. The first process looks for all."""
    keys = [experiment.stage_key(stage) for stage in experiment.stages]
    if not processes.unanimous([keys, dataclasses.asdict(experiment.config.selection)]):
        processes.let_others_end()  # by the same error
        raise UserError("the processes see different data, or were given different configurations; start all alike")
    paths = []
    for stage in experiment.stages:
        finished = _find(experiment, stage, run) if processes.first() else None
        paths.append(finished and str(finished.path))
    numbered = enumerate(processes.agreed(paths), start=1)
    return {index: None if path is None else RunDirectory(Path(path)) for index, path in numbered}


def _find(experiment: Experiment, stage: Stage, run: RunDirectory) -> RunDirectory | None:
    """The run that has finished this very phase: this one, or one beside it; None where it must be trained."""
    directory, key = run.phase(stage.directory), experiment.stage_key(stage)
    record, interrupted = directory.record(), interrupted_at(directory.periodic)
    if record is not None or interrupted is not None:
        if key != (record["key"] if record else interrupted and interrupted[1]):
            raise UserError(f"{directory.path}: trained on other images or by other code; name another --workdir")
        return run if record else None
    if not experiment.config.reuse:
        return None
    for other in run.siblings():
        finished = other.phase(stage.directory)
        if finished.key() == key and finished.predictions.exists():
            wrong = finished.damage()
            if wrong is None:
                return other
            processes.console().print(
                f"{stage.phase.name}: not taken from {other.path.name}, which is damaged: {wrong}"
            )
    return None


def _take_over(
    other: RunDirectory,
    experiment: Experiment,
    stage: Stage,
    run: RunDirectory,
    log: metrics_log.MetricsLog,
    steps: int,
    console: Console,
) -> tuple[Model, dict[str, Any]]:
    """Copies a finished phase with its lines of metrics, unless it is this run's own. Returns its model and record."""
    directory = run.phase(stage.directory)
    if other.path == run.path:
        console.print(f"{stage.phase.name}: finished before")
        directory.tidy()  # an interruption may have left something after the record
        if metrics_log.differ(metrics_log.read(run.path), stage.directory, directory.record() or {}):
            lost = f"lines of {stage.phase.name} have changed since they were written; its model and scores have not"
            console.print(f"{run.path / metrics_log.FILE}: {lost}")
    else:
        console.print(f"{stage.phase.name}: the same phase is finished in {other.path.name}; copied from there")
        _copy_metrics(other, stage, log, steps)
        if processes.first():
            directory.copy_from(other.phase(stage.directory))
        processes.meet()  # the others read the copy
    model, record = place(directory.model()), directory.record() or {}
    wrong = processes.agreed(directory.damaged_predictions() if processes.first() else None)
    if wrong:
        console.print(f"{wrong}; the model predicts anew")
    if wrong or record.get("tests_key") != experiment.tests_key(stage):  # the same model, but other ecoregions
        record = assess(experiment, stage, model, directory, record)
        directory.rewrite(record)
    return model, record


def _go_on(experiment: Experiment, stage: Stage, run: RunDirectory, log: metrics_log.MetricsLog, steps: int) -> None:
    """Takes the state of the same phase with fewer epochs from a run beside, unless this one's training has begun."""
    own, key, found = run.phase(stage.directory), experiment.continued_key(stage), None
    if processes.first() and key and experiment.config.reuse and not own.periodic.exists():
        most = experiment.epochs(stage) * experiment.data.draws(stage).steps_per_epoch
        kept = {str(other.path): other.phase(stage.directory).state_of(key) for other in run.siblings()}
        fewer = {path: done for path, done in kept.items() if 0 < done < most}
        found = max(fewer, key=fewer.__getitem__, default=None)
    if (path := processes.agreed(found)) is None:
        return
    other = RunDirectory(Path(path))
    processes.console().print(f"{stage.phase.name}: goes on where {other.path.name} ended, which has fewer epochs")
    _copy_metrics(other, stage, log, steps)
    if processes.first():
        own.go_on_from(other.phase(stage.directory), experiment.stage_key(stage))
    processes.meet()  # the others read the copy


def _copy_metrics(other: RunDirectory, stage: Stage, log: metrics_log.MetricsLog, steps: int) -> None:
    log.truncate(stage.directory, 0)
    for line in metrics_log.read(other.path):
        if line.pop("phase") == stage.directory:
            done, epoch = line.pop("step"), line.pop("epoch")
            scalars = {name: value for name, value in line.items() if value is not None}
            log.write(stage.directory, done, scalars, global_step=steps + done, epoch=epoch)


def _announce(experiment: Experiment, run: RunDirectory, waiting: list[Stage], console: Console) -> None:
    """Says what is about to happen, and for how long."""
    config, divided = experiment.config, experiment.data.split
    where = config.data.dir or "synthetic ecoregions"
    known, arriving = (", ".join(names) for names in (experiment.old_ecoregions, experiment.new_ecoregions))
    console.print(
        f"{config.method}: old {known}; new {arriving} ({where}, "
        f"{config.data.size} x {config.data.size} x {config.data.channels})"
    )
    if experiment.start:
        exam = sum(len(test.ids) for test in experiment.data.exam.values())
        console.print(f"  update of the model {experiment.start.saved.digest[:12]}; {exam} pairs in its exam")
    for name in experiment.data.ecoregions:
        sizes = (len(part[name]) for part in (divided.train, divided.validation, divided.test))
        console.print("  {}: {} training, {} validation, {} test pairs".format(name, *sizes))
    if groups := copies.groups(experiment.data.source.infos):
        more = f" and {counted(len(groups) - 1, 'more group')}" if len(groups) > 1 else ""
        console.print(f"  copies of one picture, kept on one side of the split: {groups[0]}{more}")
    skipped = len(experiment.data.source.skipped)
    if skipped:
        console.print(f"  {skipped} bad files skipped, listed in {run.path / 'skipped.json'}")
    if waiting and not processes.agreed(run.phase(waiting[0].directory).periodic.exists()):
        console.print(estimate.describe(experiment, waiting))
