"""Numbers of reviews: known beforehand."""

from pathlib import Path

import pytest
import shapely

from tests.inventory.test_adding import ONE, TWO, table, write_map
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.adding import add
from tsmu_jax.inventory.deciding import Decision, decide
from tsmu_jax.inventory.rows import Dates
from tsmu_jax.reporting.inventory import contents, reviews, tables
from tsmu_jax.reporting.inventory.distribution import distribution
from tsmu_jax.reporting.inventory.reviews import Judged, Precision, kappa

BOXES = [(4 + 10 * row, 8 + 10 * row, 4 + 10 * col, 9 + 10 * col) for row in range(2) for col in range(5)]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    add(tmp_path / "x.gpkg", write_map(tmp_path / "map", BOXES), ONE)
    return tmp_path / "x.gpkg"


def say(inventory: Path, reviewer: str, verdicts: str, minute: int, seen: str | None = None) -> None:
    """A letter a landslide: a, r, u, z, or a point for nothing."""
    words = {"a": "accepted", "r": "rejected", "u": "unsure", "z": "undone"}
    said = [
        Decision(row["uuid"], words[letter], reviewer, f"2024-07-01T10:{minute:02d}:00.000Z", "page", seen)
        for row, letter in zip(table(inventory), verdicts, strict=False)
        if letter != "."
    ]
    decide(inventory, said)


def test_agreement_of_reviewers(inventory: Path) -> None:
    say(inventory, "ada", "aaaarrrra.", 0)
    say(inventory, "bob", "aaarrrra.u", 1)
    say(inventory, "bob", ".......z..", 2)
    say(inventory, "eve", "...a......", 3, seen="disputed")
    found = contents.read(inventory)
    (one,) = reviews.agreements(found)  # 7 in common: both yes 3, both no 3, one differs
    assert one[:4] == ("ada", "bob", 7, 6)
    chance = (4 * 3 + 3 * 4) / 49  # ada says yes to 4 of them, bob to 3
    assert one.kappa == pytest.approx((6 / 7 - chance) / (1 - chance))
    assert reviews.by_reviewer(found)["bob"] == {
        "accepted": 4,
        "edited": 0,
        "drawn": 0,
        "rejected": 4,
        "unsure": 1,
        "undone": 1,
    }
    names = {one.name: one for one in tables.all_tables(found, distribution(found.area_m2))}
    assert names["agreement"].rows[0][:3] == ("ada", "bob", 7) and len(names["reviewers"].rows) == 3


@pytest.mark.parametrize(
    ("both", "yes_no", "no_yes", "neither", "expected"),
    [(20, 5, 10, 15, 0.4), (5, 0, 0, 5, 1.0), (5, 5, 5, 5, 0.0), (4, 0, 0, 0, None)],
)
def test_kappa(both: int, yes_no: int, no_yes: int, neither: int, expected: float | None) -> None:
    pairs = [(True, True)] * both + [(True, False)] * yes_no + [(False, True)] * no_yes + [(False, False)] * neither
    assert kappa(pairs) == (None if expected is None else pytest.approx(expected))


def test_precision_by_the_models_own_confidence(inventory: Path) -> None:
    with geopackage.transaction(inventory) as database:
        for number, mean in ((1, 0.9), (2, 0.8), (3, 0.79), (4, 0.5)):
            database.execute("UPDATE landslides SET prob_mean = ? WHERE OBJECTID = ?", (mean, number))
        database.execute("INSERT INTO landslides (geometry) SELECT geometry FROM landslides WHERE OBJECTID = 1")
    say(inventory, "ada", "arar", 0)
    assert reviews.precisions(contents.read(inventory)) == [
        Precision("3 likely", 2, 1),
        Precision("2 probable", 1, 1),
        Precision("1 possible", 1, 0),
    ]


