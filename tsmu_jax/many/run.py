"""Maps a list of scenes on many workers, from flags to the closing table. This process alone writes the inventory.

Rows are added in the list's order, whatever order the maps end in: so the inventory is that of one process.
"""

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmu_jax.data.progress import reported
from tsmu_jax.errors import UserError
from tsmu_jax.many import listing, words
from tsmu_jax.many.listing import FLAG, LAYERS, Listed
from tsmu_jax.many.output import DAMAGED, FAILED, MAPPED, Output, Row
from tsmu_jax.many.work import Done, Task
from tsmu_jax.many.writing import Scene, Writer
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.predictor import AUTO
from tsmu_jax.runs.progress import PhaseProgress
from tsmu_jax.scenes import layers, record, run
from tsmu_jax.scenes.record import FINISHED

RETRIES = 2
_OF_ALL = ("resolution_m", "uncertainty", "halo")  # options that every map depends on, and that no list changes


def map_list(
    model: str | os.PathLike[str],
    path: Path,
    target: Path,
    *,
    scheduler: str = "",
    workers: int = 0,
    retries: int = RETRIES,
    pre_date: str | None = None,
    post_date: str | None = None,
    pre_sensor: str | None = None,
    post_sensor: str | None = None,
    inventory: Path | None = None,
    dem: Path | None = None,
    min_area_m2: float = 0.0,
    dry_run: bool = False,
    **options: Any,
) -> bool:
    """Maps all scenes of a list that are not mapped yet, and prints what came out.

    Args:
      model: as of `map_scene`.
      path: of the list, see `listing.read`.
      target: a directory with a map a scene, new or that of an earlier run.
      scheduler: address or file of a scheduler of dask.distributed; "" starts processes here.
      workers: the number of these processes; 0 for one a device.
      retries: how often a scene that fails is tried again.
      pre_date, post_date, pre_sensor, post_sensor: of scenes for which the list has none.
      inventory, dem, min_area_m2, dry_run: as of `map_scene`.
      options: other arguments of `map_scene`, for scenes for which the list says nothing else.

    Returns:
      Whether every scene was mapped, and all of it could be read.

    Raises:
      UserError: the list, the model or the output is wrong, or the scheduler is gone; what was finished stays.
    """
    of_images = {"pre_date": pre_date, "post_date": post_date, "pre_sensor": pre_sensor, "post_sensor": post_sensor}
    listed = listing.read(path, **of_images)
    options = {**options, **_absolute(options)}
    dem = dem and Path(os.path.abspath(dem))
    run.check(inventory, dem, options.get("uncertainty", 0), min_area_m2)
    opened = _opened(model, listed, path)
    target = Path(os.path.abspath(target))
    entry = {"dem": dem, "min_area_m2": min_area_m2} if inventory else None
    scenes = [_scene(one, target, opened, options, entry) for one in listed]
    with Output(target, {"model": opened.digest, **{name: options.get(name) for name in _OF_ALL}}) as output:
        for scene in reported(scenes, total=len(scenes), what="checking the maps that are there"):
            scene.row = _kept(output, scene)
        print(words.announced(len(scenes), sum(scene.row is not None for scene in scenes)), flush=True)
        if dry_run:
            return True
        output.begin([scene.row for scene in scenes if scene.row])
        started = time.monotonic()
        with Writer(scenes, output, opened, inventory) as writer:
            _map_missing(scenes, output, writer, opened, scheduler, workers, retries)
        output.finish([one.name for one in listed])
        rows = list(output.rows.values())
    _close(rows, writer.added if inventory else None, target, inventory, time.monotonic() - started)
    return all(row.status == MAPPED and not row.error for row in rows)


def _opened(model: str | os.PathLike[str], listed: Sequence[Listed], path: Path) -> SavedModel:
    """The model, on the CPU: devices are the workers'. Raises UserError where it does not fit the list."""
    import jax

    jax.config.update("jax_platforms", "cpu")
    opened = run.open_named(model)
    known = {AUTO, *opened.ecoregions, *opened.decoders}
    for one in listed:
        try:
            run.check_dates(opened, has_pre=one.pre is not None)
        except UserError as error:
            raise UserError(f"{FLAG}={path}: {one.where}: {str(error).removeprefix('--')}") from error
        if one.decoder and one.decoder not in known and not Path(one.decoder).is_absolute():
            held = f"the model has no ecoregion or decoder {one.decoder!r:.100}; known: {', '.join(sorted(known))}"
            raise UserError(f"{FLAG}={path}: {one.where}: {held}")
    return opened


