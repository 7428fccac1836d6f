"""A file of decisions is checked whole before any of them counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.inventory.test_adding import table
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage
from tsmu_jax.reviewing import candidates, decision_file


def content(inventory: Path) -> dict[str, Any]:
    queue = candidates.read(inventory)
    one = {
        "landslide": table(inventory)[0]["uuid"],
        "verdict": "accepted",
        "seen": "unreviewed",
        "reviewer": " ada  l ",
    }
    one |= {"decided_at": "2024-07-01T12:00:00.5+02:00", "reason": "=1+1"}
    return {"format": decision_file.FORMAT, "schema": 1, "inventory": queue.inventory, "queue": "x", "decisions": [one]}


def write(path: Path, held: Any) -> Path:
    file = path / "decisions.json"
    file.write_text(held if isinstance(held, str) else json.dumps(held))
    return file


def test_a_decision_comes_in_as_it_was_said(inventory: Path, tmp_path: Path) -> None:
    assert decision_file.bring_in(inventory, write(tmp_path, content(inventory))).new == {"accepted": 1}
    (row,) = table(inventory, "decisions")
    names = ("verdict", "seen", "reviewer", "decided_at", "source", "reason")
    expected = ("accepted", "unreviewed", "ada l", "2024-07-01T10:00:00.500Z", "page", "=1+1")
    assert tuple(row[name] for name in names) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "x"}, "holds no decisions"),
        ({"schema": 2}, "newer release"),
        ({"schema": "1"}, "does not say its schema"),
        ({"inventory": None}, "names no inventory"),
        ({"inventory": "other"}, "another inventory"),
        ({"decisions": {}}, "no list of decisions"),
        ({"landslide": "x"}, "decision 2: landslide 'x' is no uuid"),
        ({"verdict": "drawn"}, "decision 2: verdict 'drawn' is none of"),
        ({"verdict": ["accepted"]}, "decision 2: verdict is no text"),
        ({"seen": "new"}, "decision 2: seen 'new' is none of"),
        ({"reviewer": "  "}, "decision 2: says no reviewer"),
        ({"reviewer": "a" * 101}, "decision 2: reviewer is no text of up to 100"),
        ({"reason": "\ud800"}, "half a character"),
        ({"decided_at": "yesterday"}, "is no time"),
        ({"decided_at": "2024-07-01T12:00:00"}, "no time zone"),
        ({"decided_at": "2999-07-01T12:00:00Z"}, "in the future"),
        ({"decided_at": "0001-01-01T00:00:00+23:59"}, "before 2000"),
    ],
)
def test_nonsense_is_one_line_and_changes_nothing(
    inventory: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    held = content(inventory)
    before = inventory.read_bytes()
    if changes.keys() <= held.keys():
        held |= changes
    else:
        held["decisions"].append(held["decisions"][0] | changes)
    with pytest.raises(UserError, match=words) as caught:
        decision_file.bring_in(inventory, write(tmp_path, held))
    assert "\n" not in str(caught.value) and inventory.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 200, '{"format": NaN}'])
def test_other_files_are_refused(inventory: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"decisions\.json"):
        decision_file.bring_in(inventory, write(tmp_path, text))


def test_polygons_that_are_gone_are_refused_or_left_out(inventory: Path, tmp_path: Path) -> None:
    with geopackage.transaction(inventory) as database:
        database.execute("INSERT INTO landslides (geometry) SELECT geometry FROM landslides WHERE OBJECTID = 1")
        database.execute("UPDATE landslides SET review_status = 'unsure' WHERE OBJECTID = 4")
    held = content(inventory)
    drawn = table(inventory)[3]["uuid"]
    gone = held["decisions"][0] | {"landslide": drawn}
    with geopackage.transaction(inventory) as database:
        database.execute("DELETE FROM landslides WHERE OBJECTID = 4")
    before, path = inventory.read_bytes(), write(tmp_path, held | {"decisions": [*held["decisions"], gone]})
    with pytest.raises(UserError, match=f"landslide {drawn} is no longer in the inventory; .* --skip_gone"):
        decision_file.bring_in(inventory, path)
    assert inventory.read_bytes() == before
    done = decision_file.bring_in(inventory, path, skip_gone=True)
    assert done.gone == (drawn,) and done.new == {"accepted": 1}
