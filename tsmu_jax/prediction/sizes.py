"""At which size an image goes through the network: as training images did, or by the scale that they had."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Training squeezes every image to a square, so the network knows the scales of the training images and some around.
MOST_SCALE = 1.5


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


def network_size(
    height: float, width: float, *, side: int, stride: int, trained: Mapping[str, Sequence[float]] | None
) -> Size:
    """The size at which a model sees an image.

    An image about as large as those of the training, or of a model that does not know how large they were, is squeezed
    to the square that the network was trained on. Any other keeps the scale of the training images: as much of the
    image to a pixel of the network as their median had.

    Args:
      height, width: of the image, in pixels of the file, or in metres of ground where both sides know them.
      side: of the square.
      stride: that sides must be a multiple of.
      trained: {"height": (smallest, median, largest), "width": likewise} of the training images in the same unit;
        None if not known.
    """
    if trained is None or all(_alike(length, trained[name]) for name, length in (("height", height), ("width", width))):
        return Size(side, side)
    return Size(
        *(
            stride * max(1, round(length * side / trained[name][1] / stride))
            for name, length in (("height", height), ("width", width))
        )
    )


def merged(trained: Sequence[Mapping[str, Sequence[float]] | None]) -> dict[str, tuple[float, float, float]] | None:
    """The sizes of several ecoregions' training images together; None where one of them does not know."""
    known = [one for one in trained if one is not None]
    if len(known) < len(trained):
        return None
    both = {name: list(zip(*(one[name] for one in known), strict=True)) for name in ("height", "width")}
    return {name: (min(low), sorted(middle)[len(middle) // 2], max(high)) for name, (low, middle, high) in both.items()}


def _alike(length: float, trained: Sequence[float]) -> bool:
    smallest, _, largest = trained
    return smallest / MOST_SCALE <= length <= largest * MOST_SCALE
