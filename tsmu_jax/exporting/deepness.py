"""What the QGIS plugin Deepness reads from an ONNX file, so that its fields need not be filled in by hand.

The plugin cuts a layer into square tiles, divides 8-bit values by 255, and keeps the middle of each tile. Texts are
JSON. Its documentation calls the tiles' side `tiles_size`, its code reads `tile_size`: both are written.
"""

import json
import math
from collections.abc import Sequence

from tsmu_jax.data.contract import Contract
from tsmu_jax.evaluation.evaluate import THRESHOLD
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.prediction.windows import Reach, reach

MOST_OVERLAP = 50  # percent of a tile's side: more, and most of the work is done four times


def halo(model: SavedModel) -> Reach:
    """How far an output pixel sees: as measured, where the model knows it, else as the network could."""
    network, measured = model.description["network"], model.description.get("halo")
    if measured:
        return Reach(measured["before"], measured["after"])
    return reach(network["variant"], network["depth"])


def overlap(seen: Reach, side: int) -> int:
    """Percent of a tile's side by which tiles overlap: half of it is cut off at each border."""
    return min(MOST_OVERLAP, math.ceil(200 * max(seen) / side))


def is_seamless(seen: Reach, side: int) -> bool:
    """Whether tiles that overlap so answer as one pass would, as far as the halo tells."""
    return overlap(seen, side) * side >= 200 * max(seen)


def resolution_cm(contracts: Sequence[Contract]) -> float | None:
    """Centimetres of ground that a pixel covers, the median of the ecoregions' medians; None where one is not known."""
    known = sorted((one.gsd_m["height"][1] + one.gsd_m["width"][1]) / 2 for one in contracts if one.gsd_m is not None)
    return 100 * known[len(known) // 2] if known and len(known) == len(contracts) else None


def metadata(contracts: Sequence[Contract], *, channels: int, side: int, seen: Reach) -> dict[str, str]:
    """The plugin's entries. Args: contracts: of the ecoregions that the decoder answers for."""
    values: dict[str, object] = {
        "model_type": "Segmentor",
        "class_names": {"0": "background", "1": "landslide"},
        "tiles_size": side,
        "tile_size": side,
        "tiles_overlap": overlap(seen, side),
        "seg_thresh": THRESHOLD,
        "seg_small_segment": 0,
        "standardization_mean": [0.0] * channels,  # of versions whose default has three channels
        "standardization_std": [1.0] * channels,
    }
    if (resolution := resolution_cm(contracts)) is not None:
        values["resolution"] = resolution
    return {name: json.dumps(value) for name, value in values.items()}
