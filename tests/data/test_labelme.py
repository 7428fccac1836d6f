"""LabelMe files: hand-made shapes against Pillow and closed forms, and every broken file."""

import base64
import io
import json
import math
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tsmu_jax.configuration import names
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
        (content(("rectangle", "landslide", SQUARE[:3])), "rectangle 1 has 3 points; a rectangle needs 2"),
        (content(("mask", "landslide", [[1, 1], [2, 2]])), "mask 1 has no mask that can be read"),
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
        (content(([], "landslide", SQUARE)), r"shape 1 is a \[\]; known are polygon"),
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


@pytest.mark.parametrize("turn", range(4))
def test_rectangles_of_four_points(turn: int) -> None:
    points = [[5, 8], [20, 8], [20, 30], [5, 30]]
    for corners in (points[turn:] + points[:turn], (points[turn:] + points[:turn])[::-1]):
        for kind in ("rectangle", "oriented_rectangle"):
            np.testing.assert_array_equal(mask((kind, "landslide", corners)), box(8, 5, 30, 20))
    turned = [[20, 5], [35, 20], [20, 35], [5, 20]]
    np.testing.assert_array_equal(
        mask(("oriented_rectangle", "landslide", turned[turn:] + turned[:turn])), mask(("polygon", "landslide", turned))
    )


@pytest.mark.parametrize("top", [3, -2, 35])
def test_masks_of_labelmes_assistant(top: int) -> None:
    painted = np.random.default_rng(0).random((8, 11)) > 0.4
    shape = {"shape_type": "mask", "label": "landslide", "points": [[4, top], [14, top + 7]], "mask": png(painted)}
    hole = {"shape_type": "rectangle", "label": "background", "points": [[6, 5], [7, 6]]}
    data = json.dumps({"imagePath": "a_post.png", "shapes": [shape, hole]}).encode()
    whole = np.zeros((60, 60), np.uint8)
    whole[10 + top : 18 + top, 14:25] = painted
    whole[15:17, 16:18] = 0
    annotation = labelme.read(data, path="a_post.json", labels=("landslide",))
    np.testing.assert_array_equal(labelme.rasterise(annotation.shapes, SIDE, SIDE), whole[10:50, 10:50])
    shape["points"] = [[4, 3], [15, 10]]
    with pytest.raises(BadFile, match="mask 1 has 11 x 8 px in a box of 12 x 8; draw it again"):
        labelme.read(json.dumps({"imagePath": "a", "shapes": [shape]}).encode(), path="a", labels=("landslide",))


def png(painted: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(painted.astype(np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_labelmes_own_labels_and_slips_of_the_keyboard() -> None:
    hole, unknown = (
        ("rectangle", "_background_", [[14, 14], [16, 16]]),
        ("rectangle", "__ignore__", [[20, 20], [22, 22]]),
    )
    for label in ("landslide ", "Landslide,", " LANDSLIDE\u3000"):
        drawn = mask(("polygon", label, SQUARE), hole, unknown)
        np.testing.assert_array_equal(drawn, box(10, 10, 30, 30) - box(14, 14, 16, 16) + box(20, 20, 22, 22))
    assert mask(("polygon", "E\u0301boulement", SQUARE), labels=("\u00e9boulement",)).any()


@pytest.mark.parametrize("label", ["Scarp", "old slide ", "slide (old)", "\u6ed1\u5761", "Erdrutsch's", "$HOME"])
def test_the_remedy_for_an_unknown_label_can_be_typed(label: str) -> None:
    data = content(("polygon", label, SQUARE))
    with pytest.raises(BadFile) as caught:
        labelme.read(data, path="etf/a_post.json", labels=("landslide",))
    flag = str(caught.value).partition("for others: ")[2].removesuffix(")")
    (typed,) = shlex.split(flag)
    labels = names(typed.removeprefix("--config.data.labels="))
    assert labelme.read(data, path="etf/a_post.json", labels=labels).shapes[0].value == 1


@pytest.mark.parametrize("label", ["slide, old", "a\nb", " , "])
def test_a_label_that_no_flag_can_name_is_to_be_renamed(label: str) -> None:
    with pytest.raises(BadFile, match="rename it in LabelMe to one of these, or to '([a-z_]+)'") as caught:
        labelme.read(content(("polygon", label, SQUARE)), path="etf/a_post.json", labels=("landslide",))
    other = str(caught.value).partition("or to '")[2].partition("'")[0]
    assert labelme.read(content(("polygon", other, SQUARE)), path="a", labels=names(other)).shapes[0].value == 1


def encoded(encoding: str, label: str, name: str = "a_post.png", **keys: Any) -> bytes:
    shape = {"shape_type": "polygon", "label": label, "points": SQUARE}
    return json.dumps({"imagePath": name, "shapes": [shape]} | keys, ensure_ascii=False).encode(encoding)


ENCODED = {
    "gbk": ("\u6ed1\u5761", "\u6ed1\u5761_post.png"),
    "big5": ("\u6ed1\u5761", "a_post.png"),
    "shift_jis": ("\u5730\u6ed1\u308a", "a_post.png"),
    "cp1252": ("\u00e9boulement", "a_post.png"),
    "cp1251": ("\u043e\u043f\u043e\u043b\u0437\u0435\u043d\u044c", "a_post.png"),
    "utf-8-sig": ("\u6ed1\u5761", "a_post.png"),
    "utf-16": ("\u6ed1\u5761", "a_post.png"),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_encodings_that_only_one_reading_fits(encoding: str) -> None:
    label, name = ENCODED[encoding]
    path = f"etf/{name.removesuffix('.png')}.json"
    found = labelme.read(encoded(encoding, label, name), path=path, labels=(label,))
    assert (found.image_name, found.shapes[0].value) == (name, 1)
    if "utf" not in encoding:  # text that means nothing here need not be told
        data = encoded(encoding, "landslide", flags={label: False})
        assert labelme.read(data, path="etf/a_post.json", labels=("landslide",)).shapes == found.shapes


def test_an_encoding_that_is_not_clear_is_named_and_the_remedies_work(tmp_path: Path) -> None:
    data = encoded("gbk", "\u6ed1\u5761")
    with pytest.raises(BadFile, match="not UTF-8; .*the unknown label '\u6ed1\u5761'.*read as gb18030") as caught:
        labelme.read(data, path="a_post.json", labels=("landslide",))
    (flag,) = shlex.split(str(caught.value).partition("for others: ")[2].partition(")")[0])
    labels = names(flag.removeprefix("--config.data.labels="))
    assert labelme.read(data, path="a_post.json", labels=labels).shapes[0].value == 1

    data = encoded("gbk", "landslide", name="\u6ed1\u5761.png")  # of another image: the encoding cannot be told
    with pytest.raises(BadFile, match="its encoding is not clear; convert it: iconv -f ENCODING -t UTF-8 a_post.json"):
        labelme.read(data, path="a_post.json", labels=("landslide",))
    if shutil.which("iconv"):
        (tmp_path / "a_post.json").write_bytes(data)
        command = ["iconv", "-f", "GBK", "-t", "UTF-8", "a_post.json"]
        data = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout
        assert labelme.read(data, path="a_post.json", labels=("landslide",)).image_name == "\u6ed1\u5761.png"


@pytest.mark.parametrize("labels", [(), "landslide", ("landslide", "Background"), ("__ignore__",), (" ",)])
def test_labels_that_cannot_be(labels: Any) -> None:
    with pytest.raises(UserError, match="--config.data.labels="):
        labelme.check_labels(labels)
