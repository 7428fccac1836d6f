"""How people reviewed an inventory: who decided what, how far reviewers agree, how far the model was right."""

import collections
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tsmu_jax.inventory import reading
from tsmu_jax.inventory.deciding import VERDICTS
from tsmu_jax.inventory.known import SAME
from tsmu_jax.inventory.rows import CONFIDENCE
from tsmu_jax.inventory.shown import shares
from tsmu_jax.reporting.inventory.contents import Contents
from tsmu_jax.reporting.inventory.numbers import CONFIDENCE as WORDS
from tsmu_jax.reporting.inventory.numbers import counted

NOBODY = "nobody named"
_YES, _NO = ("accepted", "edited", "drawn"), ("rejected",)


class Agreement(NamedTuple):
    """Of two reviewers.

    Attributes:
      landslides: rows about which both said whether it is a landslide.
      same: of them, those about which both said the same.
      kappa: Cohen's; None where both always said the same one thing, so that chance agrees as well.
    """

    first: str
    second: str
    landslides: int
    same: int
    kappa: float | None


class Precision(NamedTuple):
    """Of a class of the model's confidence. Attributes: reviewed: rows that people accepted, edited or rejected."""

    confidence: str
    reviewed: int
    landslides: int


class Judged(NamedTuple):
    """Of a model, and of what people judged on the ground that it looked at.

    Attributes:
      landslides, rejected: rows that people accepted or drew, and rows that they rejected.
      landslides_found, rejected_found: of them, those that the model shows.
    """

    model: str
    landslides: int
    landslides_found: int
    rejected: int
    rejected_found: int


def by_reviewer(contents: Contents) -> dict[str, dict[str, int]]:
    """Reviewer -> verdict -> number of decisions; the most diligent first."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for reviewer, verdict in zip(contents.decisions["reviewer"], contents.decisions["verdict"], strict=True):
        found[reviewer or NOBODY].append(verdict)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return {name: counted(verdicts, VERDICTS) for name, verdicts in ordered}


def agreements(contents: Contents) -> list[Agreement]:
    """Every two reviewers who judged landslides in common; each one's last judgement of a landslide counts."""
    said = _judgements(contents)
    found = []
    for first, second in itertools.combinations(sorted(said), 2):
        common = sorted(said[first].keys() & said[second].keys())
        if common:
            pairs = [(said[first][one], said[second][one]) for one in common]
            found.append(Agreement(first, second, len(pairs), sum(a == b for a, b in pairs), kappa(pairs)))
    return sorted(found, key=lambda one: (-one.landslides, one.first, one.second))


def kappa(pairs: list[tuple[bool, bool]]) -> float | None:
    """Cohen's kappa (1960): agreement beyond chance, by what is possible beyond chance; None where nothing is."""
    number = len(pairs)
    same = sum(a == b for a, b in pairs) / number
    first, second = (sum(pair[at] for pair in pairs) / number for at in (0, 1))
    chance = first * second + (1 - first) * (1 - second)
    return None if chance == 1 else (same - chance) / (1 - chance)


def precisions(contents: Contents) -> list[Precision]:
    """By the class that the model's probability gave: of what people judged, how much is a landslide."""
    columns = contents.landslides
    rows = list(zip(columns["prob_mean"], columns["review_status"], columns["found_by"], strict=True))
    found = []
    for position, (least, word) in enumerate(CONFIDENCE):
        most = CONFIDENCE[position - 1][0] if position else float("inf")
        states = [state for mean, state, by in rows if by != "people" and mean is not None and least <= mean < most]
        yes = sum(state in ("accepted", "edited") for state in states)
        found.append(Precision(WORDS[word], yes + states.count("rejected"), yes))
    return found


def by_model(contents: Contents) -> list[Judged]:
    """Every model of the inventory, the first one first: what it finds of what people judged, its own rows or others'.

    A model has looked for a row where a point inside of it lies on the ground of one of the model's scenes, whose dates
    do not exclude the row's, and the row is not smaller than what was left out there. It has found the row where that
    was entered as its observation, or lies mostly in what it found. A rejected row that lies mostly in an accepted one
    was merged into that, and says nothing of a model.
    """
    status, shapes = contents.landslides["review_status"].astype(str), contents.shapes
    accepted, rejected = np.isin(status, reading.REVIEWED), status == reading.REJECTED
    rejected[rejected] = shares(shapes[rejected], shapes[accepted]) <= SAME
    looked = _looked(contents)
    found = []
    for model, rows in looked.items():
        seen = set(contents.observations["uuid"][contents.observations["model_id"] == model])
        own = np.array([uuid in seen for uuid in contents.landslides["uuid"]], bool)
        outlines = [one for one in (*shapes[own], *contents.originals[own]) if one is not None]
        counts = []
        for judged in (accepted, rejected):
            asked = np.flatnonzero(judged & rows)
            shown = own[asked] | (shares(shapes[asked], outlines) > SAME)
            counts += [len(asked), int(np.count_nonzero(shown))]
        found.append(Judged(model, *counts))
    return found


def _looked(contents: Contents) -> dict[str, np.ndarray]:
    """Model -> bool[n], for which rows it has looked."""
    import shapely

    points = shapely.STRtree(shapely.point_on_surface(contents.shapes))
    scenes = contents.scenes
    dates = dict(zip(scenes["scene"], zip(scenes["pre_date"], scenes["post_date"], strict=True), strict=True))
    found: dict[str, np.ndarray] = {}
    observed = contents.observed
    names = ("scene", "model_id", "min_area_m2")
    every = zip(*(observed[name] for name in names), contents.observed_shapes, strict=True)
    for scene, model, least, ground in every:
        pre, post = dates.get(scene, (None, None))
        rows = found.setdefault(model, np.zeros(len(contents.shapes), bool))
        for row in points.query(ground, predicate="contains"):
            first, last = contents.landslides["date_min"][row], contents.landslides["date_max"][row]
            excluded = (post and first and first >= post) or (pre and last and last <= pre)
            rows[row] |= not excluded and contents.area_m2[row] >= (least or 0)
    return found


def _judgements(contents: Contents) -> Mapping[str, Mapping[Any, bool]]:
    """Reviewer -> landslide -> whether it is one; without what was undone or unsure, or settled a dispute."""
    names = ("reviewer", "landslide", "verdict", "decided_at", "seen")
    rows = list(zip(*(contents.decisions[name] for name in names), strict=True))
    found: dict[str, dict[Any, bool]] = collections.defaultdict(dict)
    for reviewer, landslide, verdict, _, seen in sorted(rows, key=lambda row: str(row[3])):
        if seen == "disputed":
            continue  # settles what others disagree about
        if verdict in _YES or verdict in _NO:
            found[reviewer or NOBODY][landslide] = verdict in _YES
        else:
            found[reviewer or NOBODY].pop(landslide, None)
    return found
