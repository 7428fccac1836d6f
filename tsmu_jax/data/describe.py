"""The description of a dataset: Table I beside the paper's, sizes, counts, the split and its leaks."""

import collections
import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tsmu_jax.data.copies import Copies, groups
from tsmu_jax.data.ecoregions import ECOREGIONS
from tsmu_jax.data.leakage import LeakageReport, leakage
from tsmu_jax.data.progress import reported
from tsmu_jax.data.source import Pair, PairSource, Skipped, fingerprint
from tsmu_jax.data.splits import Split, names
from tsmu_jax.data.statistics import EcoregionStatistics, PixelStatistics, pixel_statistics
from tsmu_jax.words import escaped_markdown

LEAKAGE_DISTANCE_M = 2000.0
_MANY = 20  # skipped files named in the text; the JSON file has them all


@dataclasses.dataclass(frozen=True)
class Description:
    """The contents of `description.json` and `description.md`."""

    fingerprint: str
    statistics: Mapping[str, EcoregionStatistics]
    scenes: Mapping[str, int]  # images; more than one pair each where they were tiled
    with_pre: Mapping[str, int]  # pairs that have a pre-event image
    sizes: Mapping[str, Mapping[tuple[int, int], int]]  # (width, height) in px -> pairs
    gsd_m: Mapping[str, tuple[float, float] | None]  # smallest and largest metres a pixel; None where not known
    test_ids: Mapping[str, tuple[str, ...]]
    validation_ids: Mapping[str, tuple[str, ...]]
    train: Mapping[str, int]
    split_options: Mapping[str, Any]
    leakage: LeakageReport | None  # None where no footprint is known
    copies: tuple[Copies, ...] | None  # None where they were not looked for
    skipped: tuple[Skipped, ...]
    more_draws: Mapping[str, int]  # pairs that an epoch draws more often than others


def describe(source: PairSource, split: Split, split_options: Mapping[str, Any]) -> Description:
    """Reads every pair of a source once; `split_options` are reported as they are."""
    statistics, with_pre, sizes = {}, {}, {}
    ids = [info.id for info in source.infos]
    for name in names(source.infos):
        size: collections.Counter[tuple[int, int]] = collections.Counter()
        seen: list[bool] = []
        statistics[name] = pixel_statistics(_counted(source, name, size, seen))
        with_pre[name], sizes[name] = sum(seen), size
    scenes = collections.Counter(ecoregion for ecoregion, _ in {(i.ecoregion, i.scene) for i in source.infos})
    known = any(info.footprint is not None for info in source.infos)
    return Description(
        fingerprint=fingerprint(source),
        statistics=statistics,
        scenes=scenes,
        with_pre=with_pre,
        sizes=sizes,
        gsd_m={name: _gsd_m(source, name) for name in statistics},
        test_ids={name: tuple(ids[index] for index in indices) for name, indices in split.test.items()},
        validation_ids={name: tuple(ids[index] for index in indices) for name, indices in split.validation.items()},
        train={name: len(indices) for name, indices in split.train.items()},
        split_options=split_options,
        leakage=leakage(source.infos, split, LEAKAGE_DISTANCE_M) if known else None,
        copies=groups(source.infos),
        skipped=tuple(source.skipped),
        more_draws=collections.Counter(info.ecoregion for info in source.infos if info.draws > 1),
    )


def write(description: Description, directory: Path) -> None:
    """Writes `description.json` and `description.md`."""
    text = json.dumps(as_json(description), indent=1, allow_nan=False)
    (directory / "description.json").write_text(text + "\n", encoding="utf-8")
    (directory / "description.md").write_text(as_markdown(description), encoding="utf-8")


def as_json(description: Description) -> dict[str, Any]:
    """JSON of schema 1; null for statistics of no pixels and for unknown leakage."""
    ecoregions = {}
    for name, statistics in description.statistics.items():
        paper = ECOREGIONS.get(name)
        ecoregions[name] = {
            "pairs": statistics.pairs,
            "scenes": description.scenes[name],
            "with_pre": description.with_pre[name],
            "sizes": {f"{width}x{height}": n for (width, height), n in sorted(description.sizes[name].items())},
            "gsd_m": description.gsd_m[name],
            "positive_fraction": _number(statistics.positive_fraction),
            "unknown_fraction": _number(statistics.unknown_fraction),
            "empty_masks": statistics.empty_masks,
            "landslide": _columns(statistics.landslide),
            "background": _columns(statistics.background),
            "paper": paper and {"landslide": _columns(paper.landslide), "background": _columns(paper.background)},
            "train": description.train[name],
            "validation": description.validation_ids[name],
            "test": description.test_ids[name],
        }
    return {
        "schema": 1,
        "fingerprint": description.fingerprint,
        "ecoregions": ecoregions,
        "split": dict(description.split_options),
        "leakage": description.leakage and dataclasses.asdict(description.leakage),
        "copies": None if description.copies is None else [dataclasses.asdict(one) for one in description.copies],
        "skipped": [skip._asdict() for skip in description.skipped],
    }


def as_markdown(description: Description) -> str:
    """The same for people."""
    sections = (_contents(description), _table_i(description), _split(description), _leakage(description))
    return "# Dataset\n\n" + "\n\n".join((*sections, _skipped(description))) + "\n"


