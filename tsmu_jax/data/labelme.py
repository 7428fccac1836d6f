"""LabelMe annotations: parsed, checked, and drawn as masks of the original size (section V-A).

Coordinates are pixels from the upper-left corner. Shapes are drawn with Pillow exactly as LabelMe draws
them, so a mask includes the outline's pixels. **Shapes are painted in file order, each over those before
it**: one labelled as a landslide paints 1, one labelled "background" paints 0, one labelled "unknown" paints unknown
ground. A hole therefore stands after the polygon that it cuts, and an island inside of the hole after the hole.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from tsmu_jax import mask
from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.errors import UserError

BACKGROUND = "background"  # the label of holes
UNKNOWN = "unknown"  # the label of ground of which nobody can say what it is
_FIXED = {BACKGROUND: mask.BACKGROUND, UNKNOWN: mask.UNKNOWN}  # labels that always mean the same
_LIMIT_PX = 100_000.0  # Pillow overflows silently beyond 2^31, and needs minutes for circles long before
_FEWEST = {"polygon": 3, "rectangle": 2, "circle": 2}
_MOST = {"polygon": math.inf, "rectangle": 2, "circle": 2}

Point = tuple[float, float]


class Shape(NamedTuple):
    """A polygon, a rectangle (two opposite corners) or a circle (its centre and a point on its rim)."""

    kind: str
    points: tuple[Point, ...]  # x, y in pixels; may lie outside of the image
    value: int  # what it paints, of the values in mask.py


class Annotation(NamedTuple):
    """The part of a LabelMe file that matters here."""

    image_name: str  # without folders, which differ between machines
    shapes: tuple[Shape, ...]
    width: int | None  # None where the file does not say
    height: int | None


def check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """The labels that mean landslide, in lower case.

    Raises:
      UserError: there is none, or one of them always means something else.
    """
    folded = () if isinstance(labels, str) else tuple(label.casefold() for label in labels)
    if not folded or not _FIXED.keys().isdisjoint(folded):
        raise UserError(f"--config.data.labels={labels!r}: name one or more labels, not {' or '.join(_FIXED)}")
    return folded


def read(data: bytes, *, path: str, labels: Sequence[str]) -> Annotation:
    """Parses a LabelMe file.

    Args:
      data: the file's bytes.
      path: named in errors.
      labels: those that mean landslide, any case; all others but "background" and "unknown" are errors, since a label
        that is silently ignored is a landslide silently lost.

    Raises:
      BadFile: naming the file, the number of the shape (from 1) and the remedy.
    """
    try:
        content = json.loads(data)
    except ValueError as error:  # covers broken encodings too
        raise BadFile(path, f"not JSON ({error}); save it again with LabelMe") from None
    if not isinstance(content, dict):
        raise BadFile(path, "not a LabelMe file (its top level is not an object)")
    for key, kind in (("imagePath", str), ("shapes", list)):
        if not isinstance(content.get(key), kind):
            raise BadFile(path, f"not a LabelMe file (key {key!r} is missing or malformed)")
    width, height = (_side(content.get(key), key, path) for key in ("imageWidth", "imageHeight"))
    known = check_labels(labels)
    shapes = tuple(_shape(shape, number, path, known) for number, shape in enumerate(content["shapes"], start=1))
    return Annotation(re.split(r"[/\\]", content["imagePath"])[-1], shapes, width, height)


def rasterise(shapes: Sequence[Shape], height: int, width: int) -> np.ndarray:
    """Draws shapes in order; what lies outside of the image is clipped.

    Returns:
      u8[height, width] of the values in mask.py.
    """
    canvas = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(canvas)
    for kind, points, value in shapes:
        if kind == "polygon":
            draw.polygon(points, fill=value, outline=value)
        elif kind == "rectangle":
            (x0, y0), (x1, y1) = points
            draw.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=value, outline=value)
        else:
            x, y = points[0]
            radius = math.dist(*points)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=value, outline=value)
    return np.array(canvas)


def _shape(shape: Any, number: int, path: str, labels: tuple[str, ...]) -> Shape:
    if not isinstance(shape, dict) or "label" not in shape or "points" not in shape:
        raise BadFile(path, f"shape {number} lacks a label or points; draw it again")
    kind = shape.get("shape_type", "polygon")  # files of LabelMe 3 hold polygons only and do not say so
    if kind not in _FEWEST:
        raise BadFile(path, f"shape {number} is a {kind}; known are {', '.join(_FEWEST)}: draw it again as one of them")
    label = str(shape["label"]).casefold()
    if label not in (*labels, *_FIXED):
        known = ", ".join((*labels, *_FIXED))
        remedy = f"for others: --config.data.labels={','.join((*labels, label))}"
        reason = f"{kind} {number} has the unknown label {shape['label']!r}; known are {known} ({remedy})"
        raise BadFile(path, reason)
    points = tuple(_point(point, f"{kind} {number}", path) for point in _listed(shape["points"]))
    if not _FEWEST[kind] <= len(points) <= _MOST[kind]:
        plural = "" if len(points) == 1 else "s"
        raise BadFile(path, f"{kind} {number} has {len(points)} point{plural}; a {kind} needs {_FEWEST[kind]}")
    return Shape(kind, points, _FIXED.get(label, mask.LANDSLIDE))


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
