"""Maps a scene, from flags to the closing lines."""

import contextlib
import functools
import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tsmu_jax import __version__
from tsmu_jax.data.source import Intensities
from tsmu_jax.errors import UserError
from tsmu_jax.evaluation.evaluate import THRESHOLD
from tsmu_jax.inventory import adding, terrain
from tsmu_jax.inventory.rows import UNDATED, Dates
from tsmu_jax.inventory.sensors import UNNAMED, Sensors
from tsmu_jax.models.exported import open_model
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.halo import MEASURED
from tsmu_jax.prediction.predictor import AUTO, Choice, Predictor
from tsmu_jax.scenes import area, choosing, layers, mapping, opening, regions, resolutions, turning, words
from tsmu_jax.scenes.area import Area
from tsmu_jax.scenes.directory import MapDirectory
from tsmu_jax.scenes.grid import Grid, resampled
from tsmu_jax.scenes.image import SceneImage, limited_cache, native_grid
from tsmu_jax.scenes.opening import NOTHING, Stated
from tsmu_jax.scenes.pair import ScenePair
from tsmu_jax.scenes.record import FINISHED, is_finished
from tsmu_jax.scenes.regions import Regions
from tsmu_jax.scenes.staging import Staging

SCHEMA = 4
_ROWS = 512  # of the map, looked at together


def map_scene(
    model: str | os.PathLike[str] | SavedModel,
    pre: Path | None,
    post: Path,
    target: Path,
    *,
    decoder: str = AUTO,
    resolution_m: float = 0.0,
    stated: Stated = NOTHING,
    memory_gib: float = 0.0,
    dry_run: bool = False,
    inventory: Path | None = None,
    dates: Dates = UNDATED,
    sensors: Sensors = UNNAMED,
    aoi: Path | None = None,
    mask: Path | None = None,
    dem: Path | None = None,
    min_area_m2: float = 0.0,
    uncertainty: int = 0,
    halo: str = MEASURED,
) -> bool:
    """Maps a georeferenced pair, or goes on with an interrupted map, and prints what came out.

    Returns whether all of the files could be read.

    Args:
      model: directory of a saved model, of a run, or of an export with StableHLO; or such a model, opened.
      pre, post: rasters with coordinates; models of three channels take `post` alone.
      target: a directory for the map, new or that of this very map.
      decoder: "auto", the name of an ecoregion or of a decoder, or a vector file of ecoregions (and ":" and a column).
      resolution_m: metres of ground that a pixel of the network's input covers; 0 for that of the training.
      stated: what the images do not say.
      memory_gib: that activations may take on each device; 0 for a part of what is free.
      dry_run: says what would be done, and writes nothing.
      inventory: a GeoPackage that the landslides are added to; made where there is none.
      dates, sensors: of the images, for the inventory.
      aoi: polygons; ground outside of them is not mapped.
      mask: a raster (other values than 0) or polygons of ground that counts as not observed.
      dem, min_area_m2: for the inventory: heights in metres, for its slopes; of landslides that enter it.
      uncertainty: versions of each window, mirrored (4) or also turned (8), whose spread is written; 0 for none.
      halo: what windows are cropped by, "measured" (where the model has it) or "exact".

    Raises:
      UserError: the model, the decoder, an image, another file or the output is wrong; nothing is written then.
    """
    opened = _opened(model, has_pre=pre is not None)
    check(inventory, dem, uncertainty, min_area_m2)
    with limited_cache(), contextlib.ExitStack() as stack:
        near = _place(pre, post, stated, dem)
        wanted = stack.enter_context(area.opened(aoi, mask, near, stated=stated))
        found = regions.choose(decoder, opened, near, wanted)
        predictor = Predictor(opened, decoder=found.ecoregion if found else decoder, memory_gib=memory_gib, halo=halo)
        scene = _pair(stack, pre, post, wanted, predictor.intensities, stated)
        said = {"decoder": f"layer {found.digest}" if found else decoder, "halo": predictor.halo.kind}
        asked = _asked(stated, wanted, **said, resolution=resolution_m, uncertainty=uncertainty)
        whole = _map(predictor, scene, target, asked, found, dry_run=dry_run)
    if inventory and not dry_run:
        add = functools.partial(adding.add, dates=dates, sensors=sensors, dem=dem, min_area_m2=min_area_m2)
        print(words.added(inventory, add(inventory, target, opened)))
    return whole


