"""What file names say."""

import csv
from pathlib import Path

import pytest

from tsmu_jax.data import names
from tsmu_jax.data.source import Footprint

STEM = "GE_32.46151_-84.942735_32.462069_-84.941552_LS_12_US_20160513"
CORNERS = ("32.46151", "-84.942735", "32.462069", "-84.941552")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0012_pre.png", names.FileName("0012", "pre")),
        ("a_post_b_post.JPG", names.FileName("a_post_b", "post")),
        ("x_pre.tiff", names.FileName("x", "pre")),
        ("x_mask.png", names.FileName("x", "mask")),
        ("x_post.json", names.FileName("x", "labels")),
        (f"{STEM}_POST.jpg", names.FileName("12", "post", CORNERS, "20160513")),
        (f"{STEM}_PRE.jpg", names.FileName("12", "pre", CORNERS, "20160513")),
        (f"{STEM}_POST.json", names.FileName("12", "labels", CORNERS, "20160513")),
        (f"{STEM}_POST_mask.png", names.FileName("12", "mask", CORNERS, "20160513")),
        ("x_mask.JPG", names.FileName("x", "mask")),
        ("x_unknown.tif", names.FileName("x", "unknown")),
        ("x_post.bmp", names.FileName("x", "post")),
        ("Caf\u00e9_pre.png", names.FileName("Caf\u00e9", "pre")),
        ("Cafe\u0301_post.png", names.FileName("Caf\u00e9", "post")),
        ("x_mask.gif", None),
        ("x_pre.json", None),
        ("_post.png", None),
        ("README.md", None),
    ],
)
def test_parse(name: str, expected: names.FileName | None) -> None:
    assert names.parse(name) == expected


@pytest.mark.parametrize(
    "name", ["GE_1_2_3_LS_4_US_20100101_PRE.jpg", f"{STEM}_AFTER.jpg", "GE_1_2_3_4_LS_5_POST.json"]
)
def test_a_broken_name_of_the_papers_kind_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="not GE_"):
        names.parse(name)


def test_footprint() -> None:
    assert names.footprint(CORNERS) == Footprint(-84.942735, 32.46151, -84.941552, 32.462069)


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        (("39.91", "-105.26", "39.90", "-105.25"), "latitude 39.91 .* not below 39.9 "),
        (("39.90", "-105.25", "39.91", "-105.26"), "longitude -105.25 .* not west of"),
        (("39.90", "-105.26", "39.90", "-105.25"), "not below"),
        (("99", "0", "99.5", "1"), "not within -90 to 90"),
        (("nan", "0", "1", "1"), "not within"),
        (("0", "190", "1", "191"), "not within -180 to 180"),
        (("0", "x", "1", "1"), "not four numbers"),
    ],
)
def test_impossible_corners(corners: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        names.footprint(corners)


@pytest.mark.parametrize(
    ("pre", "post", "message"),
    [
        ("20131006", "20131006", "the same date as"),
        ("20131007", "20131006", "a later date than"),
        ("20131307", "20141006", "20131307 is not a date"),
        (None, "2014106", "2014106 is not a date"),
        (None, "20140230", "20140230 is not a date"),
    ],
)
def test_impossible_dates(pre: str | None, post: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        names.check_dates(pre, post)


def test_possible_dates() -> None:
    names.check_dates("20121007", "20131006")
    names.check_dates(None, "20160229")


def test_defects_of_the_papers_inventory_are_found(shared_data: Path) -> None:
    broken = {}
    with (shared_data / "inventory" / "footprints.csv").open() as file:
        for row in csv.DictReader(file):
            try:
                names.footprint([row[key] for key in ("ll_latitude", "ll_longitude", "ur_latitude", "ur_longitude")])
                names.check_dates(row["pre_date"], row["post_date"])
            except ValueError as error:
                broken[row["no"]] = str(error)
    assert broken.keys() == {"173", "313", "334", "491"}
    assert all("swapped" in broken[number] for number in ("173", "334", "491"))
    assert "the same date" in broken["313"]
