"""The input contract of an ecoregion: how the pixels of files become the network's input.

It is written when a model is saved, and read when the model is applied to images that it has not seen.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tsmu_jax.data.source import Intensities, PairInfo
from tsmu_jax.data.stated import Stated

COLOURS = ("red", "green", "blue")
PLAIN = Intensities("uint8", (1, 2, 3), ((0.0, 255.0),) * 3)  # 8-bit RGB divided by 255
Extent = Mapping[str, Sequence[float]]  # {"height": (smallest, median, largest), "width": likewise}


@dataclasses.dataclass(frozen=True)
class Contract:
    """The channels, the values and the scale with which training saw the images of an ecoregion.

    Attributes:
      channels: of the network's input, in order: "post-event red", or "post-event band 4" of chosen bands.
      side: of the square that pairs were resized to, in pixels.
      intensities: how stored values became [0, 1].
      pixels: sides of the images before they were resized, in pixels; None where not known.
      gsd_m: metres of ground that a pixel of the network's input covered down ("height") and across; None where no
        image said.
    """

    channels: tuple[str, ...]
    side: int
    intensities: Intensities
    pixels: Extent | None
    gsd_m: Extent | None

    @property
    def ground_m(self) -> Extent | None:
        """Metres of ground that a training image covered; None where not known."""
        return self.gsd_m and {name: tuple(self.side * value for value in three) for name, three in self.gsd_m.items()}


def contract_of(infos: Iterable[PairInfo], *, channels: int, side: int) -> Contract:
    """The contract of an ecoregion. Args: infos: of its pairs, at least one; see `Contract` for the others."""
    infos = list(infos)
    intensities = infos[0].intensities
    names = COLOURS if intensities is None else [f"band {number}" for number in intensities.bands]
    dates = ("pre-event", "post-event") if channels == 6 else ("post-event",)
    sizes = [info.size for info in infos if info.size]
    grounds = [
        tuple(metres * pixels / side for metres, pixels in zip(info.gsd_m, info.size, strict=True))
        for info in infos if info.gsd_m and info.size
    ]  # fmt: skip
    return Contract(
        channels=tuple(f"{date} {name}" for date in dates for name in names),
        side=side,
        intensities=intensities or PLAIN,
        pixels=_extent(sizes) if len(sizes) == len(infos) else None,
        gsd_m=_extent(grounds) if grounds else None,
    )


def stated_like(intensities: Intensities) -> Stated:
    """Returns the statements by which images are read like others."""
    return Stated() if intensities == PLAIN else Stated(intensities.bands, intensities.ranges)


def read_contract(described: Mapping[str, Any]) -> Contract:
    """The contract that `dataclasses.asdict` made plain values of."""
    stored = described.get("intensities")  # models of earlier releases have none: they read 8-bit RGB alone
    return Contract(
        channels=tuple(described["channels"]),
        side=described["side"],
        intensities=Intensities.of_plain(stored) if stored else PLAIN,
        pixels=described.get("pixels"),
        gsd_m=described.get("gsd_m"),
    )


def _extent(sizes: Sequence[Sequence[float]]) -> Extent:
    return {
        name: (min(values), float(np.median(values)), max(values))
        for name, values in zip(("height", "width"), zip(*sizes, strict=True), strict=True)
    }
