"""LabelMe files: hand-made shapes against Pillow and closed forms, and every broken file."""

import json
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tsmu_jax.data import labelme
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.errors import UserError

SIDE = 40
SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]


def content(*shapes: tuple[str, str, Any], **keys: Any) -> bytes:
    listed = [{"shape_type": kind, "label": label, "points": points} for kind, label, points in shapes]
    return json.dumps({"imagePath": "a_post.png", "shapes": listed} | keys).encode()


def mask(*shapes: tuple[str, str, Any], labels: tuple[str, ...] = ("landslide",)) -> np.ndarray:
    annotation = labelme.read(content(*shapes), path="etf/a_post.json", labels=labels)
    return labelme.rasterise(annotation.shapes, SIDE, SIDE)


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    expected = np.zeros((SIDE, SIDE), np.uint8)
    expected[top : bottom + 1, left : right + 1] = 1  # outlines belong to shapes
    return expected


def test_polygon() -> None:
    np.testing.assert_array_equal(mask(("polygon", "landslide", SQUARE)), box(10, 10, 30, 30))


def test_polygon_with_fractions_is_drawn_as_pillow_draws_it() -> None:
    points = [(3.4, 2.6), (35.1, 8.8), (20.5, 37.2), (18.0, 12.5)]
    canvas = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(canvas).polygon(points, fill=1, outline=1)
    np.testing.assert_array_equal(mask(("polygon", "landslide", points)), np.array(canvas))


def test_rectangle_from_any_two_opposite_corners() -> None:
    for corners in ([[5, 8], [20, 30]], [[20, 30], [5, 8]], [[5, 30], [20, 8]]):
        np.testing.assert_array_equal(mask(("rectangle", "landslide", corners)), box(8, 5, 30, 20))


def test_circle_has_its_radius_and_area() -> None:
    drawn = mask(("circle", "landslide", [[20, 18], [20 + 6, 18 + 8]]))
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(x - 20, y - 18)
    assert drawn[distance <= 9].all()
    assert not drawn[distance >= 11].any()
    assert drawn.sum() == pytest.approx(math.pi * 10.5**2, rel=0.03)  # the outline adds half a pixel


def test_several_polygons_add_up_and_labels_ignore_case() -> None:
    drawn = mask(("rectangle", "Landslide", [[0, 0], [3, 3]]), ("rectangle", "LANDSLIDE", [[10, 10], [12, 12]]))
    np.testing.assert_array_equal(drawn, box(0, 0, 3, 3) | box(10, 10, 12, 12))


def test_holes_and_islands_are_painted_in_file_order() -> None:
    outer = ("polygon", "landslide", SQUARE)
    hole = ("rectangle", "background", [[14, 14], [26, 26]])
    island = ("rectangle", "landslide", [[18, 18], [20, 20]])
    cut = box(10, 10, 30, 30) - box(14, 14, 26, 26)
    np.testing.assert_array_equal(mask(outer, hole), cut)
    np.testing.assert_array_equal(mask(outer, hole, island), cut | box(18, 18, 20, 20))
    np.testing.assert_array_equal(mask(hole, outer), box(10, 10, 30, 30))


def test_outside_is_clipped() -> None:
    np.testing.assert_array_equal(mask(("rectangle", "landslide", [[-50, 30], [9, 900]])), box(30, 0, 39, 9))
    triangle = [[-10, -10], [500, -10], [-10, 500]]
    assert mask(("polygon", "landslide", triangle)).all()
    assert not mask(("circle", "landslide", [[-100, -100], [-90, -100]])).any()


def test_other_labels_can_be_chosen_and_no_shapes_make_an_empty_mask() -> None:
    assert mask(("polygon", "Scarp", SQUARE), labels=("scarp", "deposit")).any()
    assert not mask().any()


def test_read_keeps_names_without_folders_and_old_files_hold_polygons() -> None:
    data = json.dumps({"imagePath": "..\\images\\a.jpg", "shapes": [{"label": "landslide", "points": SQUARE}]})
    annotation = labelme.read(data.encode(), path="x", labels=("landslide",))
    assert (annotation.image_name, annotation.width, annotation.height) == ("a.jpg", None, None)
    assert annotation.shapes[0].kind == "polygon"


GOOD = ("polygon", "landslide", SQUARE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[]", "not a LabelMe file"),
        (b'{"imagePath": "a"}', "key 'shapes' is missing"),
        (b'{"shapes": []}', "key 'imagePath' is missing"),
        (b'{"shapes": [{"label": "landslide"}], "imagePath": "a"}', "shape 1 lacks a label or points"),
        (b'{"shapes": [7], "imagePath": "a"}', "shape 1 lacks"),
        (
            content(GOOD, GOOD, ("polygon", "landslide", SQUARE[:2])),
            "polygon 3 has 2 points; a polygon needs 3",
        ),
        (content(("polygon", "landslide", None)), "polygon 1 has 0 points; a polygon needs 3"),
        (content(("circle", "landslide", [[1, 1]])), "circle 1 has 1 point; a circle needs 2"),
        (content(("rectangle", "landslide", SQUARE)), "rectangle 1 has 4 points; a rectangle needs 2"),
        (
            content(GOOD, ("polygon", "landslide", [[0, 0], [1, math.nan], [2, 2]])),
            r"polygon 2 .*\(1, nan\), not finite",
        ),
        (content(("polygon", "landslide", [[0, 0], [1, math.inf], [2, 2]])), "not finite"),
        (content(("circle", "landslide", [[0, 0], [1e7, 0]])), "over 100000 px away"),
        (content(("polygon", "landslide", [[0, 0], [1], [2, 2]])), r"the point \[1\], which is not a pair"),
        (content(("polygon", "landslide", [[0, 0], ["1", 2], [2, 2]])), "not a pair of numbers"),
        (
            content(("line", "landslide", SQUARE[:2])),
            "shape 1 is a line; known are polygon, rectangle, circle",
        ),
        (content(GOOD, imageWidth="8"), "imageWidth is '8', not a whole number"),
    ],
)
def test_broken_files_name_file_shape_and_remedy(data: bytes, message: str) -> None:
    with pytest.raises(BadFile, match=f"^etf/0012_post.json: .*{message}|^etf/0012_post.json: {message}"):
        labelme.read(data, path="etf/0012_post.json", labels=("landslide",))


def test_unknown_label_names_the_known_ones_and_the_flag() -> None:
    with pytest.raises(BadFile) as caught:
        labelme.read(content(GOOD, ("polygon", "Scarp", SQUARE)), path="a.json", labels=("landslide",))
    assert str(caught.value) == (
        "a.json: polygon 2 has the unknown label 'Scarp'; known are landslide, background, unknown "
        "(for others: --config.data.labels=landslide,scarp)"
    )


@pytest.mark.parametrize("labels", [(), "landslide", ("landslide", "Background")])
def test_labels_that_cannot_be(labels: Any) -> None:
    with pytest.raises(UserError, match="--config.data.labels="):
        labelme.check_labels(labels)
