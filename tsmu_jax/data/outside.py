"""Shapes that lie wholly outside of an image: they belong to another one, and would vanish in silence."""

from collections.abc import Sequence

from tsmu_jax.data.bad_file import BadFile
from tsmu_jax.data.labelme import Shape, rasterise
from tsmu_jax.mask import LANDSLIDE


def check(shapes: Sequence[Shape], height: int, width: int, path: str) -> None:
    """Refuses shapes of which nothing lies in the image.

    Args: path: of the LabelMe file, named in the error.

    Raises:
      BadFile: names the first such shape, counted from 1, and the image's size.
    """
    for number, shape in enumerate(shapes, start=1):
        if not _reaches_into(shape, height, width):
            where = f"wholly outside of the image of {width} x {height} px"
            raise BadFile(path, f"{shape.kind} {number} lies {where}; draw it again, or remove it")


def _reaches_into(shape: Shape, height: int, width: int) -> bool:
    within = any(0 <= x <= width - 1 and 0 <= y <= height - 1 for x, y in shape.points)
    if within and shape.kind != "mask":  # the pixels of outlines are painted, those of a mask's corners may not be
        return True
    return bool(rasterise([shape._replace(value=LANDSLIDE)], height, width).any())
