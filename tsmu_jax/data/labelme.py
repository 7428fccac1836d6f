"""LabelMe annotations: parsed, checked, and drawn as masks of the original size (section V-A).

Coordinates are pixels from the upper-left corner. Shapes are drawn with Pillow exactly as LabelMe draws
them, so a mask includes the outline's pixels. **Shapes are painted in file order, each over those before
it**: one labelled as a landslide paints 1, one labelled "background" paints 0, one labelled "unknown" paints unknown
ground. A hole therefore stands after the polygon that it cuts, and an island inside of the hole after the hole.
"""

import base64
import io
import math
import re
import shlex
import unicodedata
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from tsmu_jax import mask
from tsmu_jax.data import encodings
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.errors import UserError
from tsmu_jax.words import counted

BACKGROUND = "background"  # the label of holes
UNKNOWN = "unknown"  # the label of ground of which nobody can say what it is
_FIXED = {BACKGROUND: mask.BACKGROUND, UNKNOWN: mask.UNKNOWN}  # labels that always mean the same
_LABELMES_OWN = {"_background_": mask.BACKGROUND, "__ignore__": mask.UNKNOWN}  # reserved by its exporters
_LIMIT_PX = 100_000.0  # Pillow overflows silently beyond 2^31, and needs minutes for circles long before
_MOST_PAINTED = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # pixels of all masks of a file, as many as of an image
# Kind of a shape: the numbers of points that it may have.
_POINTS = {"polygon": range(3, 10**9), "rectangle": (2, 4), "circle": (2,), "mask": (2,), "oriented_rectangle": (4,)}

Point = tuple[float, float]


class Shape(NamedTuple):
    """A polygon, a rectangle (two opposite corners), a circle (its centre and a point on its rim) or a mask.

    A mask is a rectangle, whose corners are pixels that belong to it, and which of its pixels are painted.
    """

    kind: str
    points: tuple[Point, ...]  # x, y in pixels; may lie outside of the image
    value: int  # what it paints, of the values in mask.py
    painted: bytes = b""  # of a mask: 255 or 0 for each of its pixels, row by row


class Annotation(NamedTuple):
    """The part of a LabelMe file that matters here."""

    image_name: str  # without folders, which differ between machines
    shapes: tuple[Shape, ...]
    width: int | None  # None where the file does not say
    height: int | None


