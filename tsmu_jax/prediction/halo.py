"""The halo of windows: how much of a window's border is cropped because what lies beyond the window is missing there.

The exact halo is the network's reach: no weight, however small, leads further. A trained network hardly looks that far.
So when a run saves its model it measures how far cropping is felt, and `model.json` keeps that distance.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.errors import UserError
from tsmu_jax.models.layout import MANIFEST
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.windows import Reach, reach

EXACT, MEASURED = "exact", "measured"
KINDS = (MEASURED, EXACT)
# Of a probability where a window is cropped by its halo, on the images that are measured: a tenth of what may be met on
# others. Measured with the demo's model: .001 is met up to 59 and 55 px from the cuts of 8 mosaics, .01 up to 57 and
# 56 px from those of 24 others.
MOST_CHANGE = 0.001
MOSAICS = 8
MOST_SIDE = 1024  # of a mosaic, in pixels


class Halo(NamedTuple):
    """What windows are cropped by.

    Attributes:
      kind: EXACT or MEASURED.
      seen: pixels that are cropped from a window's borders within an image.
    """

    kind: str
    seen: Reach

    def __str__(self) -> str:
        return f"{self.seen.before} px to the left and top, {self.seen.after} px to the right and bottom, {self.kind}"


def halo_of(model: SavedModel, wanted: str = MEASURED) -> Halo:
    """The halo of a model: the measured one where it has one and `wanted` is MEASURED, else the exact one.

    Raises:
      UserError: the model says that it sees further than its network can.
    """
    network, stored = model.description["network"], model.description.get("halo")
    exact = reach(network["variant"], network["depth"])
    if wanted == EXACT or stored is None:
        return Halo(EXACT, exact)
    found = Reach(stored["before"], stored["after"])
    if found.before > exact.before or found.after > exact.after:
        reason = f"its halo of {found.before} and {found.after} px is larger than the network's reach"
        raise UserError(f"{model.path / MANIFEST}: {reason} of {exact.before} and {exact.after} px; add --halo={EXACT}")
    return Halo(MEASURED, found)


def measure(
    answers: Sequence[Callable[[np.ndarray], np.ndarray]],
    images: Mapping[str, np.ndarray],
    *,
    exact: Reach,
    stride: int,
) -> dict[str, Any] | None:
    """Measures how far from a window's border its answers differ from those of one pass.

    Each decoder answers mosaics as a whole, and each quarter of a mosaic alone. The halo is the smallest one, in
    multiples of the stride, such that no probability further than that from the cuts differs by more than MOST_CHANGE.
    All images of a mosaic are drawn evenly from all ecoregions, and the cuts go through the middle of images.

    The work is bounded: 2 x MOSAICS times the pixels of a mosaic for each decoder, whose side is twice the reach and
    two strides, and at most MOST_SIDE.

    Args:
      answers: of each decoder, from u8[n, h, w, c] to calibrated probabilities f32[n, h, w].
      images: u8[n, s, s, c] by ecoregion.
      exact: the network's reach.
      stride: of the network.

    Returns:
      "before" and "after", the halo in pixels; "change", the largest difference that is left; "mosaics". None where
      nothing below the reach will do.
    """
    half = min(-(-exact.before // stride) * stride + stride, MOST_SIDE // 2 // stride * stride)
    wholes = np.stack([mosaic(images, 2 * half, seed=number) for number in range(MOSAICS)])
    quarters = np.concatenate([wholes[:, y : y + half, x : x + half] for y in (0, half) for x in (0, half)])
    changes = np.zeros((2 * half, 2 * half), np.float32)
    for answer in answers:
        top_left, top_right, bottom_left, bottom_right = np.split(answer(quarters), 4)
        apart = np.block([[top_left, top_right], [bottom_left, bottom_right]])
        changes = np.maximum(changes, np.abs(answer(wholes) - apart).max(0))
    sides = [[*range(0, min(most, half), stride), most] for most in exact]
    for before, after in sorted(itertools.product(*sides), key=sum):
        if (before, after) == exact:
            break
        left = _left(changes, before, after)
        if left <= MOST_CHANGE:
            return {"before": before, "after": after, "change": round(left, 6), "mosaics": MOSAICS}
    return None


def _left(changes: np.ndarray, before: int, after: int) -> float:
    """The largest change that is not cropped. Args: changes: f[2n, 2n], cut in the middle."""
    place = np.arange(len(changes)) - len(changes) // 2
    kept = np.where(place >= 0, place >= before, -place - 1 >= after)
    return float(changes[np.ix_(kept, kept)].max())


def mosaic(images: Mapping[str, np.ndarray], side: int, *, seed: int) -> np.ndarray:
    """u8[side, side, c]: images side by side, drawn evenly from the ecoregions, the middle one around the centre.

    Args: images: u8[n, s, s, c] by ecoregion.
    """
    random, groups = np.random.default_rng(seed), list(images.values())
    tile = groups[0].shape[1]
    number = -(-side // tile) + 1
    rows = []
    for _ in range(number):
        drawn = [groups[random.integers(len(groups))] for _ in range(number)]
        rows.append(np.concatenate([group[random.integers(len(group))] for group in drawn], axis=1))
    start = (tile // 2 - side // 2) % tile
    return np.concatenate(rows)[start : start + side, start : start + side]
