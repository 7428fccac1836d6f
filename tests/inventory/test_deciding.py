"""Every decision is a row; what several of them say together is what the landslide's row says, in any order."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest

from tests.inventory.test_adding import table
from tests.inventory.test_furnishing import change, inventory, made, outline
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import furnishing, geopackage, rows
from tsmu_jax.inventory.deciding import STATUSES, VERDICTS, Decided, Decision, decide

__all__ = ["inventory", "made"]


def decision(path: Path, reviewer: str, verdict: str, minute: int = 0, number: int = 1, **more: Any) -> Decision:
    landslide = table(path)[number - 1]["uuid"]
    return Decision(landslide, verdict, reviewer, f"2024-07-01T10:{minute:02d}:00.000Z", "page", **more)


def status(path: Path, number: int = 1) -> tuple[Any, ...]:
    row = table(path)[number - 1]
    return row["review_status"], row["reviewer"], row["reviewed_at"]


def test_a_decision_becomes_the_status_once(inventory: Path) -> None:
    one = decision(inventory, "ada", "accepted", seen="unreviewed", reason="scar and toe")
    assert decide(inventory, [one]) == Decided({"accepted": 1}, 0, (), 0)
    before = inventory.read_bytes()
    assert decide(inventory, [one, one]) == Decided({}, 2, (), 0)
    assert inventory.read_bytes() == before
    assert status(inventory) == ("accepted", "ada", "2024-07-01T10:00:00Z")
    (row,) = table(inventory, "decisions")
    assert row["uuid"][14] == "5" and (row["reason"], row["seen"]) == ("scar and toe", "unreviewed")
    assert row["geometry_after"] is None


@pytest.mark.parametrize(
    ("said", "after"),
    [
        (["ada accepted", "bob accepted"], "accepted"),
        (["ada accepted", "bob rejected"], "disputed"),
        (["ada accepted", "bob unsure"], "accepted"),
        (["ada unsure"], "unsure"),
        (["ada accepted", "ada rejected"], "rejected"),
        (["ada accepted", "ada undone"], "unreviewed"),
        (["ada accepted", "bob rejected", "bob undone"], "accepted"),
        (["ada accepted", "bob undone"], "accepted"),
        (["ada accepted", "bob rejected", "eve rejected settles"], "rejected"),
        (["ada accepted", "bob rejected", "eve unsure settles"], "disputed"),
        (["ada accepted", "bob rejected", "eve rejected settles", "eve undone"], "disputed"),
        (["ada accepted", "bob rejected", "eve rejected settles", "eve accepted"], "accepted"),
    ],
)
def test_what_decisions_say_together(inventory: Path, said: list[str], after: str) -> None:
    made = []
    for minute, words in enumerate(said):
        reviewer, verdict, *settles = words.split()
        made.append(decision(inventory, reviewer, verdict, minute, seen="disputed" if settles else None))
    empty = inventory.read_bytes()
    for order in itertools.islice(itertools.permutations(made), 6):
        inventory.write_bytes(empty)
        for one in order:
            decide(inventory, [one])
        assert status(inventory)[0] == after, order
        assert len(table(inventory, "decisions")) == len(made)


def test_who_disagrees_in_qgis_is_shown_and_settles_it_by_saying_so_again(inventory: Path) -> None:
    set_ = "UPDATE landslides SET review_status = ?, reviewer = ? WHERE OBJECTID = 1"
    change(inventory, set_, "accepted", "ada")
    change(inventory, "UPDATE landslides SET Confidence = 8 WHERE OBJECTID = 1")
    change(inventory, set_, "rejected", "bob")
    assert table(inventory)[0]["review_status"] == "disputed" and table(inventory)[0]["Confidence"] == 2
    with pytest.raises(UserError, match="set review_status to accepted"):
        change(inventory, "UPDATE landslides SET Confidence = 8 WHERE OBJECTID = 1")
    change(inventory, set_, "rejected", "bob")
    assert table(inventory)[0]["review_status"] == "rejected"
    made = table(inventory, "decisions")
    said = [(row["verdict"], row["reviewer"], row["seen"], row["source"]) for row in made]
    assert said == [
        ("accepted", "ada", "unreviewed", "qgis"),
        ("rejected", "bob", "accepted", "qgis"),
        ("rejected", "bob", "disputed", "qgis"),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", row["decided_at"]) for row in made)


def test_edits_in_qgis_are_decisions_with_both_outlines(inventory: Path) -> None:
    before, grown = table(inventory)[0], outline(inventory, 1, 1e-5)
    both = "UPDATE landslides SET geometry = ?, review_status = 'accepted', reviewer = 'ada' WHERE OBJECTID = 1"
    change(inventory, both, grown)
    (row,) = table(inventory, "decisions")
    assert (row["verdict"], row["reviewer"], row["seen"]) == ("edited", "ada", "unreviewed")
    assert (row["geometry_before"], row["geometry_after"]) == (before["geometry"], grown)
    change(inventory, "INSERT INTO landslides (geometry, reviewer) VALUES (?, 'bob')", grown)
    drawn = table(inventory)[2]
    assert (drawn["found_by"], drawn["review_status"], before["found_by"]) == ("people", "accepted", "model")
    change(inventory, "DELETE FROM landslides WHERE OBJECTID = 3")
    last = table(inventory, "decisions")[1:]
    assert [(one["verdict"], one["landslide"]) for one in last] == [(x, drawn["uuid"]) for x in ("drawn", "undone")]
    assert last[1]["geometry_before"] == grown


def test_who_saves_an_outline_signs_it_afterwards_as_qgis_does(inventory: Path) -> None:
    change(inventory, "UPDATE landslides SET review_status = 'accepted', reviewer = 'ada' WHERE OBJECTID = 1")
    with geopackage.transaction(inventory) as database:
        reshape = "UPDATE landslides SET geometry = ? WHERE OBJECTID = 1"
        database.execute(reshape, (outline_of(database, 1e-5),))
        database.execute("UPDATE landslides SET reviewer = 'bob' WHERE OBJECTID = 1")
    assert [(row["verdict"], row["reviewer"]) for row in table(inventory, "decisions")] == [
        ("accepted", "ada"),
        ("edited", "bob"),
    ]
    decide(inventory, [decision(inventory, "eve", "accepted")])
    change(inventory, "UPDATE landslides SET reviewer = 'dan', Notes = 'seen' WHERE OBJECTID = 1")
    assert [row["reviewer"] for row in table(inventory, "decisions")] == ["ada", "bob", "eve"]


def outline_of(database: Any, grow: float) -> bytes:
    (held,) = database.execute("SELECT geometry FROM landslides WHERE OBJECTID = 1").fetchone()
    return geopackage.encoded(geopackage.decoded(held).buffer(grow))


def test_two_outlines_from_one_are_a_dispute(inventory: Path) -> None:
    before = table(inventory)[0]["geometry"]
    ours, theirs = (outline(inventory, 1, grow) for grow in (1e-5, 2e-5))
    ada = decision(inventory, "ada", "edited", 1, before=before, after=ours)
    bob = decision(inventory, "bob", "edited", 2, before=before, after=theirs)
    decide(inventory, [ada])
    row = table(inventory)[0]
    assert row["review_status"] == "edited" and row["original_geometry"] == before and row["area_m2"] > 480
    assert decide(inventory, [bob]).disputed == 1
    row = table(inventory)[0]
    assert (row["geometry"], row["review_status"]) == (ours, "disputed")
    assert [one["geometry_after"] for one in table(inventory, "decisions")] == [ours, theirs]
    decide(inventory, [decision(inventory, "eve", "edited", 3, seen="disputed", before=ours, after=theirs)])
    row = table(inventory)[0]
    assert (row["geometry"], row["review_status"], row["reviewer"]) == (theirs, "edited", "eve")


def test_undoing_an_edit_gives_the_outline_back(inventory: Path) -> None:
    before = table(inventory)[0]
    edit = decision(inventory, "ada", "edited", 1, before=before["geometry"], after=outline(inventory, 1, 1e-5))
    decide(inventory, [edit])
    decide(inventory, [decision(inventory, "bob", "undone", 2)])  # which is not bob's to undo
    assert table(inventory)[0]["geometry"] == edit.after
    undo = decision(inventory, "ada", "undone", 3)
    for _ in range(2):
        decide(inventory, [undo])
        after = table(inventory)[0]
        assert (after["geometry"], after["review_status"]) == (before["geometry"], "unreviewed")
    assert after["area_m2"] == pytest.approx(before["area_m2"]) and len(table(inventory, "decisions")) == 3


def test_an_edit_that_comes_in_after_its_undoing_changes_nothing(inventory: Path) -> None:
    before = table(inventory)[0]
    decide(inventory, [decision(inventory, "ada", "undone", 2)])
    decide(
        inventory,
        [decision(inventory, "ada", "edited", 1, before=before["geometry"], after=outline(inventory, 1, 1e-5))],
    )
    after = table(inventory)[0]
    assert (after["geometry"], after["review_status"]) == (before["geometry"], "unreviewed")
    assert after["original_geometry"] is None and len(table(inventory, "decisions")) == 2


def test_landslides_that_are_gone_are_named_and_the_others_decided(inventory: Path) -> None:
    found = decide(
        inventory,
        [decision(inventory, "ada", "accepted"), decision(inventory, "ada", "accepted")._replace(landslide="x")],
    )
    assert found == Decided({"accepted": 1}, 0, ("x",), 0)


def test_decisions_stay_as_they_are(inventory: Path) -> None:
    decide(inventory, [decision(inventory, "ada", "accepted")])
    changed = ("reviewer = 'bob'", "verdict = 'rejected'", "geometry_after = NULL")
    for statement in ("DELETE FROM decisions", *(f"UPDATE decisions SET {one}" for one in changed)):
        with pytest.raises(UserError, match="later one"):
            change(inventory, statement)
    with pytest.raises(UserError, match="one of the verdicts"):
        decide(inventory, [decision(inventory, "ada", "maybe")])


def test_triggers_know_the_same_words_and_thresholds() -> None:
    text = furnishing._AUDIT.read_text()
    (verdicts,) = re.findall(r"NEW.verdict NOT IN \((.*?)\)", text)
    assert tuple(re.findall(r"'(\w+)'", verdicts)) == VERDICTS
    for statuses in re.findall(r"NEW.review_status NOT IN \((.*?)\)", text):
        assert tuple(re.findall(r"'(\w+)'", statuses)) == STATUSES
    (case,) = re.findall(r"CASE\s+(WHEN prob_mean.*?)END", text, re.DOTALL)
    held = [(float(least), int(word)) for least, word in re.findall(r">= ([\d.]+) THEN (\d)", case)]
    assert tuple(held) == rows.CONFIDENCE[:2] and case.rstrip().endswith(f"THEN {rows.CONFIDENCE[2][1]}")


def test_the_queue_orders_by_what_most_needs_a_look(inventory: Path) -> None:
    def queue() -> list[tuple[Any, ...]]:
        with geopackage.transaction(inventory) as database:
            found = database.execute("SELECT OGC_FID, priority, why FROM review_queue ORDER BY priority DESC, OGC_FID")
            return found.fetchall()

    plain = {"prob_mean": 1, "threshold": 0, "uncertainty": 0, "selection_margin": 1, "area_m2": 0, "amalgamated": 0}
    plain |= {"touches_edge": 0, "review_status": "'unreviewed'"}
    for more, priority, why in (
        ({}, 0, ""),
        ({"threshold": 1}, 1, "near the threshold"),
        ({"uncertainty": 0.5}, 1, "uncertain"),
        ({"selection_margin": 0}, 1, "decoder chosen by a small margin"),
        ({"area_m2": 90000}, 0.9, "large"),
        ({"amalgamated": 1}, 0.5, "several in one?"),
        ({"touches_edge": 1}, 0.25, "ends where nobody looked"),
        ({"review_status": "'unsure'"}, 2, "somebody was unsure"),
    ):
        for number, values in ((1, plain), (2, plain | more)):
            set_ = ", ".join(f"{name} = {value}" for name, value in values.items())
            change(inventory, f"UPDATE landslides SET {set_} WHERE OBJECTID = {number}")
        expected = [(2, priority, why), (1, 0, "")]
        assert queue() == (expected if more else expected[::-1])
    change(inventory, "UPDATE landslides SET review_status = 'accepted' WHERE OBJECTID = 2")
    assert queue() == [(1, 0, "")]
