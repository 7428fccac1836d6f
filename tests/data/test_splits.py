"""Splits: nothing straddles, nothing depends on order or company, and what cannot be split is said."""

import csv
import dataclasses
import random
from pathlib import Path

import numpy as np
import pytest

from tsmu_jax.data import geography, names
from tsmu_jax.data.leakage import leakage
from tsmu_jax.data.source import Footprint, PairInfo
from tsmu_jax.data.splits import Split, limited, resolved_kind, split
from tsmu_jax.errors import UserError

DEGREE_M = 111_195.0  # of a meridian


def plain(ecoregion: str, count: int, tiles: int = 1) -> list[PairInfo]:
    return [
        PairInfo(f"{scene:03d}_{tile}", ecoregion, f"{scene:03d}") for scene in range(count) for tile in range(tiles)
    ]


def placed(ecoregion: str, name: str, lon: float, lat: float, side: float = 0.001) -> PairInfo:
    return PairInfo(name, ecoregion, name, Footprint(lon, lat, lon + side, lat + side))


def scattered(seed: int, ecoregions: tuple[str, ...] = ("etf", "nad"), count: int = 40) -> list[PairInfo]:
    """Footprints crowded enough that blocks of many sizes form, some of them across ecoregions."""
    rng = np.random.default_rng(seed)
    return [
        placed(name, f"{number:03d}", lon, lat)
        for name in ecoregions
        for number, (lon, lat) in enumerate(rng.uniform(0, 0.05, (count, 2)))
    ]


def by_name(infos: list[PairInfo], parts: Split) -> dict[str, list[set[str]]]:
    """For each ecoregion the ids of its training, validation and test pairs."""
    sets = (parts.train, parts.validation, parts.test)
    return {name: [{infos[index].id for index in part[name]} for part in sets] for name in parts.train}


def one(infos: list[PairInfo], *, ecoregions: tuple[str, ...] = ("etf",), **options: object) -> Split:
    arguments = {"test_pairs": 5, "seed": 0} | options
    return split(infos, ecoregions=ecoregions, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_sets_are_disjoint_complete_and_of_the_right_size(seed: int) -> None:
    infos = plain("etf", 27) + plain("nad", 39)
    parts = one(infos, ecoregions=("etf", "nad"), seed=seed)
    for name, count in (("etf", 27), ("nad", 39)):
        train, validation, test = parts.train[name], parts.validation[name], parts.test[name]
        assert len(test) == 5
        assert len(validation) == round(0.15 * (count - 5))
        assert sorted(train + validation + test) == [i for i, info in enumerate(infos) if info.ecoregion == name]


def test_seeds_give_different_tests_and_every_pair_has_its_chance() -> None:
    infos = plain("etf", 12)
    drawn = [one(infos, seed=seed).test["etf"] for seed in range(60)]
    assert len(set(drawn)) > 50
    assert set().union(*drawn) == set(range(12))


def test_paper_validation_is_the_training_set() -> None:
    parts = one(plain("etf", 20), validation="paper")
    assert parts.validation == parts.train
    assert len(parts.train["etf"]) == 15


@pytest.mark.parametrize("kind", ["paper", "blocked", "auto"])
def test_order_and_company_do_not_matter(kind: str) -> None:
    infos = scattered(0, ("etf",)) + [placed("nad", f"{n}", 50 + n, 0) for n in range(20)]
    whole = by_name(infos, one(infos, ecoregions=("etf", "nad"), kind=kind))
    alone = [info for info in infos if info.ecoregion == "etf"]
    assert by_name(alone, one(alone, kind=kind))["etf"] == whole["etf"]
    assert by_name(infos, one(infos, kind=kind))["etf"] == whole["etf"]
    shuffled = random.Random(1).sample(infos, len(infos))
    assert by_name(shuffled, one(shuffled, ecoregions=("nad", "etf"), kind=kind)) == whole


@pytest.mark.parametrize("kind", ["paper", "blocked"])
@pytest.mark.parametrize("seed", range(5))
def test_tiles_of_a_scene_stay_together(kind: str, seed: int) -> None:
    infos = plain("etf", 12, tiles=9)
    if kind == "blocked":
        infos[0] = dataclasses.replace(infos[0], footprint=Footprint(0, 0, 1, 1))
    parts = one(infos, kind=kind, seed=seed)
    scenes = [{infos[index].scene for index in part["etf"]} for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, scenes)) == len(set().union(*scenes)) == 12
    assert len(parts.test["etf"]) == 9  # the whole scene, rather than 5 of its tiles


