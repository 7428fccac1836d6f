"""LabelMe files that somebody edited by hand, and landslides that are gone meanwhile, through `review import`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely

from tests.inventory.test_adding import table
from tests.reviewing.forked import review
from tests.reviewing.test_labelme import change, export
from tsmu_jax.inventory import geopackage

Content = dict[str, Any]
BOWTIE = [[10, 10], [22, 20], [22, 10], [10, 20]]


def _first(**changes: Any) -> Callable[[Content], Any]:
    return lambda content: content["shapes"][0].update(changes)


def _point(value: Any) -> Callable[[Content], Any]:
    return lambda content: content["shapes"][0]["points"].__setitem__(0, value)


NONSENSE: dict[str, tuple[Callable[[Content], Any], str]] = {
    "shapes are a number": (lambda content: content.update(shapes=3), "key 'shapes' is missing or malformed"),
    "a shape is a text": (lambda content: content["shapes"].insert(0, "polygon"), "shape 1 lacks a label or points"),
    "points are missing": (lambda content: content["shapes"][0].pop("points"), "shape 1 lacks a label or points"),
    "points are a text": (_first(points="10,10"), "polygon 1 has 0 points; a polygon needs 3"),
    "two points": (_first(points=[[1, 1], [5, 5]]), "polygon 1 has 2 points; a polygon needs 3"),
    "half a point": (_point([10]), "the point [10], which is not a pair of numbers"),
    "a coordinate is a text": (_point(["10", 10]), "which is not a pair of numbers"),
    "a coordinate is not finite": (_point([float("nan"), 10]), "the point (nan, 10), not finite"),
    "a coordinate is huge": (_point([1e300, 10]), "or over 100000 px away"),
    "a label is a number": (_first(label=7), "unknown label 7; known are landslide, context, background, unknown"),
    "a label is not known": (
        _first(label="slide"),
        "unknown label 'slide'; known are landslide, context, background, unknown (rename it",
    ),
    "a kind is not known": (_first(shape_type="spiral"), "shape 1 is a spiral; known are polygon"),
    "a description is a list": (_first(description=[1]), "shape 1 has a description that is no text"),
    "flags are a list": (
        lambda content: content.update(flags=["reviewed"]),
        "flag 'reviewed' is neither true nor false",
    ),
    "a flag is a text": (lambda content: content.update(flags={"reviewed": "yes"}), "is neither true nor false"),
    "a size is a text": (lambda content: content.update(imageHeight="60"), "imageHeight is '60', not a whole number"),
    "the size of another image": (
        lambda content: content.update(imageHeight=480, imageWidth=640),
        "is about an image of 640 x 480 px, and ",
    ),
    "an image outside": (lambda content: content.update(imagePath="../../etc/passwd"), "is about the image 'passwd'; "),
}


@pytest.fixture
def folder(inventory: Path, tmp_path: Path) -> Path:
    """Tiles of an inventory."""
    return export(inventory, tmp_path / "tiles")


def back(inventory: Path, folder: Path, *more: str) -> tuple[int | None, str, str]:
    words = (f"--inventory={inventory}", f"--labelme={folder}", "--reviewer=ada", *more)
    return review(folder.parent / f"said{len(more)}", "import", *words)


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_one_line_and_changes_no_byte(inventory: Path, folder: Path, kind: str) -> None:
    path = min(folder.glob("*_post.json"))
    content = json.loads(path.read_text())
    edit, said = NONSENSE[kind]
    edit(content)
    path.write_text(json.dumps(content))
    before = inventory.read_bytes()
    code, out, err = back(inventory, folder)
    assert (code, out, err.count("\n")) == (2, "", 1) and said in err and path.name in err
    assert inventory.read_bytes() == before and not list(inventory.parent.glob("*-journal"))


def test_an_outline_that_crosses_itself_is_an_edit_with_a_valid_outline(inventory: Path, folder: Path) -> None:
    """LabelMe draws such polygons; what it shows as filled is landslide."""
    first = table(inventory)[0]
    change(folder, first["uuid"], points=BOWTIE)
    assert back(inventory, folder) == (0, f"1 new decision, 1 edited: {inventory}\n", "")
    outline = geopackage.decoded(table(inventory)[0]["geometry"])
    assert outline.is_valid and 0 < table(inventory)[0]["area_m2"] < first["area_m2"]


def test_polygons_of_landslides_that_are_gone_are_refused_or_left_out(inventory: Path, tmp_path: Path) -> None:
    """Of those that somebody had drawn: what a model has found cannot be deleted."""
    west, south, east, north = geopackage.decoded(table(inventory)[0]["geometry"]).bounds
    drawn = geopackage.encoded(shapely.box(east + (east - west), south, east + 2 * (east - west), north))
    with geopackage.transaction(inventory) as database:
        database.execute("INSERT INTO landslides (geometry, review_status) VALUES (?, 'accepted')", (drawn,))
    kept, *_, gone = (row["uuid"] for row in table(inventory))
    folder = export(inventory, tmp_path / "tiles")
    for name in (gone, kept):
        change(folder, name, points=None)
    with geopackage.transaction(inventory) as database:
        database.execute("DELETE FROM landslides WHERE uuid = ?", (gone,))
    before = inventory.read_bytes()
    said = f"error: --labelme={folder}: landslide {gone} is no longer in the inventory; leave it out with --skip_gone\n"
    assert back(inventory, folder) == (2, "", said) and inventory.read_bytes() == before
    left_out = f"left out: landslide {gone} is no longer in the inventory\n"
    assert back(inventory, folder, "--skip_gone") == (0, f"1 new decision, 1 rejected: {inventory}\n", left_out)
    assert {row["uuid"]: row["review_status"] for row in table(inventory)}[kept] == "rejected"
    said_by_ada = [row["landslide"] for row in table(inventory, "decisions") if row["reviewer"] == "ada"]
    assert said_by_ada == [kept]
