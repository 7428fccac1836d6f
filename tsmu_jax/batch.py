"""Keys of a batch, and how it is filled up. Every array has the batch as its first axis."""

from collections.abc import Mapping

import numpy as np

IMAGE = "image"  # u8[b, s, s, c]
MASK = "mask"  # u8[b, s, s] of the values in mask.py
FLIP = "flip"  # i32[b] in [0, FLIPS): bit 0 mirrors left and right, bit 1 top and bottom
WEIGHT = "weight"  # f32[b]: 1, or 0 for padding
DECODER = "decoder"  # i32[b]: which of the phase's supervised decoders the labels train
ROW = "row"  # i32[b]: of the table of stored features
FEATURES = "features"  # f16[b, s, s, k]: what a frozen encoder makes of the image, flipped
RESPONSES = "responses"  # f32[b, d, s, s]: stored logits of the d distilled decoders

FLIPS = 4


def fill(batch: Mapping[str, np.ndarray], slots: int) -> dict[str, np.ndarray]:
    """Fills a batch up to `slots` rows with zeros: every batch then runs through the same compiled program.

    Where rows are summed up, the weight 0 keeps the zeros out of losses and statistics.
    """
    missing = slots - len(next(iter(batch.values())))
    if not missing:
        return dict(batch)
    return {name: np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)]) for name, x in batch.items()}