@pytest.mark.parametrize("seed", range(8))
def test_neighbours_stay_together_also_across_ecoregions(seed: int) -> None:
    infos = scattered(seed)
    parts = one(infos, ecoregions=("etf", "nad"), kind="blocked", min_distance_m=300, seed=seed)
    side = {}
    for number, part in enumerate((parts.train, parts.validation, parts.test)):
        side |= {index: number for indices in part.values() for index in indices}
    boxes = geography.boxes([info.footprint for info in infos])
    near = geography.distances_m(boxes, boxes) <= 300
    assert near.sum() > len(infos)  # there are neighbours to keep together
    assert all(side[a] == side[b] for a, b in np.argwhere(near))
    assert all(len(parts.test[name]) >= 5 for name in parts.test)


def test_a_block_across_ecoregions_is_trained_on_in_both() -> None:
    infos = [placed(name, f"{n}", 10 * n, lat) for lat, name in ((0, "etf"), (5, "nad")) for n in range(8)]
    infos += [placed("etf", "x", 100, 0), placed("nad", "x", 100.001, 0)]
    for seed in range(10):
        parts = one(infos, ecoregions=("etf", "nad"), seed=seed)
        assert 16 in parts.train["etf"]
        assert 17 in parts.train["nad"]


def test_small_blocks_are_preferred_and_a_large_one_taken_where_nothing_else_is_left() -> None:
    large = [placed("etf", f"large{n}", 0.0001 * n, 0) for n in range(20)]
    small = [placed("etf", f"small{n}", 10 * n, 10) for n in range(8)]
    infos = large + small
    for seed in range(5):
        parts = one(infos, seed=seed)
        assert len(parts.test["etf"]) == 5
        assert all(infos[index].id.startswith("small") for index in parts.test["etf"])
    middle = [placed("etf", f"middle{n}", 50 + 0.0001 * n, 0) for n in range(7)]
    parts = one(large + middle + small[:2], validation="paper")
    tested = [(large + middle + small[:2])[index].id[:5] for index in parts.test["etf"]]
    assert sorted(set(tested)) == ["middl", "small"]
    assert len(tested) == 9


def test_auto_is_blocked_where_any_footprint_is_known() -> None:
    known = scattered(3, ("etf",))
    assert resolved_kind(known, "auto") == "blocked"
    assert resolved_kind(plain("etf", 9), "auto") == "paper"
    assert one(known) == one(known, kind="blocked")
    assert one(known) != one(known, kind="paper")


