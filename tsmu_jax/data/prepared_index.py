"""The index of a prepared dataset: what is known of every pair without decoding it, and the fingerprints."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tsmu_jax.data.layout import index_path
from tsmu_jax.data.source import Footprint, Intensities, PairInfo, PairSource
from tsmu_jax.errors import UserError

SCHEMA = 4
READABLE = (2, 3, SCHEMA)  # 2 lacks the sizes of the images, 3 what a pixel covers and how its values were mapped
Index = dict[str, Any]


def write(source: PairSource, entries: Mapping[str, Sequence[Mapping[str, Any]]], data_dir: Path) -> None:
    """Writes the index, whose presence says that a dataset is finished.

    Args: entries: of each ecoregion's pairs, plain values.
    """
    index = {
        "schema": SCHEMA,
        "fingerprints": dict(source.fingerprints),
        "ecoregions": dict(entries),
        "skipped": [skip._asdict() for skip in source.skipped],
    }
    index_path(data_dir).write_text(json.dumps(index, indent=1), encoding="utf-8")


def read(data_dir: Path) -> Index:
    """Reads the index. Raises UserError where it is damaged, or of another release."""
    path = index_path(data_dir)
    try:
        index: Index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}); remove the dataset and prepare it again") from None
    if index.get("schema") not in READABLE:
        raise UserError(f"{path}: written by another release; remove the dataset and prepare it again")
    return index


def info(ecoregion: str, entry: dict[str, Any]) -> PairInfo:
    """Makes a pair's description of its entry. Raises KeyError and TypeError where the entry is damaged."""
    known = {name: entry.pop(name, None) for name in ("footprint", "size", "gsd_m", "intensities")}
    footprint, size, gsd_m, intensities = known.values()
    return PairInfo(
        ecoregion=ecoregion,
        footprint=footprint and Footprint(*footprint),
        size=size and tuple(size),
        gsd_m=gsd_m and tuple(gsd_m),
        intensities=intensities and Intensities.of_plain(intensities),
        **entry,
    )


def describes(index: Index, source: PairSource) -> bool:
    """Whether a dataset holds the pairs of a source.

    Fingerprints do not tell metres a pixel, which may be stated and change no image. Earlier releases kept none.
    """
    kept = [entry.get("gsd_m") for name in sorted(index["ecoregions"]) for entry in index["ecoregions"][name]]
    wanted = [one.gsd_m and list(one.gsd_m) for one in source.infos]
    same = index["schema"] < SCHEMA or kept == wanted
    return same and bool(index["fingerprints"] == source.fingerprints)
