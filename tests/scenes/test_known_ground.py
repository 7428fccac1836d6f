"""From image files to rows of the inventory: landslides of known outlines come back, once each, with place and area."""

import functools
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyproj
import pytest
import rasterio
import shapely

from tests.scenes.conftest import UTM, WriteRaster
from tests.scenes.known_ground import Place, Shape, covered, image, on_globe, save_model
from tsmu_jax.data.contract import PLAIN
from tsmu_jax.data.source import Intensities
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.schema import LANDSLIDES, OBSERVED
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.predictor import BYTES_PER_CHANNEL
from tsmu_jax.scenes.run import map_scene

Affine = rasterio.Affine
SIDE = 128
SHAPES = (
    Shape("ellipse", 46.3, 34.7, 72, 40),
    Shape("ellipse", 30.4, 78.6, 32, 16, degrees=20),
    Shape("ellipse", 60.7, 100.3, 36, 16, degrees=75),
    Shape("rectangle", 103.2, 29.6, 28, 16, degrees=30),
    Shape("ellipse", 66.2, 74.1, 16, 8),
    Shape("ellipse", 98.4, SIDE, 32, 20),  # ends at the scene's edge
)
BARE = Shape("rectangle", 112, 78, 16, 24)  # as red before as after
WITHIN = {40: 0.01, 16: 0.015, 8: 0.07}  # of the area of one, by width; of all from 16 px on together it is .01
WITHIN_CUT = 0.03  # where the edge cuts through pixels
CUT = 96  # columns from here on have no data, in scenes that lack some
GSD_M = 2.0
MEMORY_GIB = BYTES_PER_CHANNEL * 12 * 48**2 / 2**30  # windows of 48 x 48 px
WIDE = Intensities("uint16", (1, 2, 3), ((0.0, 2550.0),) * 3)
at_180 = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32760", always_xy=True).transform(180, -17)

# Where the scene lies: (CRS, transform); at 180 degrees its column 34.
PLACES = {
    "UTM": ("EPSG:32633", UTM),
    "geographic": ("EPSG:4326", Affine(2e-5, 0, 15.0, 0, -2e-5, 45.0)),
    "Web Mercator": ("EPSG:3857", Affine(3, 0, 1_670_000, 0, -3, 5_600_000)),
    "US feet": ("EPSG:2263", Affine(6, 0, 1_000_000, 0, -6, 200_000)),
    "across 180 degrees": ("EPSG:4326", Affine(2e-5, 0, 180 - 34 * 2e-5, 0, -2e-5, -17.0)),
    "across 180 degrees in UTM": ("EPSG:32760", Affine(2, 0, at_180[0] - 68, 0, -2, at_180[1])),
    "south-up": ("EPSG:32633", Affine(2, 0, 500_000, 0, 2, 5_000_000)),
    "slanted": ("EPSG:32633", Affine(1.8, 0.9, 500_000, 0.9, -1.8, 5_000_000)),
}


class Known(NamedTuple):
    """What has to come back: a place, the limit of its area's error, and whether the landslide is cut off."""

    place: Place
    within: float
    is_cut: bool


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SavedModel]:
    """By the type of the values that they take."""
    folder = tmp_path_factory.mktemp("models")
    return {kind.dtype: save_model(folder / kind.dtype, GSD_M, kind) for kind in (PLAIN, WIDE)}


