"""A whole run: trains and evaluates a method's phases, then draws the pictures and says what came out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmu_jax import compilation
from tsmu_jax.learning import processes
from tsmu_jax.models import saved
from tsmu_jax.runs import update
from tsmu_jax.runs.train import Finished, train


def train_and_evaluate(config: Mapping[str, Any], workdir: Path, *, command: str = "") -> dict[str, Any]:
    """Runs a configuration's method in a directory, or what of it is not finished there.

    Args:
      config: a plain nested dictionary; see configs/tsmu.py.
      command: what started the run, kept in `config.json`; by default this process's command line.

    Returns:
      What `results.json` holds.

    Raises:
      UserError: before any training, for whatever the user can mend.
    """
    finished = train(config, workdir, command=command)
    if processes.first():
        _show(finished)
    processes.meet()  # nobody leaves before the first one has written all
    results = finished.results
    del finished  # its images and parameters
    compilation.give_back()
    return results


def _show(finished: Finished) -> None:
    """Prints table and verdict, draws the pictures, and writes the table: then the run is complete."""
    from tsmu_jax.reporting import summary  # Matplotlib: not before the first training step
    from tsmu_jax.reporting.tables import results_markdown, results_table

    experiment, run, results, said = finished
    console = processes.console()
    console.print(results_table(results))
    if said:
        console.print(said, style="bold", highlight=False, markup=False)
    summary.write_figures(
        experiment.data.test_pairs,
        results,
        workdir=run.path,
        phases=run.finished(),
    )
    run.complete(results_markdown(results) + (f"\n{said}\n" if said else ""))
    if "update" in results:
        console.print(update.said(results["update"]), style="bold", highlight=False, markup=False)
    model = saved.load_model(run.path / results["model"])
    mebibytes = sum(file.stat().st_size for file in model.path.iterdir()) / 2**20
    console.print(f"model: {model.path} ({model.digest[:12]}, {mebibytes:.1f} MiB)")
    console.print(f"results: {run.results_path}   pictures: {run.figures}")
