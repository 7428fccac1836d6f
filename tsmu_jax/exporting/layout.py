"""The files of an export, and how they are used: shared by what writes them and what describes them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tsmu_jax import untrusted
from tsmu_jax.data.contract import Contract, read_contract
from tsmu_jax.evaluation.intervals import Interval
from tsmu_jax.models.saved import SavedModel

SAFETENSORS, STABLEHLO, ONNX = "safetensors", "stablehlo", "onnx"
FORMATS = (SAFETENSORS, STABLEHLO, ONNX)
NEEDS = {SAFETENSORS: (), STABLEHLO: ("flatbuffers",), ONNX: ("onnx", "onnxruntime")}  # beyond the package's own
CARD, ITEM, NETWORK = "card.md", "item.json", "network.json"
NOT_STATED = "not stated"


@dataclasses.dataclass(frozen=True)
class Export:
    """An export that is being made.

    Attributes:
      model: the saved one.
      description: what `export.json` will hold, without digests; its decoders and ecoregions are those exported.
      intervals: of the mean IoU, of the ecoregions that have an exam.
      licences: of the images of an ecoregion, or of the model itself (""), as stated.
    """

    model: SavedModel
    description: Mapping[str, Any]
    intervals: Mapping[str, Interval]
    licences: Mapping[str, str]

    @property
    def formats(self) -> dict[str, Any]:
        """What is said of each format."""
        return dict(self.description["formats"])

    @property
    def decoders(self) -> tuple[str, ...]:
        """Those exported."""
        return tuple(self.description["decoders"])

    @property
    def contracts(self) -> dict[str, Contract]:
        """The input contract of each ecoregion."""
        return contracts(self.description)

    @property
    def name(self) -> str:
        """Of the model, as STAC permits it."""
        return f"tsmu-{self.model.digest[:12]}"


def contracts(description: Mapping[str, Any], decoder: str | None = None) -> dict[str, Contract]:
    """The input contract of each ecoregion. Args: decoder: leave out those for which it does not answer."""
    wanted = description["decoders"][decoder]["ecoregions"] if decoder else description["ecoregions"]
    return {name: read_contract(description["ecoregions"][name]["contract"]) for name in wanted}


def files(decoders: Sequence[str], suffix: str) -> dict[str, str]:
    """The name of each decoder's file: that of the decoder, where a file can be called so, else its number."""
    return {
        name: f"{name}{suffix}" if untrusted.is_name(f"{name}{suffix}.partial") else f"decoder_{number}{suffix}"
        for number, name in enumerate(decoders, 1)
    }