def _opened(model: str | os.PathLike[str] | SavedModel, *, has_pre: bool) -> SavedModel:
    opened = model if isinstance(model, SavedModel) else open_named(model)
    check_dates(opened, has_pre=has_pre)
    return opened


def check(inventory: Path | None, dem: Path | None, uncertainty: int, min_area_m2: float = 0.0) -> None:
    """Raises UserError where options do not go together, or the inventory cannot be written."""
    if dem and not inventory:
        raise UserError(f"--dem={dem}: heights and slopes go into an inventory; name one: --inventory=landslides.gpkg")
    if not 0 <= min_area_m2 < math.inf:
        raise UserError(f"--min_area_m2={min_area_m2:g}: must be 0 or more square metres")
    if min_area_m2 and not inventory:
        raise UserError("--min_area_m2 says which landslides enter an inventory; name one: --inventory=landslides.gpkg")
    if uncertainty not in turning.VERSIONS:
        known = ", ".join(map(str, turning.VERSIONS[:-1]))
        raise UserError(f"--uncertainty={uncertainty}: there are {known} and {turning.VERSIONS[-1]} versions; name one")
    if inventory:
        adding.check(inventory)


def _asked(stated: Stated, wanted: Area, **more: Any) -> dict[str, Any]:
    """What decides what a map is, beside its model and its images; plain values."""
    bands = stated.bands and list(stated.bands)
    return {"crs": stated.crs, "bands": bands, **wanted.digests._asdict(), **more}


def _pair(
    stack: contextlib.ExitStack, pre: Path | None, post: Path, wanted: Area, intensities: Intensities, stated: Stated
) -> ScenePair:
    """The images, open until the stack is closed. Raises UserError where one is wrong."""

    def image(path: Path, flag: str) -> SceneImage:
        return stack.enter_context(SceneImage(path, intensities, flag=flag, stated=stated))

    return ScenePair(image(pre, "--pre") if pre else None, image(post, "--post"), wanted)


def _place(pre: Path | None, post: Path, stated: Stated, dem: Path | None) -> Grid:
    """The post-event image's own grid. Raises UserError where an image or the elevation model is wrong."""
    if pre:
        opening.check_sources(pre, f"--pre={pre}")
    near = native_grid(post, flag="--post", stated=stated)
    if dem:
        terrain.check(dem, near)
    return near


def open_named(path: str | os.PathLike[str]) -> SavedModel:
    """Opens the model that --model names. Raises UserError where that fails."""
    try:
        return open_model(path)
    except UserError as error:
        raise UserError(f"--model: {error}") from error


def check_dates(model: SavedModel, *, has_pre: bool) -> None:
    """Raises UserError where a model looks at another number of dates than there are."""
    if model.network.channels == 6 and not has_pre:
        raise UserError("--pre: missing; this model compares images from before and after the event")
    if model.network.channels == 3 and has_pre:
        raise UserError("--pre: this model looks at the post-event image alone; leave it out")


def _map(
    predictor: Predictor,
    scene: ScenePair,
    target: Path,
    asked: Mapping[str, Any],
    found: Regions | None,
    *,
    dry_run: bool,
) -> bool:
    model, place = predictor.model, f"--post={scene.post.path}"
    stated_m = (asked["resolution"],) * 2 if asked["resolution"] else None
    fit = scene.fit()
    if fit and not fit.overlap:
        raise UserError(f"{place}: shows none of the ground of --pre; give two images of one place")
    choice = choosing.choose(predictor, scene, stated_m)
    wanted = choosing.resolution(predictor, choice, stated_m)
    if not stated_m and not is_finished(target):  # earlier releases mapped what this one refuses
        resolutions.refuse(scene, wanted)
    grid = resampled(scene.grid, wanted, path=place)
    planned = mapping.plan(predictor, grid, predictor.window_side, scene.area)
    unsure = choice.margin is not None and choice.margin < model.description["margin"]
    print(words.announced(scene, grid, planned, predictor.halo, choice, fit, found, unsure=unsure), flush=True)
    for line in resolutions.warned(scene, wanted, predictor.resolution_m(choice)):
        print(line, flush=True)
    if dry_run:
        print(_estimated(predictor, planned, choice, asked["uncertainty"]))
        return True
    images = {name: one.digest() for name, one in scene.images.items()}
    pixels = {name: list(one.grid.gsd_m) for name, one in scene.images.items()}
    whole = {"schema": SCHEMA, "model": model.digest, "images": images, **asked}
    with MapDirectory(target, whole) as directory:
        if directory.is_finished:
            print(f"{target}: holds this very map already")
            if "gsd_m" not in directory.record:  # of an earlier release
                directory.describe(gsd_m=pixels)
        else:
            directory.begin(
                windows=directory.record.get("windows", list(planned.shape)),
                files={name: one.path.name for name, one in scene.images.items()},
                gsd_m=pixels,
                configuration=_configuration(whole),
                chosen={**choice._asdict(), "source": _source(choice, found)},
                regions=found and found.shares,
                look=unsure,
                grid=grid.plain,
                fit=fit and fit._asdict(),
            )
            seconds = _fill(directory, predictor, scene, grid, choice)
            print(words.closing(directory, grid, seconds))
        return not directory.record["damaged_windows"]