@functools.cache
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Both dates; the earlier one begins 9 rows further up and 5 columns further left."""
    bare = BARE._replace(row=BARE.row + 9, column=BARE.column + 5)
    return image(covered([bare], SIDE + 20, SIDE + 12)), image(covered([*SHAPES, BARE], SIDE, SIDE))


def write_pair(folder: Path, write_raster: WriteRaster, place: str, kind: str) -> tuple[Path, Path]:
    """Files of both dates, the later one with data as `kind` says."""
    crs, transform = PLACES[place]
    wide = transform * Affine.translation(-5, -9)
    before, after = (one.copy() for one in drawn())
    valid = np.broadcast_to(np.arange(SIDE) < CUT, (SIDE, SIDE))
    more: dict[str, Any] = {}
    if kind == "16 bit":
        before, after = (10 * one.astype(np.uint16) for one in (before, after))
    if kind in ("nodata", "16 bit"):
        more["nodata"] = 65535 if kind == "16 bit" else 255
        after[~valid] = more["nodata"]  # red, too
    elif kind != "whole":
        more[{"alpha": "alpha", "mask": "valid"}[kind]] = 255 * valid.astype(np.uint8) if kind == "alpha" else valid
    pre = write_raster(folder / "pre.tif", before, crs=crs, transform=wide)
    return pre, write_raster(folder / "post.tif", after, crs=crs, transform=transform, **more)


def expected(place: str, kind: str) -> list[Known]:
    """The landslides that can be seen."""
    seen = shapely.box(0, 0, SIDE if kind == "whole" else CUT, SIDE)
    found = []
    for one in SHAPES:
        part = one.outline.intersection(seen)
        is_cut = part.area < 0.99 * one.outline.area
        if part.area:
            found.append(Known(on_globe(part, *PLACES[place]), WITHIN_CUT if is_cut else WITHIN[one.width], is_cut))
    return found


@pytest.mark.parametrize(
    ("place", "kind"),
    [(place, "whole") for place in PLACES]
    + [(place, kind) for place in ("UTM", "geographic") for kind in ("nodata", "16 bit", "alpha", "mask")],
)
def test_landslides_of_known_outlines_come_back(
    models: dict[str, SavedModel],
    tmp_path: Path,
    write_raster: WriteRaster,
    capsys: pytest.CaptureFixture[str],
    place: str,
    kind: str,
) -> None:
    model = models["uint16" if kind == "16 bit" else "uint8"]
    pair, inventory = write_pair(tmp_path, write_raster, place, kind), tmp_path / "landslides.gpkg"
    assert map_scene(model, *pair, tmp_path / "map", memory_gib=MEMORY_GIB, inventory=inventory)
    windows = re.search(r"windows: (\d+) of", capsys.readouterr().out)
    assert windows and int(windows[1]) >= 12  # their borders cross the larger landslides
    grid = json.loads((tmp_path / "map" / "scene.json").read_text())["grid"]
    a, b, _, d, e, _ = grid["transform"]
    assert a > 0 > e and b == d == 0  # whatever that of the images is
    with geopackage.transaction(inventory) as database:
        rows, (looked,) = (list(geopackage.rows(database, table)) for table in (LANDSLIDES, OBSERVED))
    known, found = expected(place, kind), []
    for one in known:
        row = min(rows, key=lambda row: apart(row, one.place))
        found.append(row)
        assert apart(row, one.place) < 0.25 * GSD_M
        assert row["area_m2"] == pytest.approx(one.place.area_m2, rel=one.within)
        assert row["touches_edge"] == one.is_cut
    assert len(rows) == len(known) == len({row["uuid"] for row in found})
    large = [(one.place.area_m2, row["area_m2"]) for one, row in zip(known, found, strict=True) if one.within < 0.02]
    expected_m2, found_m2 = np.sum(large, axis=0)
    assert len(large) >= 3 and found_m2 == pytest.approx(expected_m2, rel=0.01)
    ground = on_globe(shapely.box(0, 0, SIDE if kind == "whole" else CUT, SIDE), *PLACES[place])
    assert looked["area_m2"] == pytest.approx(ground.area_m2, rel=0.02)
    if "180" in place:
        west, _, east, _ = geopackage.decoded(found[0]["geometry"]).bounds
        assert west < 180 < east and east - west < 1e-2


def apart(row: dict[str, Any], where: Place) -> float:
    """Metres between the centres of a row's outline and of a place."""
    centre = geopackage.decoded(row["geometry"]).centroid
    return float(pyproj.Geod(ellps="WGS84").inv(centre.x, centre.y, where.longitude, where.latitude)[2])
