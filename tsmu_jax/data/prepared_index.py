"""The index of a prepared dataset: what is known of every pair without decoding it, and the fingerprints."""

import json
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tsmu_jax import digests, untrusted
from tsmu_jax.data import draws_file
from tsmu_jax.data.copies import SIDE
from tsmu_jax.data.layout import DATASET, index_path
from tsmu_jax.data.source import Footprint, Intensities, PairInfo, PairSource, Sketch, Skipped
from tsmu_jax.errors import UserError

SCHEMA = 7
# 2 lacks the sizes of the images, 3 what a pixel covers and how its values were mapped, 4 what tells copies, 5 outlines
# and 6 pairs that are drawn more often. What has none of these is still written as 6: the same bytes as before.
READABLE = (2, 3, 4, 5, 6, SCHEMA)
_ALIKE = 6
_METRES = 4  # the first schema with metres a pixel
Number = TypeVar("Number", int, float)


class Entry(NamedTuple):
    """What the index says of a pair."""

    info: PairInfo
    has_pre: bool


class Index(NamedTuple):
    """What the index holds.

    Attributes:
      fingerprints, entries: by ecoregion.
      files: sizes and digests of the dataset's other files; {} where an earlier release wrote it.
    """

    schema: int
    fingerprints: dict[str, str]
    entries: dict[str, list[Entry]]
    skipped: tuple[Skipped, ...]
    files: digests.Files = types.MappingProxyType({})


def write(source: PairSource, entries: Mapping[str, Sequence[Mapping[str, Any]]], data_dir: Path) -> None:
    """Writes the index, whose presence says that a dataset is finished.

    Args: entries: of each ecoregion's pairs, plain values; "draws" where a pair is drawn more often than others.
    """
    weighted = any("draws" in entry for listed in entries.values() for entry in listed)
    index = {
        "schema": SCHEMA if weighted else _ALIKE,
        "fingerprints": dict(source.fingerprints),
        "ecoregions": dict(entries),
        "skipped": [skip._asdict() for skip in source.skipped],
    }
    sealed = digests.sealed(index, digests.taken(data_dir, DATASET))
    index_path(data_dir).write_text(json.dumps(sealed, indent=1), encoding="utf-8")


def read(data_dir: Path) -> Index:
    """Reads the index. Raises UserError where it is damaged, or of another release."""
    path = index_path(data_dir)
    again = "remove the dataset and prepare it again"
    try:
        index, files = digests.read(path)
        if index["schema"] not in READABLE:
            raise UserError(f"{path}: written by another release; {again}")
        untrusted.names(index["ecoregions"], "an ecoregion")  # they become folders of runs
        entries = {name: [_entry(name, one) for one in listed] for name, listed in index["ecoregions"].items()}
        fingerprints = {name: str(index["fingerprints"][name]) for name in entries}
        skipped = tuple(Skipped(**entry) for entry in index["skipped"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"{path}: damaged ({error!r}); {again}") from None
    return Index(index["schema"], fingerprints, entries, skipped, files)


def _entry(ecoregion: str, plain: Mapping[str, Any]) -> Entry:
    """Raises KeyError, TypeError or ValueError where the entry is damaged."""
    untrusted.names([plain["id"]], "a pair")  # it becomes a file of runs
    known = {name: plain.get(name) for name in ("footprint", "outline", "size", "gsd_m", "intensities", "sketches")}
    footprint, outline, size, gsd_m, intensities, sketches = known.values()
    draws = plain.get("draws", 1)
    if type(draws) is not int or not 1 <= draws <= draws_file.MOST:
        raise ValueError(f"{draws!r:.20} is no number of draws")
    info = PairInfo(
        ecoregion=ecoregion,
        footprint=footprint and Footprint(*map(float, footprint)),
        outline=outline and tuple(_two(float, corner) for corner in outline),
        size=size and _two(int, size),
        gsd_m=gsd_m and _two(float, gsd_m),
        intensities=intensities and Intensities.of_plain(intensities),
        sketches=None if sketches is None else tuple(map(_sketch, sketches)),
        **{name: value for name, value in plain.items() if name not in {*known, "has_pre"}},
    )
    return Entry(info, bool(plain["has_pre"]))


def _sketch(values: Sequence[str]) -> Sketch:
    pixels, small = values
    if len(bytes.fromhex(small)) not in (0, SIDE**2) or not isinstance(pixels, str):
        raise ValueError(f"{small!r} is no sketch of an image")
    return Sketch(pixels, small)


def _two(kind: Callable[[Any], Number], values: Sequence[Any]) -> tuple[Number, Number]:
    first, second = map(kind, values)
    return first, second


def describes(index: Index, source: PairSource) -> bool:
    """Whether a dataset holds the pairs of a source.

    Fingerprints do not tell metres a pixel, which may be stated and change no image. Earlier releases recorded none.
    """
    kept = [entry.info.gsd_m for name in sorted(index.entries) for entry in index.entries[name]]
    same = index.schema < _METRES or kept == [one.gsd_m for one in source.infos]
    return same and index.fingerprints == dict(source.fingerprints)
