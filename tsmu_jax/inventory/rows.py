"""The rows that a map adds to an inventory: what is known of a model, a scene and a landslide."""

import datetime
import json
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.evaluation.evaluate import THRESHOLD
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.amalgamation import is_amalgamated
from tsmu_jax.inventory.ground import Ground
from tsmu_jax.inventory.polygons import Detection
from tsmu_jax.inventory.sensors import UNNAMED, Sensors
from tsmu_jax.inventory.terrain import UNKNOWN, Terrain
from tsmu_jax.models.saved import SavedModel

CONFIDENCE = ((0.8, 3), (0.65, 2), (0.0, 1))  # mean probability from which on a landslide is likely, probable, possible
UNREVIEWED = "unreviewed"
_NAMES = uuid.UUID("6f7cfb0a-6d0f-5b0e-9c0c-9a1f1df0a3d5")  # namespace of the version 5 UUIDs that name rows


class Dates(NamedTuple):
    """Of a scene's images, ISO 8601 in UTC; None where not known. The event lies between them."""

    pre: str | None = None
    post: str | None = None


UNDATED = Dates()


def model_row(model: SavedModel) -> dict[str, Any]:
    """Of the table `models`."""
    known = model.description
    calibration = {name: one.get("calibration") for name, one in known["decoders"].items()}
    scores = {name: one.get("scores") for name, one in known["ecoregions"].items()}
    return {
        "model_id": model.digest,
        "ecoregions": json.dumps(model.route),
        "lineage": json.dumps(known.get("lineage", [])),
        "scores": json.dumps(scores),
        "calibration": json.dumps(calibration),
    }


def scene_row(record: Mapping[str, Any], scene: str, dates: Dates, sensors: Sensors = UNNAMED) -> dict[str, Any]:
    """Of the table `scenes`. Args: record: what `scene.json` holds; scene: digest of its images."""
    grid, fit = record["grid"], record["fit"] or {}
    pixels = record.get("gsd_m") or {}  # records of maps from before schema 5 do not say it
    shift = fit.get("shift_m")
    return {
        "scene": scene,
        "pre_sha256": record["images"].get("pre", ""),
        "post_sha256": record["images"]["post"],
        "pre_date": dates.pre,
        "post_date": dates.post,
        "pre_sensor": sensors.pre,
        "post_sensor": sensors.post,
        "crs": grid["crs"],
        "transform": json.dumps(grid["transform"]),
        "height": grid["height"],
        "width": grid["width"],
        "gsd_m": max(grid["gsd_m"]),
        "pre_gsd_m": max(pixels["pre"]) if "pre" in pixels else None,
        "post_gsd_m": max(pixels["post"]) if "post" in pixels else None,
        "overlap": fit.get("overlap"),
        "shift_m": (shift[0] ** 2 + shift[1] ** 2) ** 0.5 if shift else None,
    }


def observed_row(looked: Ground, min_area_m2: float = 0.0) -> dict[str, Any]:
    """What the table `observed` says of the ground that a map shows, as of now."""
    return {
        geopackage.GEOMETRY: geopackage.encoded(looked.geometry),
        "area_m2": looked.area_m2,
        "mapped_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "min_area_m2": min_area_m2 or None,
    }


def landslide_row(
    record: Mapping[str, Any],
    found: Detection,
    ground: Ground,
    scene: str,
    model: str,
    dates: Dates,
    terrain: Terrain = UNKNOWN,
) -> dict[str, Any]:
    """Of the table `landslides`. Args: record: what `scene.json` holds; scene, model: digests."""
    first = f"{scene}/{model}/{record['configuration']}/{found.first[0]},{found.first[1]}"
    return {
        geopackage.GEOMETRY: geopackage.encoded(ground.geometry),
        "uuid": str(uuid.uuid5(_NAMES, first)),
        "Confidence": next(word for least, word in CONFIDENCE if found.prob_mean >= least),
        "Latitude": ground.point[1],
        "Longitude": (ground.point[0] + 180) % 360 - 180,
        "area_m2": ground.area_m2,
        "perimeter_m": ground.perimeter_m,
        **terrain._asdict(),
        "date_min": dates.pre,
        "date_max": dates.post,
        "gsd_m": max(record["grid"]["gsd_m"]),
        "pre_image": record["files"].get("pre"),
        "post_image": record["files"]["post"],
        "ecoregion": record["chosen"]["ecoregion"],
        "ecoregion_source": _source(record["chosen"]),
        **_level1(record["chosen"]["ecoregion"]),
        "decoder": record["chosen"]["decoder"],
        "selection_margin": record["chosen"]["margin"],
        "prob_mean": found.prob_mean,
        "prob_max": found.prob_max,
        "uncertainty": found.uncertainty,
        "threshold": THRESHOLD,
        "model_id": model,
        "config_digest": record["configuration"],
        "touches_edge": int(found.touches_edge),
        "amalgamated": int(is_amalgamated(found.geometry, record["grid"])),
        "found_by": "model",
        "review_status": UNREVIEWED,
    }


def _source(chosen: Mapping[str, Any]) -> str:
    """Who chose the decoder. Records of maps from before layers of ecoregions do not say it."""
    return str(chosen.get("source") or ("named" if chosen["margin"] is None else "autoencoders"))


def _level1(ecoregion: str | None) -> dict[str, Any]:
    """What the Commission for Environmental Cooperation calls an ecoregion; nothing where it has no name for it."""
    known = ECOREGIONS.get(ecoregion or "")
    return {"na_l1key": known.level1, "na_l1name": known.name} if known else {}
