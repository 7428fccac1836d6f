"""Statements about image files that the files do not make: bands, ranges of values, ground resolution."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from tsmu_jax.data.choose import chosen_ecoregions
from tsmu_jax.errors import UserError

CHANNELS = 3  # of an image: red, green, blue
Range = tuple[float, float]
Value = TypeVar("Value")


class Stated(NamedTuple):
    """Of one ecoregion's files; None where nothing was stated.

    Attributes:
      bands: which of a file's bands are red, green and blue, counted from 1.
      ranges: of each of the three, the stored values that become 0 and 1.
      gsd_m: metres of ground a pixel.
    """

    bands: tuple[int, int, int] | None = None
    ranges: tuple[Range, ...] | None = None
    gsd_m: float | None = None

    @property
    def maps_values(self) -> bool:
        """Whether stored values become intensities by a mapping of the user's, not as 8-bit RGB."""
        return self.bands is not None or self.ranges is not None


class Statements(NamedTuple):
    """By ecoregion; "" is for all that are not named."""

    bands: Mapping[str, tuple[int, int, int]] = {}
    ranges: Mapping[str, tuple[Range, ...]] = {}
    gsd_m: Mapping[str, float] = {}

    def of(self, ecoregion: str) -> Stated:
        """Returns the statements about an ecoregion's files."""
        bands, ranges, gsd_m = (each.get(ecoregion, each.get("")) for each in self)
        return Stated(bands, ranges, gsd_m)  # type: ignore[arg-type]  # mypy joins the three types

    def check(self, known: Sequence[str]) -> None:
        """Raises UserError where an ecoregion is named that is not there."""
        for flag, named in zip(("bands", "range", "gsd"), self, strict=True):
            chosen_ecoregions(known, [name for name in named if name], where=f"--{flag}")


NOTHING_STATED = Statements()


def example_bands(count: int) -> str:
    """A value of --bands that a file of so many bands can follow."""
    return {1: "1,1,1", 2: "1,1,2", 3: "1,2,3"}.get(count, "3,2,1")


def read(bands: Sequence[str], ranges: Sequence[str], gsd: Sequence[str]) -> Statements:
    """Reads the words of the flags --bands, --range and --gsd: VALUE, or NAME=VALUE for one ecoregion.

    Raises:
      UserError: names the flag, the word and what it must look like.
    """
    return Statements(_read("bands", bands, _bands), _read("range", ranges, _ranges), _read("gsd", gsd, _gsd))


def _read(flag: str, words: Sequence[str], parse: Callable[[str], Value | None]) -> dict[str, Value]:
    form = {
        "bands": "three band numbers from 1 on, red, green and blue: 3,2,1",
        "range": "the lowest and the highest value, for all bands 0:3000 or for each 0:3000,0:2800,0:2500",
        "gsd": "metres a pixel, greater than 0: 0.5",
    }[flag]
    found: dict[str, Value] = {}
    for word in words:
        name, _, text = word.rpartition("=")
        value = parse(text)
        if value is None:
            raise UserError(f"--{flag}={word}: must be {form}; for one ecoregion NAME=...")
        if name in found:
            raise UserError(f"--{flag} is given twice for {name or 'all ecoregions'}")
        found[name] = value
    return found


def _bands(text: str) -> tuple[int, int, int] | None:
    words = text.split(",")
    if len(words) != CHANNELS or not all(word.isdecimal() and int(word) > 0 for word in words):
        return None
    red, green, blue = map(int, words)
    return red, green, blue


def _ranges(text: str) -> tuple[Range, ...] | None:
    ranges = []
    for word in text.split(","):
        low, high = map(_number, word.split(":")) if word.count(":") == 1 else (None, None)
        if low is None or high is None or low >= high or not math.isfinite(high - low):
            return None
        ranges.append((low, high))
    return {1: tuple(ranges * CHANNELS), CHANNELS: tuple(ranges)}.get(len(ranges))


def _gsd(text: str) -> float | None:
    value = _number(text)
    return value if value is not None and value > 0 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
