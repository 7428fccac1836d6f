"""Sources of image pairs: a folder, a prepared dataset or the synthetic ecoregions."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np


class Footprint(NamedTuple):
    """Bounding box of an image in WGS84 degrees."""

    lon_min: float
    lat_min: float
    lon_max: float
    lat_max: float


Outline = tuple[tuple[float, float], ...]  # corners of a convex shape, longitude and latitude in degrees, in turn


@dataclasses.dataclass(frozen=True)
class Intensities:
    """The mapping of the values that a file stores to intensities in [0, 1].

    Attributes:
      dtype: of the file, "uint16".
      bands: red, green and blue, counted from 1.
      ranges: of each of the three, the stored values that become 0 and 1; what lies outside is clipped.
    """

    dtype: str
    bands: tuple[int, int, int]
    ranges: tuple[tuple[float, float], ...]

    @classmethod
    def of_plain(cls, stored: Mapping[str, Any]) -> "Intensities":
        """Undoes `dataclasses.asdict`, also after JSON."""
        ranges = tuple((low, high) for low, high in stored["ranges"])
        return cls(stored["dtype"], tuple(stored["bands"]), ranges)


class Sketch(NamedTuple):
    """What tells copies of an image; see `copies.py`."""

    pixels: str  # digest of the decoded pixels
    small: str  # 8 x 8 grey values, hexadecimal; empty where they have too little contrast


@dataclasses.dataclass(frozen=True)
class PairInfo:
    """Properties of an image pair that are known without decoding it."""

    id: str  # unique within its ecoregion
    ecoregion: str
    scene: str  # tiles cut from one image share it, and never straddle a split
    footprint: Footprint | None = None
    pre_date: str | None = None  # yyyymmdd
    post_date: str | None = None
    size: tuple[int, int] | None = None  # height and width in px; None where a dataset of an older release lacks it
    gsd_m: tuple[float, float] | None = None  # metres of ground that a pixel covers down and across, where known
    intensities: Intensities | None = None  # None for 8-bit RGB divided by 255
    sketches: tuple[Sketch, ...] | None = None  # of the scene's whole images; None where nobody looked
    outline: Outline | None = None  # within the footprint; None where the ground fills it, or nobody knows
    draws: int = 1  # of an epoch, for one draw of the others: see `draws_file.py`


class Pair(NamedTuple):
    """A decoded pair at its original size."""

    pre: np.ndarray | None  # u8[h, w, 3]; None in single-date ecoregions
    post: np.ndarray  # u8[h, w, 3]
    mask: np.ndarray  # u8[h, w] of the values in mask.py


class Skipped(NamedTuple):
    """A bad file that `on_bad_file="skip"` left out."""

    ecoregion: str
    path: str
    reason: str


class PairSource(Protocol):
    """Random access to decoded pairs; safe to read from several threads."""

    @property
    def infos(self) -> Sequence[PairInfo]:
        """One `PairInfo` a pair, in a fixed order: sorted by ecoregion, then id."""
        ...

    @property
    def fingerprints(self) -> Mapping[str, str]:
        """By ecoregion: changes whenever the ecoregion's pairs do, wherever they lie and whatever lies beside them."""
        ...

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Bad files left out; empty unless asked for."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Pair: ...


def fingerprint(source: PairSource) -> str:
    """Changes whenever any of a source's pairs do; two equal sources share it."""
    return hashlib.sha256(json.dumps(dict(source.fingerprints), sort_keys=True).encode()).hexdigest()
