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
    height: int, width: int, *, side: int, stride: int, trained: Mapping[str, Sequence[int]] | None
) -> Size:
    """The size at which a model sees an image.

    An image about as large as those of the training, or of a model that does not know how large they were, is squeezed
    to the square that the network was trained on. Any other keeps the scale of the training images: as many pixels of
    the file to one of the network's as their median had.

    Args:
      height, width: of the image, in pixels.
      side: of the square.
      stride: that sides must be a multiple of.
      trained: {"height": (smallest, median, largest), "width": likewise} of the training images; None if not known.
    """
    if trained is None or all(_alike(pixels, trained[name]) for name, pixels in (("height", height), ("width", width))):
        return Size(side, side)
    return Size(
        *(
            stride * max(1, round(pixels * side / trained[name][1] / stride))
            for name, pixels in (("height", height), ("width", width))
        )
    )


def merged(trained: Sequence[Mapping[str, Sequence[int]] | None]) -> dict[str, tuple[int, int, int]] | None:
    """The sizes of several ecoregions' training images together; None where one of them does not know."""
    known = [one for one in trained if one is not None]
    if len(known) < len(trained):
        return None
    both = {name: list(zip(*(one[name] for one in known), strict=True)) for name in ("height", "width")}
    return {name: (min(low), sorted(middle)[len(middle) // 2], max(high)) for name, (low, middle, high) in both.items()}


def _alike(pixels: int, trained: Sequence[int]) -> bool:
    smallest, _, largest = trained
    return smallest / MOST_SCALE <= pixels <= largest * MOST_SCALE
