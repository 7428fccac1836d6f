"""A contact sheet: many images with their masks outlined, on one page."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tsmu_jax.reporting.charts import canvas

MOST = 48  # images of a sheet
COLUMNS = 6
SIDE = 256  # px of an image on the sheet, the longer side at most
CELL, TITLE, GAP = 2.0, 0.36, 0.08  # inches
_OUTLINE = (0xF0, 0xE4, 0x42)


class Picture(NamedTuple):
    """One image of a sheet."""

    image: np.ndarray  # u8[h, w, 3]
    mask: np.ndarray  # bool[h, w]
    title: str  # of two lines at most
    marked: bool  # to look at


def sheet(pictures: Sequence[Picture], path: Path, *, note: str = "") -> None:
    """Writes a sheet. Args: note: below the images.

    Raises:
      ValueError: there are no pictures.
    """
    if not pictures:
        raise ValueError("no images to draw")
    columns = min(COLUMNS, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    width, height = columns * (CELL + GAP) + GAP, rows * (CELL + TITLE + GAP) + GAP + (0.3 if note else 0)
    figure = canvas.new_figure(width, height, canvas.Margins())
    for position, picture in enumerate(pictures):
        row, column = divmod(position, columns)
        left, top = GAP + column * (CELL + GAP), height - GAP - row * (CELL + TITLE + GAP)
        axes = figure.add_axes((left / width, (top - TITLE - CELL) / height, CELL / width, CELL / height))
        canvas.frameless(axes)
        axes.imshow(outlined(picture.image, picture.mask), aspect="equal")
        axes.set_anchor("N")
        colour = canvas.VERMILLION if picture.marked else canvas.INK
        title = canvas.shortened(picture.title, 34)
        figure.text(left / width, (top - TITLE + 0.03) / height, title, fontsize=6.5, color=colour, va="bottom")
    if note:
        figure.text(GAP / width, 0.1 / height, note, fontsize=8, color=canvas.GREY)
    canvas.save(figure, path)


def outlined(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A small copy of the image with the mask's rim in yellow: u8[<= SIDE, <= SIDE, 3]."""
    scale = min(SIDE / max(image.shape[:2]), 1.0)
    size = tuple(max(1, round(pixels * scale)) for pixels in reversed(image.shape[:2]))
    small = np.array(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    inside = np.asarray(Image.fromarray(255 * mask.astype(np.uint8)).resize(size, Image.Resampling.BOX)) > 127
    padded = np.pad(inside, 1, mode="edge")
    whole = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    small[inside & ~whole] = _OUTLINE
    return small
