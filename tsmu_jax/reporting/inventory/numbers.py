"""Numbers of an inventory's summary: counts, date brackets, scenes, completeness."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tsmu_jax.inventory import brackets, degrees
from tsmu_jax.inventory.brackets import Bracket
from tsmu_jax.reporting.inventory.contents import REJECTED, SUPERSEDED, Contents

CONFIDENCE = {
    1: "1 possible",
    2: "2 probable",
    3: "3 likely",
    5: "5 confident",
    8: "8 high confidence",
}  # the USGS's words
STATUSES = ("unreviewed", "unsure", "disputed", "accepted", "edited")
UNKNOWN = "unknown"
_KM2 = 1e6


@dataclasses.dataclass(frozen=True)
class Completeness:
    """Landslides that count, by the ground that was observed.

    Attributes:
      observed_km2: ground in several scenes once.
      reviewed_km2: that people have looked at wholly; likewise.
      landslide_km2: likewise.
      a_km2: landslides by square kilometre; None where nothing was observed.
      share: of the observed ground that is landslide; likewise.
      at_edges: landslides that end at ground that was not looked at.
      amalgamated: those whose shape is that of several.
      undated: those without any date.
      matched: those with a match in another inventory.
    """

    observed_km2: float
    reviewed_km2: float
    landslide_km2: float
    landslides: int
    a_km2: float | None
    share: float | None
    at_edges: int
    amalgamated: int
    undated: int
    matched: int


def completeness(contents: Contents) -> Completeness:
    """Compares what was found with what was looked at."""
    observed, found = contents.observed_m2 / _KM2, contents.landslide_m2 / _KM2
    number = len(contents.current)
    return Completeness(
        observed,
        contents.reviewed_m2 / _KM2,
        found,
        number,
        number / observed if observed else None,
        found / observed if observed else None,
        sum(bool(value) for value in contents.of_current("touches_edge")),
        sum(bool(value) for value in contents.of_current("amalgamated")),
        sum(count for bracket, count in dates(contents).items() if not bracket.known),
        sum(bool(value) for value in contents.of_current("matched_usgs_id")),
    )


def counted(values: Iterable[Any], order: Iterable[str] = ()) -> dict[str, int]:
    """Name -> count: names of `order` first, then the others, the most frequent first; empty ones are UNKNOWN."""
    found = collections.Counter(UNKNOWN if value in (None, "") else str(value) for value in values)
    rest = sorted(found.keys() - set(order), key=lambda name: (-found[name], name))
    return {name: found[name] for name in (*order, *rest)}


def by_ecoregion(contents: Contents) -> dict[str, int]:
    """Landslides that count, by the ecoregion of the model whose decoder found them."""
    return counted(contents.of_current("ecoregion"))


def by_confidence(contents: Contents) -> dict[str, int]:
    """Landslides that count, by the USGS's words."""
    return counted((CONFIDENCE.get(value, value) for value in contents.of_current("Confidence")), CONFIDENCE.values())


def by_status(contents: Contents) -> dict[str, int]:
    """All rows: those that count by the state of their review, then what was rejected and superseded."""
    apart = {state: int((contents.state == state).sum()) for state in (REJECTED, SUPERSEDED)}
    return counted(contents.of_current("review_status"), STATUSES) | apart


def dates(contents: Contents) -> dict[Bracket, int]:
    """Landslides that count, by the dates between which they happened; earlier ones first."""
    columns = [contents.of_current(name) for name in ("Date", "date_min", "date_max")]
    found: collections.Counter[Bracket] = collections.Counter()
    for texts, count in collections.Counter(zip(*columns, strict=True)).items():
        found[brackets.of_landslide(*texts)] += count
    return dict(sorted(found.items(), key=lambda item: tuple(str(day or "") for day in item[0])))


_AS_THEY_ARE = (  # columns of `scenes`
    *("pre_date", "post_date", "pre_sensor", "post_sensor", "pre_gsd_m", "post_gsd_m"),
    *("gsd_m", "overlap", "shift_m"),
)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A scene and what was found in it; None where a value is unknown.

    Attributes:
      name: beginning of its digest.
      image: file name of the image after the event, as its landslides say.
      observed_km2: what was looked at, ground in several maps of the scene once.
      landslides: that count and were found in it.
      margin: of the choice of the decoder that found its landslides first; the least of several.
      shift_px: in pixels of the map.
      pre_gsd_m, post_gsd_m: metres a pixel of each image as it is on disk; gsd_m is the map's.
    """

    name: str
    image: str | None
    pre_date: str | None
    post_date: str | None
    pre_sensor: str | None
    post_sensor: str | None
    pre_gsd_m: float | None
    post_gsd_m: float | None
    gsd_m: float | None
    overlap: float | None
    shift_m: float | None
    shift_px: float | None
    margin: float | None
    observed_km2: float
    landslides: int


def scenes(contents: Contents) -> list[Scene]:
    """Every scene, those whose dates fit worst first."""
    found, margins, images = _found(contents)
    columns = contents.scenes
    all_scenes = []
    for index, digest in enumerate(columns["scene"]):
        values: Mapping[str, Any] = {name: column[index] for name, column in columns.items()}
        shift, gsd = values["shift_m"], values["gsd_m"]
        all_scenes.append(
            Scene(
                name=str(digest)[:8],
                image=images.get(digest),
                **{name: values[name] for name in _AS_THEY_ARE},
                shift_px=shift / gsd if shift is not None and gsd else None,
                margin=min(margins[digest], default=None),
                observed_km2=degrees.covered_m2(contents.observed_shapes[contents.observed["scene"] == digest]) / _KM2,
                landslides=found[digest],
            )
        )
    return sorted(all_scenes, key=lambda one: (one.overlap or 0.0, -(one.shift_px or 0.0), one.name))


def _found(contents: Contents) -> tuple[collections.Counter[str], dict[str, list[float]], dict[str, str]]:
    """By scene: the landslides that count; of those that were found there first, the margins and the image."""
    current = [contents.of_current(name) for name in ("uuid", "selection_margin", "post_image")]
    rows = {uuid: (margin, image) for uuid, margin, image in zip(*current, strict=True)}
    found: collections.Counter[str] = collections.Counter()
    margins: dict[str, list[float]] = collections.defaultdict(list)
    images: dict[str, str] = {}
    first: set[str] = set()
    pairs = dict.fromkeys(zip(contents.observations["uuid"], contents.observations["scene"], strict=True))
    for uuid, scene in pairs:
        if uuid not in rows:
            continue
        found[scene] += 1
        margin, image = rows[uuid]
        if uuid not in first:
            first.add(uuid)
            if margin is not None:
                margins[scene].append(margin)
            if image:
                images.setdefault(scene, image)
    return found, margins, images