def _configuration(whole: Mapping[str, Any]) -> str:
    """SHA-256 of what decides which landslides are found: names rows of an inventory."""
    decides = {name: value for name, value in whole.items() if name != "uncertainty"}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _source(choice: Choice, found: Regions | None) -> str:
    """Who chose the decoder."""
    return "layer" if found else "named" if choice.margin is None else "autoencoders"


def _fill(directory: MapDirectory, predictor: Predictor, scene: ScenePair, grid: Grid, choice: Choice) -> float:
    """Maps what is not mapped yet, and writes the files. Returns the seconds that the windows took."""
    (high, wide), versions = directory.record["windows"], directory.record["uncertainty"]
    # The windows that are there have this shape, however much memory is free now.
    planned = mapping.plan(predictor, grid, predictor.window_side, scene.area, (high, wide))
    staging = Staging(directory.path, planned.height, planned.width, planes=2 if versions else 1)
    if staging.done:
        print(f"goes on after {len(staging.done)} of {len(planned.windows)} windows", flush=True)
    started = time.monotonic()
    mapping.map_windows(predictor.model, choice.decoder, scene, grid, planned, staging, versions)
    seconds = time.monotonic() - started
    spread = functools.partial(staging.rows, plane=1) if versions else None
    layers.write(directory.path, grid, staging.rows, _tags(directory.record), spread=spread)
    directory.finish(damaged_windows=len(staging.damaged), **_shares(staging, grid))
    staging.remove()
    return seconds


def _tags(record: Mapping[str, Any]) -> dict[str, str]:
    chosen = record["chosen"]
    return {
        "TSMU_VERSION": __version__,
        "TSMU_MODEL": record["model"],
        "TSMU_CONFIGURATION": record["configuration"],
        "TSMU_DECODER": chosen["decoder"],
        "TSMU_ECOREGION": chosen["ecoregion"] or "",
        "TSMU_MARGIN": "" if chosen["margin"] is None else f"{chosen['margin']:.6f}",
        "TSMU_THRESHOLD": str(THRESHOLD),
        "TSMU_HALO": record["halo"],
        "TSMU_DECODER_SOURCE": chosen["source"],
        **{f"TSMU_{name.upper()}_SHA256": digest for name, digest in record["images"].items()},
        **{f"TSMU_{name.upper()}_SHA256": record[name] for name in ("aoi", "mask") if record[name]},
    }


def _shares(staging: Staging, grid: Grid) -> dict[str, float]:
    """Of the map's pixels those observed, and of these those that are landslide; in [0, 1]."""
    observed = landslide = 0
    for start in range(0, grid.height, _ROWS):
        levels = staging.rows(start, min(start + _ROWS, grid.height))[:, : grid.width]
        observed += int(layers.observed(levels).sum())
        landslide += int((layers.mask(levels) == 1).sum())
    return {"observed_share": observed / (grid.height * grid.width), FINISHED: landslide / max(observed, 1)}


def _estimated(predictor: Predictor, planned: mapping.Plan, choice: Choice, versions: int) -> str:
    """Memory and time, measured on one window."""
    rows, columns = planned.windows[0].rows, planned.windows[0].columns
    shape = (1, rows.stop - rows.start, columns.stop - columns.start, predictor.model.network.channels)
    image = np.zeros(shape, np.uint8)
    predictor.model.predict(image, choice.decoder)  # compiles
    started = time.monotonic()
    predictor.model.predict(image, choice.decoder)
    minutes = (time.monotonic() - started) * len(planned.windows) * max(1, versions) / 60
    activations = predictor.bytes_for(image.shape[1] * image.shape[2]) / 2**30
    return f"memory: about {activations:.2f} GiB for activations on each device; time: about {minutes:.1f} min"