class _Labels(NamedTuple):
    """Labels that mean landslide. Attributes: may_grow: whether a setting names more of them."""

    names: tuple[str, ...]
    may_grow: bool


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels that mean landslide, without surrounding spaces, in lower case.

    Raises:
      UserError: there is none, or one of them always means something else.
    """
    folded = () if isinstance(labels, str) else tuple(map(as_compared, labels))
    fixed = {**_FIXED, **_LABELMES_OWN}
    if not all(folded) or not folded or not fixed.keys().isdisjoint(folded):
        raise UserError(f"--config.data.labels={labels!r}: name one or more labels, not {' or '.join(fixed)}")
    return folded


def read(data: bytes, *, path: str, labels: Sequence[str], may_grow: bool = True) -> Annotation:
    """Parses a LabelMe file.

    Args:
      data: the file's bytes.
      path: named in errors.
      labels: those that mean landslide, any case; all others but "background" and "unknown" (LabelMe's "_background_"
        and "__ignore__") are errors, since a label that is silently ignored is a landslide silently lost.
      may_grow: whether --config.data.labels names more of them; errors say so.

    A file that is not in UTF-8 is read where all encodings in which it names its image and has known labels agree.

    Raises:
      BadFile: naming the file, the number of the shape (from 1) and the remedy.
    """
    known = _Labels(check_labels(labels), may_grow)
    return encodings.parsed(
        data,
        lambda content: _annotation(content, path, known),
        fits=lambda one: PurePath(one.image_name).stem.casefold() == PurePath(path).stem.casefold(),
        path=path,
    )


def _annotation(content: Any, path: str, known: _Labels) -> Annotation:
    if not isinstance(content, dict):
        raise BadFile(path, "not a LabelMe file (its top level is not an object)")
    for key, kind in (("imagePath", str), ("shapes", list)):
        if not isinstance(content.get(key), kind):
            raise BadFile(path, f"not a LabelMe file (key {key!r} is missing or malformed)")
    width, height = (_side(content.get(key), key, path) for key in ("imageWidth", "imageHeight"))
    shapes = tuple(_shape(shape, number, path, known) for number, shape in enumerate(content["shapes"], start=1))
    if sum(len(shape.painted) for shape in shapes) > _MOST_PAINTED:
        raise BadFile(path, f"its masks hold more than {_MOST_PAINTED / 1e6:.0f} million pixels; draw polygons instead")
    return Annotation(re.split(r"[/\\]", content["imagePath"])[-1], shapes, width, height)


def rasterise(shapes: Sequence[Shape], height: int, width: int) -> np.ndarray:
    """Draws shapes in order; what lies outside of the image is clipped.

    Returns:
      u8[height, width] of the values in mask.py.
    """
    canvas = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(canvas)
    for kind, points, value, painted in shapes:
        if kind == "polygon":
            draw.polygon(points, fill=value, outline=value)
        elif kind in ("rectangle", "mask"):
            (x0, y0), (x1, y1) = points
            box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
            if kind == "rectangle":
                draw.rectangle(box, fill=value, outline=value)
            else:
                left, top, across, down = _pixels(box)
                canvas.paste(value, (left, top), Image.frombytes("L", (across, down), painted))
        else:
            x, y = points[0]
            radius = math.dist(*points)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=value, outline=value)
    return np.array(canvas)


def _shape(shape: Any, number: int, path: str, labels: _Labels) -> Shape:
    if not isinstance(shape, dict) or "label" not in shape or "points" not in shape:
        raise BadFile(path, f"shape {number} lacks a label or points; draw it again")
    kind = str(shape.get("shape_type", "polygon"))  # files of LabelMe 3 hold polygons only and do not say so
    if kind not in _POINTS:
        raise BadFile(
            path, f"shape {number} is a {kind:.50}; known are {', '.join(_POINTS)}: draw it again as one of them"
        )
    value = _value(shape["label"], f"{kind} {number}", path, labels)
    points = tuple(_point(point, f"{kind} {number}", path) for point in _listed(shape["points"]))
    if len(points) not in _POINTS[kind]:
        raise BadFile(path, f"{kind} {number} has {counted(len(points), 'point')}; a {kind} needs {_POINTS[kind][0]}")
    if kind == "mask":
        return Shape(kind, points, value, _painted(shape.get("mask"), points, f"{kind} {number}", path))
    if len(points) == 4 and kind != "polygon":
        return _cornered(points, value)
    return Shape(kind, points, value)


def _value(label: Any, where: str, path: str, labels: _Labels) -> int:
    """What a label paints."""
    folded = as_compared(str(label))
    if folded in labels.names:
        return mask.LANDSLIDE
    fixed = {**_FIXED, **_LABELMES_OWN}
    if folded in fixed:
        return fixed[folded]
    known = ", ".join((*labels.names, *_FIXED))
    remedy = f"for others: --config.data.labels={shlex.quote(','.join((*labels.names, folded)))}"
    if not labels.may_grow:
        remedy = "rename it in LabelMe to one of these"
    elif "," in folded or not folded.isprintable() or not folded:
        other = re.sub(r"\W+", "_", folded).strip("_") or "another"
        remedy = f"rename it in LabelMe to one of these, or to {other!r}, and give --config.data.labels that name"
    raise BadFile(path, f"{where} has the unknown label {label!r}; known are {known} ({remedy})")


def as_compared(label: str) -> str:
    """A label as it is compared: spaces, commas and semicolons around it are slips of the keyboard."""
    return unicodedata.normalize("NFC", label.strip(" \t\r\n\u3000,;").casefold())


def _cornered(points: tuple[Point, ...], value: int) -> Shape:
    """The rectangle of four corners, which may be turned."""
    xs, ys = ({point[axis] for point in points} for axis in (0, 1))
    if len(xs) == len(ys) == 2 and len(set(points)) == 4:
        return Shape("rectangle", ((min(xs), min(ys)), (max(xs), max(ys))), value)
    return Shape("polygon", points, value)


def _painted(encoded: Any, points: tuple[Point, ...], where: str, path: str) -> bytes:
    """Pixels of a mask, which LabelMe stores as a PNG in base64 whose values above 0 are painted."""
    (x0, y0), (x1, y1) = points
    *_, width, height = _pixels((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)), formats=["PNG"]) as image:
            if image.size != (width, height):
                found = f"{image.width} x {image.height} px in a box of {width} x {height}"
                raise BadFile(path, f"{where} has {found}; draw it again")
            pixels = np.asarray(image.convert("L"))
    except BadFile:
        raise
    except Exception as error:  # of base64 and Pillow
        raise BadFile(path, f"{where} has no mask that can be read ({error}); draw it again") from None
    return (pixels > 0).astype(np.uint8).tobytes().replace(b"\1", b"\xff")


def _pixels(box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """Left, top, width and height of a mask; its last row and column belong to it."""
    left, top, right, bottom = map(round, box)
    return left, top, right - left + 1, bottom - top + 1


def _listed(points: Any) -> list[Any]:
    return points if isinstance(points, list) else []


def _point(point: Any, where: str, path: str) -> Point:
    if not isinstance(point, list) or len(point) != 2 or any(type(value) not in (int, float) for value in point):
        raise BadFile(path, f"{where} has the point {point!r}, which is not a pair of numbers; draw it again")
    x, y = point
    if not (abs(x) <= _LIMIT_PX and abs(y) <= _LIMIT_PX):  # so written, NaN is caught too
        raise BadFile(
            path,
            f"{where} has the point ({x:g}, {y:g}), not finite or over {_LIMIT_PX:.0f} px away; redraw it",
        )
    return float(x), float(y)


def _side(value: Any, key: str, path: str) -> int | None:
    if value is not None and type(value) is not int:
        raise BadFile(path, f"{key} is {value!r}, not a whole number; save the file again with LabelMe")
    return value
