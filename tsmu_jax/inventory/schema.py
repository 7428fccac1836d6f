"""The tables of an inventory, column by column. `landslides` has the USGS's columns under their names, and ours."""

from typing import NamedTuple

SCHEMA = 6  # changes when a table does
SRS = 4326  # degrees on WGS84
QUEUE = "review_queue"  # the view of what waits for a person


class Column(NamedTuple):
    """A column. Attributes: kind: "text", "integer", "real" or "blob"; meaning: with its unit."""

    name: str
    kind: str
    meaning: str


class Table(NamedTuple):
    """A table.

    Attributes:
      geometry: its type as GeoPackage names it; "" where it has none.
      key: columns whose values occur together once.
    """

    name: str
    geometry: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]


LANDSLIDES = Table(
    "landslides",
    "MultiPolygon",
    ("uuid",),
    (
        Column("uuid", "text", "names the row for good: by the first scene, the model and the first pixel"),
        Column("Date", "text", "of the event, if known better than by its bracket"),
        Column("Fatalities", "integer", "empty where unknown"),
        Column("Confidence", "integer", "USGS: 1 possible, 2 probable, 3 likely; 5 and 8 only after review"),
        Column("Inventory", "text", "name of the inventory"),
        Column("InventoryURL", "text", "where it is published"),
        Column("LS_ID", "text", "of the landslide in the inventory"),
        Column("Info_source", "text", "what it was mapped from"),
        Column("Notes", "text", "of people"),
        Column("Latitude", "real", "of a point inside, degrees"),
        Column("Longitude", "real", "of a point inside, degrees"),
        Column("area_m2", "real", "on the ellipsoid, of the pixels' outline"),
        Column("perimeter_m", "real", "likewise"),
        Column("height_m", "real", "mean of the elevation model over its pixels; empty without one"),
        Column("slope_deg", "real", "mean slope, 0 level, likewise"),
        Column("aspect_deg", "real", "mean direction that its slope faces, 0 north, 90 east, likewise"),
        Column("pre_image", "text", "name of the file that it was first mapped from"),
        Column("post_image", "text", "likewise"),
        Column("date_min", "text", "the event is not earlier; UTC; of all scenes in which it was found"),
        Column("date_max", "text", "the event is not later; UTC"),
        Column("gsd_m", "real", "metres a pixel of the map"),
        Column("ecoregion", "text", "of the model, whose decoder found it"),
        Column("ecoregion_source", "text", "autoencoders, named or layer: who said so"),
        Column("na_l1key", "integer", "Level I ecoregion of North America (CEC); empty elsewhere"),
        Column("na_l1name", "text", "likewise"),
        Column("decoder", "text", "that found it"),
        Column("selection_margin", "real", "of the decoder's choice, 0 to 1; empty where it was not the autoencoders'"),
        Column("prob_mean", "real", "calibrated probability over its pixels"),
        Column("prob_max", "real", "likewise"),
        Column("uncertainty", "real", "mean spread of the probability over turned images; empty where not measured"),
        Column("threshold", "real", "of the probability"),
        Column("model_id", "text", "digest of the model"),
        Column("config_digest", "text", "of what else was asked for"),
        Column("touches_edge", "integer", "1 where it ends at ground that was not looked at"),
        Column("amalgamated", "integer", "1 where its shape is that of several landslides in one"),
        Column("superseded_by", "text", "digest of the model that mapped this ground, or more of it, later"),
        Column("found_by", "text", "model, or people where they drew it"),
        Column("review_status", "text", "unreviewed, accepted, edited, rejected, unsure, or disputed by two reviewers"),
        Column("reviewer", "text", ""),
        Column("reviewed_at", "text", "UTC"),
        Column("original_geometry", "blob", "of the model, once somebody has edited it"),
        Column("matched_usgs_id", "text", "of the landslide of another inventory that it was matched with"),
        Column("match_distance_m", "real", "between the two outlines; 0 where they meet"),
        Column("license", "text", ""),
    ),
)
SCENES = Table(
    "scenes",
    "",
    ("scene",),
    (
        Column("scene", "text", "digest of the digests of its images"),
        Column("pre_sha256", "text", "empty where there is one date"),
        Column("post_sha256", "text", ""),
        Column("pre_date", "text", "UTC"),
        Column("post_date", "text", "UTC"),
        Column("pre_sensor", "text", "that took the pre-event image, in the user's words; empty where not known"),
        Column("post_sensor", "text", "likewise"),
        Column("crs", "text", "of the map, WKT"),
        Column("transform", "text", "of the map"),
        Column("height", "integer", "px"),
        Column("width", "integer", "px"),
        Column("gsd_m", "real", "metres a pixel of the map"),
        Column("pre_gsd_m", "real", "metres of ground a pixel of the pre-event image as it is on disk"),
        Column("post_gsd_m", "real", "likewise"),
        Column("overlap", "real", "share of the ground that both dates show"),
        Column("shift_m", "real", "by which one date lies off the other; empty where it cannot be told"),
    ),
)
OBSERVED = Table(
    "observed",
    "MultiPolygon",
    ("scene", "model_id", "config_digest"),
    (
        Column("scene", "text", "whose ground was looked at"),
        Column("model_id", "text", "that looked"),
        Column("config_digest", "text", ""),
        Column("area_m2", "real", "on the ellipsoid"),
        Column("mapped_at", "text", "UTC"),
        Column("min_area_m2", "real", "smaller landslides were left out; empty where none were"),
    ),
)
OBSERVATIONS = Table(
    "observations",
    "",
    ("uuid", "scene", "model_id"),
    (
        Column("uuid", "text", "of the landslide"),
        Column("scene", "text", "in which it was found"),
        Column("model_id", "text", "by which it was found"),
        Column("prob_mean", "real", ""),
        Column("area_m2", "real", "of what was found there"),
    ),
)
MODELS = Table(
    "models",
    "",
    ("model_id",),
    (
        Column("model_id", "text", "digest"),
        Column("ecoregions", "text", "JSON: {ecoregion: decoder}"),
        Column("lineage", "text", "JSON: how the model came about"),
        Column("scores", "text", "JSON: measured when it was saved"),
        Column("calibration", "text", "JSON: by decoder"),
    ),
)
DECISIONS = Table(
    "decisions",
    "",
    ("uuid",),
    (
        Column("uuid", "text", "of the decision; of an imported one by all that it says, so that it comes in once"),
        Column("landslide", "text", "uuid of the landslide"),
        Column("verdict", "text", "accepted, edited, rejected, unsure, drawn or undone"),
        Column("seen", "text", "review_status that the reviewer saw"),
        Column("reviewer", "text", ""),
        Column("decided_at", "text", "UTC, with milliseconds"),
        Column("source", "text", "qgis (and other programs that edit the file), page or labelme"),
        Column("geometry_before", "blob", "outline that the reviewer saw, where the decision changes it"),
        Column("geometry_after", "blob", "outline that the reviewer drew; empty where it stays"),
        Column("reason", "text", "in the reviewer's words"),
    ),
)
REVIEWED = Table(
    "reviewed",
    "MultiPolygon",
    ("uuid",),
    (
        Column(
            "uuid", "text", "of the row; of an imported one by its scene, place and reviewer, so that it comes in once"
        ),
        Column("scene", "text", "on whose images somebody looked at all of this ground; empty for every scene's"),
        Column("reviewer", "text", ""),
        Column("reviewed_at", "text", "UTC"),
        Column("source", "text", "qgis (and other programs that edit the file) or labelme"),
    ),
)
COLUMN_MAPS = Table(
    "column_maps",
    "",
    ("name", "version"),
    (
        Column("name", "text", "of the form of export, as usgs"),
        Column("version", "text", "of the form's publisher"),
        Column("columns", "text", "JSON: how the form's columns are made of ours"),
    ),
)
ABOUT = Table("tsmu_about", "", ("name",), (Column("name", "text", ""), Column("value", "text", "")))
TABLES = (LANDSLIDES, SCENES, OBSERVED, OBSERVATIONS, MODELS, DECISIONS, REVIEWED, COLUMN_MAPS, ABOUT)
