"""Where rasters and their tiles lie, and whether they overlap."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from tests.data.geotiffs import HEIGHT, NO_PLACE, WIDTH, pair, values, write_raster
from tsmu_jax.data import geography, rasters
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.leakage import leakage
from tsmu_jax.data.prepared import PreparedSource, write
from tsmu_jax.data.source import PairInfo
from tsmu_jax.data.splits import Split
from tsmu_jax.data.tiles import Window

WHOLE = (Window(0, 0, 0, 0, HEIGHT, WIDTH),)


@pytest.mark.parametrize(
    ("crs", "origin", "pixel"),
    [
        ("EPSG:32633", (500_000, 5_200_000), 0.5),  # metres
        ("EPSG:3857", (1_669_792, 5_935_000), 0.5 / np.cos(np.deg2rad(46.95))),  # stretched metres
        ("EPSG:4326", (15.0, 46.95), 0.5 / 111_180),  # degrees
        ("EPSG:2263", (1_000_000, 200_000), 0.5 / 0.3048),  # feet
    ],
)
def test_metres_a_pixel_whatever_the_unit(tmp_path: Path, crs: str, origin: tuple[float, float], pixel: float) -> None:
    data = write_raster(
        tmp_path / "a.tif", values("uint8", 3), crs=crs, transform=Affine(pixel, 0, origin[0], 0, -pixel, origin[1])
    )
    found = rasters.georeference(data, "a.tif", WHOLE)
    assert found is not None
    down, across = found.gsd_m
    assert down == pytest.approx(0.5, rel=0.005)
    assert across == pytest.approx(0.5 * (np.cos(np.deg2rad(46.95)) if crs == "EPSG:4326" else 1), rel=0.005)
    footprint = geography.box(found.outlines[0])
    height = (footprint.lat_max - footprint.lat_min) * 111_180
    assert height == pytest.approx(0.5 * HEIGHT, rel=0.05)


def test_an_image_across_180_degrees(tmp_path: Path) -> None:
    place = Affine(10.0, 0, 833_980 - 40, 0, -10.0, 10_000)  # zone 1 begins there
    data = write_raster(tmp_path / "a.tif", values("uint8", 3), crs="EPSG:32660", transform=place)
    found = rasters.georeference(data, "a.tif", WHOLE)
    assert found is not None
    assert found.gsd_m == pytest.approx((10.0, 10.0), rel=0.01)
    footprint = geography.box(found.outlines[0])
    assert footprint.lon_max - footprint.lon_min == pytest.approx(WIDTH * 10 / 111_320, rel=0.02)


def test_coordinates_that_cannot_be_used_count_as_none(tmp_path: Path) -> None:
    local = 'LOCAL_CS["somewhere",UNIT["metre",1]]'
    pair(tmp_path / "etf", values("uint8", 3), crs=local, transform=Affine(1.0, 0, 0, 0, -1.0, 9.0))
    info = FolderSource(tmp_path, require_pre=True).infos[0]
    assert info.gsd_m is None and info.footprint is None


@NO_PLACE
def test_a_raster_without_coordinates_has_no_place(tmp_path: Path) -> None:
    assert rasters.georeference(write_raster(tmp_path / "a.tif", values("uint8", 3)), "a.tif", WHOLE) is None


def test_pixels_that_cover_no_ground_cannot_be_used(tmp_path: Path) -> None:
    flat = Affine(1.0, 2.0, 5e5, 2.0, 4.0, 5.2e6)
    data = write_raster(tmp_path / "a.tif", values("uint8", 3), crs="EPSG:32633", transform=flat)
    with pytest.raises(BadFile, match=r"a\.tif: its pixels cover no ground by its coordinates; mend its georeference"):
        rasters.georeference(data, "a.tif", WHOLE)


def tile_infos(directory: Path, transform: Affine) -> dict[str, PairInfo]:
    """Six tiles of 2 px by id: a raster of 4 x 6 px in degrees."""
    pair(directory / "etf", values("uint8", 3)[:, :4, :6], crs="EPSG:4326", transform=transform)
    source = FolderSource(directory, require_pre=True, tile=2)
    write(source, directory / "prepared")
    assert PreparedSource(directory / "prepared", require_pre=True).infos == source.infos
    return {info.id: info for info in source.infos}


def test_tiles_of_a_south_up_raster(tmp_path: Path) -> None:
    """Rows run northwards, so the first row of tiles lies in the south."""
    tiles = tile_infos(tmp_path, Affine(0.001, 0, 10.0, 0, 0.002, 45.0))
    np.testing.assert_allclose(tiles["1_r0c0"].footprint, (10.0, 45.0, 10.002, 45.004))
    np.testing.assert_allclose(tiles["1_r1c2"].footprint, (10.004, 45.004, 10.006, 45.008))
    assert tiles["1_r0c0"].gsd_m == pytest.approx((2 * 111.14, 78.84), rel=0.001)  # metres of .002 and .001 degrees


def test_tiles_of_a_turned_raster(tmp_path: Path) -> None:
    """By 30 degrees, pixels of .001 degrees: x runs along (cos 30, sin 30), y along (sin 30, -cos 30)."""
    cosine, sine = 0.75**0.5 / 1000, 0.5 / 1000
    tiles = tile_infos(tmp_path, Affine(cosine, sine, 10.0, sine, -cosine, 0.0))  # at the equator
    first, last = tiles["1_r0c0"], tiles["1_r1c2"]
    np.testing.assert_allclose(first.footprint, (10, -2 * cosine, 10 + 2 * cosine + 2 * sine, 2 * sine), atol=1e-12)
    corner = (10 + 4 * cosine + 2 * sine, 4 * sine - 2 * cosine)  # of the last tile: x = 4, y = 2
    np.testing.assert_allclose(
        last.footprint,
        (corner[0], corner[1] - 2 * cosine, corner[0] + 2 * cosine + 2 * sine, corner[1] + 2 * sine),
        atol=1e-12,
    )
    assert last.outline is not None
    np.testing.assert_allclose(last.outline[0], corner, atol=1e-12)
    down, across = 110.574, 111.320  # metres of .001 degrees along a meridian and along the equator
    wanted = np.hypot(0.5 * across, 0.75**0.5 * down), np.hypot(0.75**0.5 * across, 0.5 * down)
    assert last.gsd_m == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("degrees", [0, 30])
def test_neighbours_in_metres_that_only_touch_do_not_overlap(tmp_path: Path, degrees: int) -> None:
    """At the edge of a zone north is turned by 2 degrees, so that the boxes of neighbours overlap by 3 %."""
    place = Affine.translation(729_000, 5_200_000) @ Affine.rotation(degrees) @ Affine.scale(100, -100)
    for name, shift in (("1", 0), ("2", WIDTH), ("3", WIDTH + 2)):
        there = place @ Affine.translation(shift, 0)
        pair(tmp_path / "etf", values("uint8", 3), name, crs="EPSG:32633", transform=there)
    infos = FolderSource(tmp_path, require_pre=True).infos
    boxes = geography.boxes([info.footprint for info in infos])
    assert geography.overlaps(boxes, boxes)[0, 1] > 0.02
    report = leakage(infos, Split({"etf": (0,)}, {"etf": (0,)}, {"etf": (1, 2)}), 1.0)
    assert report.test.overlap == 0 and report.test.near >= 1  # the second one touches the first
    assert (report.among_all.overlap, report.among_all.overlap_much) == (2, 2)  # the third overlaps the second by 6/8