@pytest.mark.parametrize(
    ("infos", "options", "message"),
    [
        (plain("etf", 5), {}, "'etf' has 5 pairs, none left for training beside 5 test pairs; .*test_pairs"),
        (plain("etf", 3), {}, "'etf' has 3 pairs"),
        (plain("etf", 6), {}, "its 1 training pairs .*--config.data.validation=paper"),
        (plain("etf", 1, tiles=20), {}, "form 1 blocks of up to 20 pairs.*split=paper"),
        (
            [placed("etf", str(n), 0, 0) for n in range(20)],
            {},
            "form 1 blocks .*--config.data.min_distance_m",
        ),
        (plain("etf", 20), {"ecoregions": ("eft",)}, r"no ecoregion 'eft' \(did you mean 'etf'\?\)"),
        (plain("etf", 20), {"kind": "random"}, "known are auto, paper, blocked"),
        (plain("etf", 20), {"kind": "blocked"}, "needs footprints"),
        (plain("etf", 20), {"test_pairs": 0}, "must be 1 or more"),
        (plain("etf", 20), {"validation": "none"}, "known are disjoint, paper"),
        (plain("etf", 20), {"validation_fraction": 1.0}, "between 0 and 1"),
        (plain("etf", 20), {"min_distance_m": -1.0}, "0 or more"),
    ],
)
def test_what_cannot_be_split(infos: list[PairInfo], options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        one(infos, **options)


def test_distances_and_overlaps_against_closed_forms() -> None:
    boxes = geography.boxes(
        [
            Footprint(0, 0, 1, 1),
            Footprint(0, 3, 1, 4),
            Footprint(0.5, 0, 2.5, 2),
            Footprint(179.5, 0, 180, 1),
            None,
        ]
    )
    metres = geography.distances_m(boxes, boxes)
    np.testing.assert_allclose(metres[0, 1], 2 * DEGREE_M, rtol=1e-4)
    assert metres[0, 2] == 0
    far = geography.boxes([Footprint(-180, 0, -179.75, 1)])
    assert geography.distances_m(boxes[3:4], far)[0, 0] == 0  # neighbours across the antimeridian
    assert np.isnan(metres[4]).all()
    north = geography.boxes([Footprint(0, 60, 1, 60), Footprint(3, 60, 4, 60)])
    np.testing.assert_allclose(geography.distances_m(north, north)[0, 1], DEGREE_M, rtol=1e-4)  # cos 60 = 1/2
    shared = geography.overlaps(boxes, boxes)
    np.testing.assert_allclose(shared[0, :3], [1, 0, 0.5])
    assert np.isnan(shared[4, 0])


def test_components_join_chains() -> None:
    boxes = geography.boxes([Footprint(x, 0, x + 1, 1) for x in (0, 5, 1.5, 10, 3, 9.2)] + [None])
    assert geography.components(boxes, 0.6 * DEGREE_M).tolist() == [0, 1, 0, 3, 0, 3, 6]
    assert geography.components(boxes[:0], 1.0).tolist() == []


def test_leakage_counts_closed_forms() -> None:
    infos = [
        placed("etf", "train", 0, 0, 1),
        placed("etf", "duplicate", 0, 0, 1),
        placed("etf", "half", 0.5, 0, 1),
        placed("etf", "corner", 0.9, 0.9, 1),
        placed("etf", "near", 0, 1.01, 0.5),
        placed("etf", "far", 50, 0, 1),
        PairInfo("unknown", "etf", "unknown"),
    ]
    parts = Split(train={"etf": (0,)}, validation={"etf": (5, 6)}, test={"etf": (1, 2, 3, 4)})
    report = leakage(infos, parts, 2000.0)
    test = report.test
    assert (test.pairs, test.duplicates, test.overlap_much, test.overlap, test.near) == (4, 1, 2, 3, 4)
    assert report.validation is not None
    assert (report.validation.pairs, report.validation.near) == (1, 0)
    assert report.among_all.pairs == 6
    paper = dataclasses.replace(parts, validation=parts.train)
    assert leakage(infos, paper, 2000.0).validation is None


@pytest.fixture(scope="module")
def inventory(shared_data: Path) -> list[PairInfo]:
    """The paper's pairs; those whose footprint is impossible have none."""
    infos = []
    with (shared_data / "inventory" / "footprints.csv").open() as file:
        for row in csv.DictReader(file):
            try:
                box = names.footprint([row[f"{c}_{a}"] for c in ("ll", "ur") for a in ("latitude", "longitude")])
            except ValueError:
                box = None
            infos.append(PairInfo(row["no"], row["na_l1name"], row["no"], box))
    return infos


def test_leakage_of_the_papers_inventory(inventory: list[PairInfo]) -> None:
    ecoregions = tuple(sorted({info.ecoregion for info in inventory}))
    random_5 = leakage(inventory, one(inventory, ecoregions=ecoregions, kind="paper"), 2000.0)
    among = random_5.among_all
    assert (among.pairs, among.overlap_much, among.near) == (494, 105, 413)
    blocked = leakage(inventory, one(inventory, ecoregions=ecoregions, kind="blocked"), 2000.0)
    assert blocked.validation is not None
    assert blocked.test.pairs >= 20
    assert blocked.test.overlap == blocked.validation.overlap == 0
    near = leakage(inventory, one(inventory, ecoregions=ecoregions, kind="blocked"), 100.0)
    assert near.test.near == 0


def test_blocks_too_large_for_a_test_set_are_named(inventory: list[PairInfo]) -> None:
    with pytest.raises(UserError, match="'North American Deserts': 39 pairs form 4 blocks of up to 36 pairs"):
        one(inventory, ecoregions=("North American Deserts",), kind="blocked", min_distance_m=2000.0)


@pytest.mark.parametrize("validation", ["disjoint", "paper"])
def test_fewer_pairs_of_a_new_ecoregion_are_among_more_of_them(validation: str) -> None:
    infos = plain("etf", 27) + plain("nad", 39, tiles=2)
    whole = one(infos, ecoregions=("etf", "nad"), validation=validation)
    smaller: set[int] = set()
    for pairs in (1, 2, 5, 20):
        parts = limited(whole, infos, ecoregions=("nad",), pairs=pairs, seed=0)
        assert smaller < set(parts.train["nad"]) <= set(whole.train["nad"])
        assert len(parts.train["nad"]) == pairs and list(parts.train["nad"]) == sorted(parts.train["nad"])
        assert parts.test == whole.test and parts.train["etf"] == whole.train["etf"]
        expected = whole.validation["nad"] if validation == "disjoint" else parts.train["nad"]
        assert parts.validation == whole.validation | {"nad": expected}
        smaller = set(parts.train["nad"])
    other = limited(whole, infos, ecoregions=("nad",), pairs=20, seed=1)
    assert set(other.train["nad"]) != smaller


def test_more_pairs_than_there_are() -> None:
    infos = plain("etf", 27)
    with pytest.raises(UserError) as caught:
        limited(one(infos), infos, ecoregions=("etf",), pairs=20, seed=0)
    assert str(caught.value) == (
        "--config.data.new_pairs=20: ecoregion 'etf' has 19 training pairs; ask for as many at most, or for all with 0"
    )