def _absolute(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that name files, so that workers find these wherever they run."""
    found = {name: Path(os.path.abspath(options[name])) for name in ("aoi", "mask") if options.get(name)}
    decoder = str(options.get("decoder", AUTO))
    return found | {
        "decoder": os.path.abspath(decoder) if Path(decoder.partition(":")[0]).suffix in LAYERS else decoder
    }


def _scene(
    one: Listed, target: Path, model: SavedModel, options: dict[str, Any], entry: dict[str, Any] | None
) -> Scene:
    """Describes the scene's task for a worker, and takes the digest of what decides its map.

    Args: entry: arguments of `measuring.measure` but for the dates; None without an inventory.
    """
    own = {name: getattr(one, name) for name in ("decoder", "aoi", "mask") if getattr(one, name)}
    if one.crs:
        own["stated"] = options["stated"]._replace(crs=one.crs)
    of_inventory = None if entry is None else {"dates": one.dates, **entry}
    task = Task(one.pre, one.post, target / one.name, {**options, **own}, of_inventory)
    files = [path for path in (one.pre, one.post, task.options.get("aoi"), task.options.get("mask")) if path]
    stats = [path.stat() for path in files if path.exists()]
    asked = {name: str(value) for name, value in task.options.items() if name != "memory_gib"}
    whole = [model.digest, asked, [[str(path) for path in files], [[s.st_size, s.st_mtime_ns] for s in stats]]]
    return Scene(one, task, hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest())


def _kept(output: Output, scene: Scene) -> Row | None:
    """The row of an earlier run, if its map is finished and the same would be asked for again."""
    directory = scene.task.target
    if directory.is_symlink():
        raise UserError(f"{directory}: is a link; remove it, so that the map lies in --output")
    row = output.rows.get(scene.listed.name)
    if row is None or not row.is_finished or row.request != scene.request:
        return None
    names = layers.names(uncertainty=bool(scene.task.options.get("uncertainty")))
    try:
        described, rasters = record.read(directory)
        # Their digests are compared when they are read: hashing all maps of a long list would take hours.
        sizes = {name: (directory / name).stat().st_size for name in names}
    except (OSError, ValueError):  # a worker looks again, and says what is damaged
        return None
    whole = rasters and all(rasters[name][0] == size for name, size in sizes.items())
    if FINISHED not in described or not whole or "gsd_m" not in described:  # or of an earlier release
        return None
    return dataclasses.replace(row, error="")


def _map_missing(
    scenes: Sequence[Scene],
    output: Output,
    writer: Writer,
    model: SavedModel,
    scheduler: str,
    number: int,
    retries: int,
) -> None:
    """Maps the scenes that have no row yet, and hands each to the writer in its turn."""
    writer.advance()
    if missing := [scene for scene in scenes if not scene.row]:
        for scene, found in _mapped(missing, model, scheduler, number, retries, total=len(scenes)):
            scene.row = _row(scene, found)
            scene.measured = None if isinstance(found, str) else found.measured
            output.add(scene.row)
            writer.advance()
    writer.finish()


def _mapped(
    missing: Sequence[Scene], model: SavedModel, scheduler: str, number: int, retries: int, *, total: int
) -> Iterator[tuple[Scene, Done | str]]:
    """Yields scenes as they end, with what came of them, and says how far they are."""
    try:
        from tsmu_jax.many import cluster
    except ImportError as error:
        raise UserError(f"{FLAG} needs {error.name}: pip install 'tsmu_jax[cluster]'") from error
    plugin = cluster.OneModel(Path(os.path.abspath(model.path)), model.digest, ours=not scheduler)
    with cluster.workers(scheduler, number, plugin, retries=retries) as found:
        print(words.workers(found.number, found.address), flush=True)
        before = total - len(missing)
        with PhaseProgress("scenes", total, start=before) as progress:
            ended = found.mapped([scene.task for scene in missing], retries=retries)
            for done, (at, outcome) in enumerate(ended, start=before + 1):
                progress.update(done)
                yield missing[at], outcome


def _close(
    rows: Sequence[Row],
    added: Mapping[tuple[str, str], int] | None,
    target: Path,
    inventory: Path | None,
    seconds: float,
) -> None:
    """Prints what came out. Args: added: numbers of landslides, as `Writer` counts them."""
    console = words.console()
    console.print(words.outcomes(rows, added))
    if wrong := words.faults(rows):
        console.print(wrong)
    for sentence in words.sentences(rows, target, inventory, seconds):
        print(sentence)


def _row(scene: Scene, found: Done | str) -> Row:
    if isinstance(found, str):
        return Row(scene.listed.name, FAILED, error=found, request=scene.request)
    status = MAPPED if found.whole else DAMAGED
    return Row(scene.listed.name, status, found.seconds, found.landslides, request=scene.request)