def test_what_each_model_finds_of_what_people_judged(inventory: Path, tmp_path: Path) -> None:
    """The second model has seen the upper row alone, of which it joins two and leaves out one."""
    say(inventory, "ada", "aararaaaar", 0)
    (top, bottom, left, _), (*_, right), wrong, _, last = BOXES[:5]
    upper = write_map(tmp_path / "two", [(top, bottom, left, right), wrong, last], model=TWO, shape=(12, 80))
    add(inventory, upper, TWO)
    found = contents.read(inventory)
    assert reviews.by_model(found) == [Judged(ONE.digest, 7, 7, 3, 3), Judged(TWO.digest, 3, 2, 2, 2)]
    say(inventory, "ada", "....a.....", 1)
    found = contents.read(inventory)
    assert reviews.by_model(found)[1] == Judged(TWO.digest, 4, 3, 1, 1)
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE observed SET min_area_m2 = 100 WHERE model_id = ?", (TWO.digest,))
    assert reviews.by_model(contents.read(inventory))[1] == Judged(TWO.digest, 0, 0, 0, 0)  # all have 80 m2
    rows = {one.name: one for one in tables.all_tables(found, distribution(found.area_m2))}["models"].rows
    assert rows[1] == (TWO.digest[:12], 4, 3, 0.75, 1, 1)


def test_what_people_split_and_merge_speaks_against_no_model(tmp_path: Path) -> None:
    """Both models show the same outlines: one that a person splits, and three that a person makes one."""
    path, boxes = tmp_path / "x.gpkg", [(4, 12, 4, 24), (30, 36, 4, 8), (30, 36, 9, 13), (30, 36, 14, 18)]
    add(path, write_map(tmp_path / "one", boxes), ONE)
    rows = table(path)
    west, south, east, north = geopackage.decoded(rows[0]["geometry"]).bounds
    middle = (west + east) / 2
    halves = shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)
    whole = shapely.box(*shapely.total_bounds([geopackage.decoded(row["geometry"]) for row in rows[1:]]))
    with geopackage.transaction(path) as database:
        for uuid, shape in ((rows[0]["uuid"], halves[0]), (rows[1]["uuid"], whole)):
            changed = geopackage.encoded(shape), uuid
            database.execute("UPDATE landslides SET geometry = ?, reviewer = 'ada' WHERE uuid = ?", changed)
        part = (geopackage.encoded(halves[1]), ONE.digest)
        database.execute("INSERT INTO landslides (geometry, model_id, review_status) VALUES (?, ?, 'edited')", part)
        database.execute(
            "UPDATE landslides SET review_status = 'rejected' WHERE uuid IN (?, ?)", [row["uuid"] for row in rows[2:]]
        )
    add(path, write_map(tmp_path / "two", [boxes[0], (30, 36, 4, 18)], model=TWO), TWO)
    assert reviews.by_model(contents.read(path)) == [Judged(ONE.digest, 3, 3, 0, 0), Judged(TWO.digest, 3, 3, 0, 0)]


def test_a_model_has_not_looked_at_another_time(inventory: Path, tmp_path: Path) -> None:
    with geopackage.transaction(inventory) as database:
        database.execute("UPDATE landslides SET date_min = '2020-05-01T00:00:00+00:00'")
    say(inventory, "ada", "aaaaaaaaaa", 0)
    early = Dates("2010-01-01T00:00:00+00:00", "2011-01-01T00:00:00+00:00")
    add(inventory, write_map(tmp_path / "two", [(2, 3, 2, 8)], model=TWO, seed=1), TWO, dates=early)
    assert reviews.by_model(contents.read(inventory))[1] == Judged(TWO.digest, 0, 0, 0, 0)


def test_nothing_is_told_of_what_nobody_reviewed(inventory: Path) -> None:
    found = contents.read(inventory)
    assert reviews.agreements(found) == [] and reviews.by_reviewer(found) == {}
    every = {one.name: one.rows for one in tables.all_tables(found, distribution(found.area_m2))}
    assert every["reviewers"] == every["agreement"] == every["precision"] == every["models"] == ()
