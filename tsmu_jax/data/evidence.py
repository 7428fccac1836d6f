"""Whether the masks of an ecoregion say anything that can be learnt or scored."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from absl import logging

from tsmu_jax.data.examples import Examples
from tsmu_jax.data.folder import FolderSource
from tsmu_jax.data.source import PairSource
from tsmu_jax.data.splits import Split
from tsmu_jax.data.synthetic import SyntheticSource
from tsmu_jax.errors import UserError
from tsmu_jax.mask import BACKGROUND, LANDSLIDE, UNKNOWN
from tsmu_jax.words import counted


def check(source: PairSource, split: Split, *, where: str) -> None:
    """Refuses training masks that are all alike, and warns of such test masks.

    Decodes pairs of each ecoregion until one tells landslide from background, which mostly is the first.

    Args: where: the data, named in messages.

    Raises:
      UserError: all training masks of an ecoregion are empty, or landslide covers all of them.
    """
    if isinstance(source, SyntheticSource):  # draws landslides by construction, and takes a while to
        return
    for name, found in _one_sided(source, split.train, "training"):
        raise UserError(f"{where}: {found}, so there is nothing to learn; {_remedy(source, name)}")
    for _, found in _one_sided(source, split.test, "test"):
        logging.warning("%s: %s, so its scores say little", where, found)


def scored(examples: Examples, split: Split, *, where: str) -> tuple[Split, dict[str, tuple[int, ...]]]:
    """Leaves out test pairs of which no known ground remains at the network's size: nothing can be said of them.

    Args: where: the data, named in messages.

    Returns:
      The split with the other test pairs, and by ecoregion those left out, which a warning names.

    Raises:
      UserError: an ecoregion has no other test pairs.
    """
    if isinstance(examples.source, SyntheticSource):  # all of its ground is known
        return split, {}
    kept, left_out = {}, {}
    for name, indices in split.test.items():
        lost = tuple(index for index in indices if (examples[index].mask == UNKNOWN).all())
        kept[name] = tuple(index for index in indices if index not in lost)
        size = f"known ground at {examples.size} x {examples.size} px"
        if not kept[name]:
            found = f"ecoregion {name!r} has {counted(len(lost), 'test pair')}, and none of them keeps"
            raise UserError(f"{where}: {found} {size}; mark less of it as unknown, or use a larger --config.data.size")
        if lost:
            left_out[name] = lost
            first = f"{name}/{examples.source.infos[lost[0]].id}"
            number = counted(len(lost), "test pair")
            logging.warning("%s: %s without %s, not scored: %s the first", where, number, size, first)
    return dataclasses.replace(split, test=kept), left_out


def _one_sided(source: PairSource, part: Mapping[str, Sequence[int]], what: str) -> Iterator[tuple[str, str]]:
    for name, indices in part.items():
        values = _values(source, indices)
        held = counted(len(indices), f"{what} pair")
        if values == {BACKGROUND}:
            yield name, f"ecoregion {name!r} has no landslide in any of its {held}"
        elif values == {LANDSLIDE}:
            swapped = "as where black and white are swapped"
            yield name, f"ecoregion {name!r} has nothing but landslide in its {held}, {swapped}"


def _values(source: PairSource, indices: Sequence[int]) -> set[int]:
    """Which of background and landslide masks hold; reads on only until both are found."""
    found: set[int] = set()
    for index in indices:
        mask = source[index].mask
        found |= {value for value in (BACKGROUND, LANDSLIDE) if (mask == value).any()}
        if len(found) > 1:
            break
    return found


def _remedy(source: PairSource, ecoregion: str) -> str:
    labels = source.drawn_labels(ecoregion) if isinstance(source, FolderSource) else {}
    if not labels:
        return "draw its landslides, or leave the ecoregion out"
    drawn = ", ".join(f"{label} ({number})" for label, number in sorted(labels.items()))
    return f"its shapes have the labels {drawn}: draw its landslides, or name those that mean it: --config.data.labels"
