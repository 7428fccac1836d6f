"""Mapping a list of scenes by workers, beside a plain loop in one process: what handing them out costs.

python -m benchmarks.many_scenes --model=runs/demo --scenes=40 --side=480

The scenes are drawn like those of `tsmu_jax.example`, and lie beside each other; the model is the demo's. Each side
maps them into a new directory and a new inventory. The workers' side starts its processes and opens its model each
time, the loop has done so before; programs are compiled before. Beside that: what a task costs that does nothing, a
list of which all is finished, and what the one writer of the inventory does for a landslide.
"""

import csv
import itertools
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import command
from benchmarks.measure import Candidate, interleaved
from benchmarks.rows import Row, beside
from benchmarks.worker import Job

TARGET = 1.2  # of the loop, with one worker
ECOREGION = "mwcf"
GSD_M = 10.0


def rows(
    *,
    scenes: int = 40,
    side: int = 480,
    workers: int = 2,
    tasks: int = 2000,
    model: str = "runs/demo",
    repetitions: int = 2,
) -> Sequence[Row]:
    """The comparison.

    Args:
      side: of the scenes, in px.
      workers: of the second row.
      tasks: that do nothing.
      model: the demo's run, which knows the scenes' ecoregions.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = {"root": scratch, "model": model}
        _write_list(Path(scratch), scenes, side)
        made = "benchmarks.many_scenes:"
        several = [Candidate(_named(number), f"{made}fleet", {**place, "workers": number}) for number in (1, workers)]
        one, more = several if workers > 1 else (several[0], None)
        wanted = [Candidate("a plain loop", f"{made}loop", place), one, *([more] if more else [])]
        found = interleaved(wanted, repetitions=repetitions)
        nothing = interleaved([Candidate("nothing", f"{made}nothing", {**place, "tasks": tasks})], repetitions=1)
        again = interleaved([Candidate("again", f"{made}again", place)], repetitions=1)["again"]
        writer = interleaved([Candidate("writer", f"{made}writer", place)], repetitions=1)["writer"]
    title, loop = f"map {scenes} scenes of {side} px", found["a plain loop"]
    table = beside(f"{title}, {one.name}", found[one.name], [loop], target=TARGET, per=scenes)
    if more:
        table += beside(f"{title}, {more.name}", found[more.name], [loop], per=scenes)
    alone = nothing["nothing"]
    ms = None if alone.missing else 1000 * alone.median / tasks
    table.append(Row(f"a task that does nothing, of {tasks}", "ms", ms, note=alone.missing))
    ms = None if again.missing else 1000 * again.median / scenes
    table.append(Row("a scene that is finished, the same command again", "ms", ms, note=again.missing))
    number = writer.facts.get("landslides", 0)
    ms = 1000 * writer.median / number if number else None
    return [*table, Row(f"the writer, a landslide, of {number}", "ms", ms, note=writer.missing)]


def loop(root: str, model: str) -> Job:
    """One process: a scene, its rows, the next scene."""
    from tsmu_jax.models.exported import open_model
    from tsmu_jax.scenes.run import map_scene

    opened, turns = open_model(model), itertools.count()

    def run() -> None:
        target = Path(root) / f"loop{next(turns)}"
        target.mkdir()
        for name, pre, post in _scenes(Path(root)):
            map_scene(opened, pre, post, target / name, resolution_m=GSD_M, inventory=target / "x.gpkg")

    return Job(run)


def fleet(root: str, model: str, workers: int) -> Job:
    """`predict --scenes`, from the start of the workers on."""
    turns = itertools.count()
    return Job(lambda: _map(Path(root), model, Path(root) / f"fleet{workers}_{next(turns)}", workers))


def again(root: str, model: str) -> Job:
    """`predict --scenes` with nothing left to do."""
    target = Path(root) / "again"
    return Job(lambda: _map(Path(root), model, target, 1))


def writer(root: str, model: str) -> Job:
    """Adds measured maps to a new inventory, as the writer does. Returns the seconds for all of them."""
    from tsmu_jax.inventory import adding, measuring
    from tsmu_jax.models.exported import open_model

    opened, number = open_model(model), 0

    def run() -> float:
        nonlocal number
        maps = sorted(path for path in (Path(root) / "again").iterdir() if path.is_dir())
        measured = [measuring.measure(path, opened) for path in maps]
        number = sum(len(list(one.found)) for one in measured)
        inventory = Path(root) / "writer.gpkg"
        inventory.unlink(missing_ok=True)
        started = time.perf_counter()
        for path, one in zip(maps, measured, strict=True):
            adding.add(inventory, path, opened, measured=one)
        return time.perf_counter() - started

    return Job(run, warmup=0, facts=lambda: {"landslides": number})


def nothing(root: str, model: str, tasks: int) -> Job:
    """Hands out tasks that do nothing. Seconds without the start of the worker."""
    from tsmu_jax.many import cluster
    from tsmu_jax.many.work import Task
    from tsmu_jax.models.exported import open_model

    opened = open_model(model)

    def run() -> float:
        plugin = cluster.OneModel(opened.path.absolute(), opened.digest, ours=True)
        task = Task(Path("pre.tif"), Path("post.tif"), Path(root), {"decoder": "auto", "memory_gib": 0.0})
        with cluster.workers("", 1, plugin, retries=0) as found:
            started = time.perf_counter()
            ended = sum(1 for _ in found.mapped([task] * tasks, retries=0, function=_nothing))
            assert ended == tasks
            return time.perf_counter() - started

    return Job(run, warmup=0)


def _nothing(name: str, task: object) -> Any:
    del name, task


def _map(root: Path, model: str, target: Path, workers: int) -> None:
    from tsmu_jax.many.run import map_list
    from tsmu_jax.scenes.opening import NOTHING

    asked: dict[str, Any] = {"decoder": "auto", "stated": NOTHING, "resolution_m": GSD_M, "halo": "measured"}
    assert map_list(model, root / "list.csv", target, workers=workers, inventory=target.with_suffix(".gpkg"), **asked)


def _named(workers: int) -> str:
    return f"{workers} worker{'s' * (workers > 1)}"


def _scenes(root: Path) -> Sequence[tuple[str, Path, Path]]:
    with (root / "list.csv").open(newline="") as file:
        return [(row["name"], root / row["pre"], root / row["post"]) for row in csv.DictReader(file)]


def _write_list(root: Path, number: int, side: int) -> None:
    """Scenes that lie beside each other, and their list."""
    import rasterio

    from tsmu_jax.scenes import example

    names = [f"scene {at:04d}" for at in range(number)]
    for at, name in enumerate(names):
        example.draw(ECOREGION, side=side, seed=at, output=root / name)
        for image in example.NAMES[:2]:
            with rasterio.open(root / name / image, "r+") as file:
                file.transform = file.transform @ rasterio.Affine.translation(at * side, 0)
    with (root / "list.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("name", "pre", "post"), *((name, *(f"{name}/{image}" for image in example.NAMES[:2])) for name in names)]
        )


if __name__ == "__main__":
    command.run(rows, __doc__ or "")
