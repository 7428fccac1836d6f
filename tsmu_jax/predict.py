"""Applies a saved model to a folder of images, or to a georeferenced scene.

    python -m tsmu_jax.predict --model=RUN_OR_MODEL --input=DIR --output=DIR
    python -m tsmu_jax.predict --model=RUN_OR_MODEL --pre=A.tif --post=B.tif --output=DIR
    python -m tsmu_jax.predict --model=RUN_OR_MODEL --scenes=LIST.csv --output=DIR

The first writes a mask and probabilities for each image, a table and a contact sheet, the second a map of the scene:
probability.tif, mask.tif and observed.tif with its coordinates. --aoi and --mask say which ground is wanted,
--inventory adds the landslides to a GeoPackage (--dem: with their slopes), --uncertainty=4 adds uncertainty.tif.

The third maps many scenes, on all devices of this machine or on a cluster (--scheduler=ADDRESS).

--input holds <id>_pre and <id>_post images (models of 3 channels: <id>_post alone), or folders of such; an <id>_mask
is compared with the prediction. The same command goes on where it stopped. Exit code 1: an image could not be read.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from tsmu_jax import cli, large_pages, machine
from tsmu_jax.errors import UserError

_MODEL = flags.DEFINE_string(
    "model", None, "Directory of a run, of a saved model, or of an export with StableHLO.", required=True
)
_INPUT = flags.DEFINE_string("input", None, "Folder of images.")
_PRE = flags.DEFINE_string("pre", None, "Scene before the event, a raster with coordinates.")
_POST = flags.DEFINE_string("post", None, "Scene after the event, likewise; the map has its coordinates.")
_SCENES = flags.DEFINE_string("scenes", None, "A list of scenes, as CSV or as STAC items in JSON; all are mapped.")
_SCHEDULER = flags.DEFINE_string(
    "scheduler", "", "With --scenes: address or file of a scheduler of dask.distributed; by default processes here."
)
_WORKERS = flags.DEFINE_integer("workers", 0, "With --scenes: processes here; 0 for one a device.", 0)
_RETRIES = flags.DEFINE_integer("retries", 2, "With --scenes: how often a scene that fails is tried again.", 0)
_OUTPUT = flags.DEFINE_string("output", None, "Where masks, probabilities and the table are written.", required=True)
_DECODER = flags.DEFINE_string(
    "decoder", "auto", "auto: chosen for every image. Or an ecoregion, or a decoder. Scenes: or a layer of ecoregions."
)
_LABELS = flags.DEFINE_list("labels", ["landslide"], "LabelMe labels that mean landslide.")
_GSD = flags.DEFINE_float("gsd", 0.0, "Metres of ground a pixel; 0: as names and coordinates of the files say.", 0.0)
_RESOLUTION = flags.DEFINE_float(
    "resolution", 0.0, "Scenes: metres of ground of a pixel of the network's input; 0: as in training.", 0.0
)
_BANDS = flags.DEFINE_string(
    "bands", "", "Scenes: which bands are red, green and blue, as 3,2,1; by default as in training."
)
_CRS = flags.DEFINE_string("crs", None, "Scenes: coordinate system of images that name none, as EPSG:32633.")
_INVENTORY = flags.DEFINE_string("inventory", None, "Scenes: a GeoPackage that the landslides are added to.")
_AOI = flags.DEFINE_string("aoi", None, "Scenes: a vector file of polygons; no other ground is mapped.")
_MASK = flags.DEFINE_string(
    "mask", None, "Scenes: a raster (not 0) or polygons of clouds and the like, which count as not observed."
)
_DEM = flags.DEFINE_string("dem", None, "Scenes: heights in metres, for height, slope and aspect in the inventory.")
_MIN_AREA = flags.DEFINE_float(
    "min_area_m2", 0.0, "Scenes: smaller landslides do not enter the inventory; masks keep them.", 0.0
)
_UNCERTAINTY = flags.DEFINE_integer(
    "uncertainty", 0, "Scenes: versions of the images, flipped (4) or also turned (8), whose spread is written."
)
_PRE_DATE = flags.DEFINE_string("pre_date", None, "Scenes: of --pre, as 2024-05-01 or 2024-05-01T10:30Z.")
_POST_DATE = flags.DEFINE_string("post_date", None, "Scenes: of --post, likewise.")
_PRE_SENSOR = flags.DEFINE_string("pre_sensor", None, "Scenes: what took --pre, in any words, for the inventory.")
_POST_SENSOR = flags.DEFINE_string("post_sensor", None, "Scenes: what took --post, likewise.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Scenes: say windows, memory, time and overlap, and write nothing.")
_HALO = flags.DEFINE_enum(
    "halo",
    "measured",
    ["measured", "exact"],
    "What windows are cropped by: as far as the model was measured to see, if it was; or as far as it could ever see.",
)
_MEMORY = flags.DEFINE_float("memory_gib", 0.0, "For activations, on each device; 0 for a part of what is free.", 0.0)


def main(argv: Sequence[str]) -> None:
    """Predicts, and says what came out."""
    del argv  # flags only
    from tsmu_jax.compilation import keep_compiled  # JAX: not for `--help`

    _check_flags()
    if _SCENES.value:
        sys.exit(0 if _list() else 1)
    machine.find_devices()
    keep_compiled()
    if not (_folder() if _INPUT.value else _scene()):
        sys.exit(1)


def _check_flags() -> None:
    """Raises UserError where flags are missing, or do not go together."""
    if sum(map(bool, (_INPUT.value, _POST.value, _SCENES.value))) != 1:
        wanted = (
            "--input=DIR, a folder of images, or --post=FILE (and --pre=FILE), a scene, or --scenes=LIST, many scenes"
        )
        raise UserError(f"give one of {wanted}")
    if _PRE.value and not _POST.value:
        raise UserError(
            f"--pre belongs to --post, and {'--input' if _INPUT.value else '--scenes'} holds pairs; give one"
        )
    many = [one.name for one in (_SCHEDULER, _WORKERS, _RETRIES) if one.present]
    if many and not _SCENES.value:
        raise UserError(f"--{many[0]} belongs to a list of scenes; give --scenes=LIST, or leave it out")
    if _SCHEDULER.value and _WORKERS.value:
        raise UserError("--workers are processes of this machine, and --scheduler has its own; give one or the other")
    given = [one.name for one in (_AOI, _MASK, _DEM, _MIN_AREA, _UNCERTAINTY, _PRE_SENSOR, _POST_SENSOR) if one.value]
    if _INPUT.value and given:
        raise UserError(f"--{given[0]} belongs to a scene with coordinates; give --post=FILE in place of --input")


def _folder() -> bool:
    from tsmu_jax.prediction.folder import predict_folder

    return predict_folder(
        _MODEL.value,
        Path(_INPUT.value or ""),
        Path(_OUTPUT.value),
        decoder=_DECODER.value,
        labels=_LABELS.value,
        memory_gib=_MEMORY.value,
        gsd_m=_GSD.value,
        halo=_HALO.value,
    )


def _scene() -> bool:
    from tsmu_jax.inventory import dates, sensors
    from tsmu_jax.scenes.run import map_scene

    taken = dates.read(_PRE_DATE.value, _POST_DATE.value, pre=_PRE.value, post=_POST.value)
    images = _path(_PRE), Path(_POST.value or "")
    named = sensors.read(_PRE_SENSOR.value, _POST_SENSOR.value, has_pre=bool(_PRE.value))
    return map_scene(_MODEL.value, *images, Path(_OUTPUT.value), dates=taken, sensors=named, **_asked())


def _list() -> bool:
    from tsmu_jax.many.run import map_list

    return map_list(
        _MODEL.value,
        Path(_SCENES.value or ""),
        Path(_OUTPUT.value),
        scheduler=_SCHEDULER.value,
        workers=_WORKERS.value,
        retries=_RETRIES.value,
        pre_date=_PRE_DATE.value,
        post_date=_POST_DATE.value,
        pre_sensor=_PRE_SENSOR.value,
        post_sensor=_POST_SENSOR.value,
        **_asked(),
    )


def _asked() -> dict[str, Any]:
    """What is asked of a scene, or of every scene of a list."""
    from tsmu_jax.data import stated
    from tsmu_jax.scenes.opening import Stated

    bands = stated.read([_BANDS.value] if _BANDS.value else [], [], []).of("").bands
    return {
        "decoder": _DECODER.value,
        "resolution_m": _RESOLUTION.value,
        "stated": Stated(bands, _CRS.value),
        "memory_gib": _MEMORY.value,
        "dry_run": _DRY_RUN.value,
        "inventory": _path(_INVENTORY),
        "aoi": _path(_AOI),
        "mask": _path(_MASK),
        "dem": _path(_DEM),
        "min_area_m2": _MIN_AREA.value,
        "uncertainty": _UNCERTAINTY.value,
        "halo": _HALO.value,
    }


def _path(flag: flags.FlagHolder[str | None]) -> Path | None:
    return Path(flag.value) if flag.value else None


if __name__ == "__main__":
    large_pages.restart()
    cli.run(main, __doc__ or "")