def _counted(
    source: PairSource, name: str, sizes: collections.Counter[tuple[int, int]], seen: list[bool]
) -> Iterator[Pair]:
    indices = [index for index, info in enumerate(source.infos) if info.ecoregion == name]
    for index in reported(indices, total=len(indices), what=f"describing {name}"):
        pair = source[index]
        height, width = pair.mask.shape
        sizes[width, height] += 1
        seen.append(pair.pre is not None)
        yield pair


def _gsd_m(source: PairSource, ecoregion: str) -> tuple[float, float] | None:
    known = [value for info in source.infos if info.ecoregion == ecoregion and info.gsd_m for value in info.gsd_m]
    return (min(known), max(known)) if known else None


def _contents(description: Description) -> str:
    rows = []
    for name, statistics in description.statistics.items():
        (low, high), sizes = _extent(description.sizes[name]), len(description.sizes[name])
        shown = low if sizes == 1 else f"{low} to {high} ({sizes} sizes)"
        counts = f"{statistics.pairs} | {description.scenes[name]} | {description.with_pre[name]}"
        gsd = description.gsd_m[name]
        metres = " to ".join(dict.fromkeys(f"{value:.3g}" for value in gsd)) if gsd else "not known"
        unknown = f"{statistics.unknown_fraction:.2%}" if statistics.unknown_fraction else "-"
        masks = f"{statistics.positive_fraction:.2%} | {unknown} | {statistics.empty_masks}"
        rows.append(f"| {escaped_markdown(name)} | {counts} | {shown} | {metres} | {masks} |")
    head = (
        "| ecoregion | pairs | images | with pre-event image | size (px) | metres a pixel | landslide pixels "
        "| unknown ground | empty masks |"
    )
    drawn = (f"{escaped_markdown(name)}: {number}" for name, number in sorted(description.more_draws.items()))
    told = (
        [f"\nPairs that an epoch draws more often than others: {', '.join(drawn)}."] if description.more_draws else []
    )
    return "\n".join((head, "|---" * 9 + "|", *rows, *told))


def _table_i(description: Description) -> str:
    rows = []
    for name, statistics in description.statistics.items():
        rows.append(f"| {escaped_markdown(name)} | {_shown(statistics.landslide)} | {_shown(statistics.background)} |")
        if paper := ECOREGIONS.get(name):
            rows.append(f"| {name} in the paper | {_shown(paper.landslide)} | {_shown(paper.background)} |")
    title = "## Pixel intensities of post-event images (Table I; histograms: pixel_histograms.png)\n"
    head = "| ecoregion | landslide: mean, std, median | background: mean, std, median |"
    return "\n".join((title, head, "|---" * 3 + "|", *rows))


def _split(description: Description) -> str:
    options = ", ".join(f"{key} {value}" for key, value in description.split_options.items())
    head = "| ecoregion | training | validation | test | test pairs |"
    rows = (
        f"| {escaped_markdown(name)} | {description.train[name]} | {len(description.validation_ids[name])} "
        f"| {len(tests)} | {escaped_markdown(', '.join(tests))} |"
        for name, tests in description.test_ids.items()
    )
    return "\n".join((f"## Split ({options})\n", head, "|---" * 5 + "|", *rows))


def _leakage(description: Description) -> str:
    report = description.leakage
    if report is None:
        return "\n".join(
            ("## Leakage\n", "- No footprint is known, so overlaps cannot be told.", *_copies(description))
        )
    title = f"## Leakage (distance {report.distance_m:.0f} m)\n"
    lines = [
        title,
        *_copies(description),
        f"- All pairs among one another: {report.among_all}.",
        f"- Test against training: {report.test}.",
    ]
    if report.validation is not None:
        lines.append(f"- Validation against training: {report.validation}.")
    return "\n".join(lines)


def _copies(description: Description) -> list[str]:
    if description.copies is None:
        return ["- Copies were not looked for: the images are synthetic, or an older release prepared them."]
    if not description.copies:
        return ["- No image is a copy of another one."]
    title = f"- Copies of one picture, each group on one side of the split ({len(description.copies)}):"
    lines = [f"  - {escaped_markdown(str(group))}" for group in description.copies[:_MANY]]
    if more := len(description.copies) - len(lines):
        lines.append(f"  - and {more} more (description.json)")
    return [title, *lines]


def _skipped(description: Description) -> str:
    if not description.skipped:
        return "## Skipped files\n\nNone."
    lines = [f"- {escaped_markdown(f'{skip.path}: {skip.reason}')}" for skip in description.skipped[:_MANY]]
    if more := len(description.skipped) - len(lines):
        lines.append(f"- and {more} more (description.json)")
    return "\n".join((f"## Skipped files ({len(description.skipped)})\n", *lines))


def _extent(sizes: Mapping[tuple[int, int], int]) -> tuple[str, str]:
    smallest, largest = (pick(sizes, key=lambda size: size[0] * size[1]) for pick in (min, max))
    return f"{smallest[0]} x {smallest[1]}", f"{largest[0]} x {largest[1]}"


def _shown(statistics: PixelStatistics) -> str:
    return ", ".join("-" if math.isnan(value) else f"{value:.3f}" for value in statistics)


def _columns(statistics: PixelStatistics) -> dict[str, float | None]:
    return {key: _number(value) for key, value in statistics._asdict().items()}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
