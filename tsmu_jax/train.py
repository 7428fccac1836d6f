"""Walks a method's phases: takes what is finished, trains the rest, evaluates after each."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.console import Console

from tsmu_jax import choice, estimate
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.intervals import Interval
from tsmu_jax.experiment import Experiment, prepare
from tsmu_jax.learning import processes
from tsmu_jax.learning.fit import interrupted_at
from tsmu_jax.learning.state import Model, add_decoder, init_model
from tsmu_jax.methods import Stage
from tsmu_jax.reporting import metrics_log, verdict
from tsmu_jax.reporting.tables import results_markdown, results_table
from tsmu_jax.rundir import RunDirectory, code_digest, command_line, write_json
from tsmu_jax.stage import run_stage


def train_and_evaluate(config: Mapping[str, Any], workdir: Path, *, command: str = "") -> dict[str, Any]:
    """Runs a configuration's method in a directory, or what of it is not finished there.

    Each phase is looked for in this order: finished or interrupted in `workdir`; finished with the same digest, by the
    same code, in a run directory beside it, from which it is copied; else it starts from scratch.

    Args:
      config: a plain nested dictionary; see configs/tsmu.py.
      command: what started the run, for the record; by default this process's command line.

    Returns:
      What `results.json` holds.

    Raises:
      UserError: before any training, for whatever the user can mend.
    """
    console = processes.console()
    experiment = prepare(config)
    run = RunDirectory(workdir)
    if processes.first():
        run = RunDirectory.claim(workdir, experiment.resolved, command=command or command_line())
    skipped = [entry._asdict() for entry in experiment.source.skipped]
    write_json(run.path / "skipped.json", skipped)
    results: dict[str, Any] = {
        "schema": 1,
        "method": config["method"],
        "old": list(experiment.old),
        "new": list(experiment.new),
        "seed": config["seed"],
        "skipped": skipped,
        "phases": [],
    }
    found = _found(experiment, run)
    waiting = [stage for stage in experiment.stages if found[stage.index] is None]
    with ThreadPoolExecutor(1) as beside:
        begun = beside.submit(first_model, experiment) if waiting else None
        _announce(experiment, run, waiting, console)
    model, steps = begun.result() if begun else Model({}, {}), 0  # finished phases bring their own
    tested: list[tuple[str, verdict.Tests]] = []
    with metrics_log.MetricsLog(run.path if processes.first() else processes.scratch()) as log:
        for stage in experiment.stages:
            choice.arrive(experiment, run, stage.arrived)
            directory, finished = run.phase(stage.directory), found[stage.index]
            if finished is None:
                model, record = run_stage(experiment, stage, model, directory, log, steps)
            else:
                record = _take_over(finished, stage, run, log, steps, console)
                model = directory.model()
            steps += record["steps"]
            tested.append((stage.phase.name, record["tests"]))
            results["phases"].append(record["result"])
            write_json(run.results_path, results)
            if not stage.arrived:  # the first ecoregions, at the end of their phase
                choice.arrive(experiment, run, experiment.old)
    _conclude(experiment, results, tested, model, run, console)
    return results


def first_model(experiment: Experiment) -> Model:
    """The model before the first phase. What compiles or traces here can do so while the first training step compiles.

    That takes one core most of the time, and longer than all of this; later calls find it done.
    """
    network = experiment.network
    model = init_model(network, experiment.key("encoder"))
    add_decoder(model, network, experiment.key("decoder"), part="new", name="none")
    return model


def _finite(interval: Interval) -> dict[str, float | None]:
    """JSON knows no NaN."""
    return {field: value if math.isfinite(value) else None for field, value in interval._asdict().items()}


def _conclude(
    experiment: Experiment,
    results: dict[str, Any],
    tested: list[tuple[str, verdict.Tests]],
    model: Model,
    run: RunDirectory,
    console: Console,
) -> None:
    """Adds to the results what the update changed and how decoders are chosen, shows them, and completes the run.

    Args:
      tested: the name of each phase, and its record of the test images.
      model: after the last phase.
    """
    differences = verdict.changes(tested, experiment.old, experiment.new)
    results["verdict"] = {name: _finite(interval) for name, interval in differences.items()}
    write_json(run.results_path, results)
    selection = choice.evaluate_choice(experiment, run, experiment.stages[-1], model)
    if selection is not None:
        results["selection"] = selection
        write_json(run.results_path, results)
    if processes.first():
        _show(experiment, results, verdict.sentence(differences), run, console)
    processes.meet()  # nobody leaves before the first one has written all


def _show(
    experiment: Experiment, results: dict[str, Any], said: str | None, run: RunDirectory, console: Console
) -> None:
    """Prints table and verdict, draws the pictures, and writes the table: then the run is complete."""
    from tsmu_jax.reporting import summary  # Matplotlib: not before the first training step

    console.print(results_table(results))
    if said:
        console.print(said, style="bold", highlight=False, markup=False)
    summary.write_figures(
        experiment.source,
        experiment.split.test,
        results,
        workdir=run.path,
        phases=[stage.directory for stage in experiment.stages],
    )
    run.complete(results_markdown(results) + (f"\n{said}\n" if said else ""))
    console.print(f"results: {run.results_path}   pictures: {run.figures}")


def _found(experiment: Experiment, run: RunDirectory) -> dict[int, RunDirectory | None]:
    """By stage the run that has finished it, None where it must be trained. The first process looks for all."""
    keys = [experiment.stage_key(stage) for stage in experiment.stages]
    if not processes.unanimous([keys, experiment.config["selection"]]):
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
            raise UserError(f"{directory.path}: trained on other data or by another release; name another --workdir")
        return run if record else None
    if not experiment.config["reuse"]:
        return None
    code = code_digest()
    for other in run.siblings():
        finished = other.phase(stage.directory)
        record = finished.record() or {}
        if record.get("key") == key and record.get("code") == code and finished.predictions.exists():
            return other
    return None


def _take_over(
    other: RunDirectory, stage: Stage, run: RunDirectory, log: metrics_log.MetricsLog, steps: int, console: Console
) -> dict[str, Any]:
    """Copies a finished phase with its lines of metrics, unless it is this run's own. Returns its record."""
    directory = run.phase(stage.directory)
    if other.path == run.path:
        console.print(f"{stage.phase.name}: finished before")
        directory.tidy()  # an interruption may have left something after the record
    else:
        console.print(f"{stage.phase.name}: the same phase is finished in {other.path.name}; copied from there")
        log.truncate(stage.directory, 0)
        for line in metrics_log.read(other.path):
            if line.pop("phase") == stage.directory:
                done, epoch = line.pop("step"), line.pop("epoch")
                scalars = {name: value for name, value in line.items() if value is not None}
                log.write(stage.directory, done, scalars, global_step=steps + done, epoch=epoch)
        if processes.first():
            directory.copy_from(other.phase(stage.directory))
        processes.meet()  # the others read the copy
    return directory.record() or {}


def _announce(experiment: Experiment, run: RunDirectory, waiting: list[Stage], console: Console) -> None:
    """Says what is about to happen, and for how long."""
    config, divided = experiment.config, experiment.split
    where = config["data"]["dir"] or "synthetic ecoregions"
    console.print(
        f"{config['method']}: old {', '.join(experiment.old)}; new {', '.join(experiment.new)} ({where}, "
        f"{config['data']['size']} x {config['data']['size']} x {config['data']['channels']})"
    )
    for name in (*experiment.old, *experiment.new):
        sizes = (len(part[name]) for part in (divided.train, divided.validation, divided.test))
        console.print("  {}: {} training, {} validation, {} test pairs".format(name, *sizes))
    if experiment.source.skipped:
        console.print(f"  {len(experiment.source.skipped)} bad files skipped, listed in {run.path / 'skipped.json'}")
    if waiting and not processes.agreed(run.phase(waiting[0].directory).periodic.exists()):
        console.print(estimate.describe(experiment, waiting))
