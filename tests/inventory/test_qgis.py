"""QGIS's own Python opens an inventory with its style, draws it, and edits it under the triggers."""

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.inventory.test_adding import DATES, ONE, TWO, table, write_map
from tsmu_jax.inventory import geopackage, looks, schema
from tsmu_jax.inventory.adding import add

SESSION = Path(__file__).with_name("qgis_session.py")
# Rows and columns of landslides of about the same mean probability; the fourth one looks like two in one.
BOXES = ((6, 16, 8, 24), (6, 12, 40, 60), (24, 34, 8, 18))
PAIR = ((40, 50, 10, 20), (44, 46, 20, 26), (40, 50, 26, 36))
OLD = ((24, 30, 50, 70), (44, 52, 60, 74))  # which the newer model does not find
NOTES = "<img src='http://127.0.0.1:9/x'> & &lt;"  # which are no HTML


@functools.cache
def qgis_python() -> str | None:
    """A Python that has QGIS: the system's, where a package of its distribution holds QGIS."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run([python, "-c", "import qgis.core"], capture_output=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return python
    return None


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[dict[str, Any]], dict[str, Any]]:
    """The inventory after a session in QGIS, the picture, the rows before, and what QGIS said."""
    python = qgis_python()
    if python is None:
        pytest.skip("no Python here has QGIS (Debian: apt-get install python3-qgis)")
    root = tmp_path_factory.mktemp("qgis")
    path = root / "landslides.gpkg"
    add(path, write_map(root / "old", OLD, model=ONE), ONE, dates=DATES)
    add(path, write_map(root / "new", BOXES + PAIR, model=TWO), TWO, dates=DATES)
    with geopackage.transaction(path) as database:
        for number, confidence in ((3, 1), (4, 2), (5, 3)):
            database.execute("UPDATE landslides SET Confidence = ? WHERE OBJECTID = ?", (confidence, number))
        database.execute("UPDATE landslides SET review_status = 'rejected' WHERE OBJECTID = 2")
        database.execute("UPDATE landslides SET superseded_by = '', Notes = ? WHERE OBJECTID = 5", (NOTES,))
    before = table(path)
    done = subprocess.run([python, SESSION, path, root / "map.png"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return path, root / "map.png", before, json.loads(done.stdout.splitlines()[-1])


def test_the_style_is_the_intended_one(session: Any) -> None:
    path, _, before, said = session
    style = said["style"]
    assert style["renderer"] == "RuleRenderer" and style["rules"] == [rule.label for rule in looks.RULES]
    assert style["labels"] == [True, True, looks.LABEL_SCALE]
    assert style["texts"] == {
        "1": "",  # superseded
        "2": "",  # rejected
        "3": f"possible\n{before[2]['area_m2']:.0f} m²",
        "4": f"probable\n{before[3]['area_m2']:.0f} m²",
        "5": f"likely\n{before[4]['area_m2']:.0f} m²",
        "6": f"probable\n{before[5]['area_m2']:.0f} m²\nseveral in one?",
    }
    assert style["tips"]["5"].splitlines() == [
        f"<b>likely</b> (unreviewed)<br>{before[4]['area_m2']:.0f} m²<br>",
        "between 2024-05-01 and 2024-06-01<br>",
        "&lt;img src='http://127.0.0.1:9/x'> &amp; &amp;lt;",
    ]
    widgets = style["widgets"]
    assert widgets["review_status"] == widgets["Confidence"] == "ValueMap"
    assert widgets["touches_edge"] == widgets["amalgamated"] == "CheckBox" and widgets["original_geometry"] == "Hidden"
    assert [value for choice in style["choices"] for value in choice.values()] == [
        "unreviewed",
        "accepted",
        "edited",
        "rejected",
        "unsure",
        "disputed",
    ]
    assert list(style["tabs"]) == list(looks.FORM)
    columns = {column.name for column in schema.LANDSLIDES.columns}
    shown = [name for names in style["tabs"].values() for name in names]
    assert sorted(shown) == sorted(columns - {"original_geometry"})
    assert set(style["read_only"]) == columns - looks.EDITABLE
    assert style["titles"]["area_m2"] == "Area (m²)"
    assert said["observed_read_only"]
    queue = said["queue"]
    assert queue["rules"] == [rule.label for rule in looks.QUEUE_RULES] and list(queue["tabs"]) == list(
        looks.QUEUE_FORM
    )
    assert queue["texts"]["6"].endswith("several in one?") and queue["texts"].keys() == {"3", "4", "5", "6"}
    assert queue["widgets"]["review_status"] == "ValueMap" and said["queue_read_only"]


def test_the_picture_shows_each_kind(session: Any) -> None:
    pixels = np.asarray(Image.open(session[1]).convert("RGB")).reshape(-1, 3)
    outlines = {rule.label: [int(part) for part in rule.outline.split(",")[:3]] for rule in looks.RULES}
    for label in ("likely, to review", "probable, to review", "possible, to review", "rejected"):
        assert (abs(pixels - outlines[label]).max(axis=1) <= 3).sum() > 50, label
    assert (abs(pixels - [60, 60, 60]).max(axis=1) <= 3).sum() > 300  # the ground that was looked at
    for label in ("accepted", "edited"):  # there are none
        assert (abs(pixels - outlines[label]).max(axis=1) <= 3).sum() == 0, label


def test_edits_are_audited(session: Any) -> None:
    path, _, before, said = session
    after = {row["OBJECTID"]: row for row in table(path)}
    done = ("notes", "accepted", "reshaped", "split", "drawn")
    assert {name: said[name] for name in done} == dict.fromkeys(done, "")
    noted = {**before[2], "Notes": "seen in the field", "reviewer": after[3]["reviewer"]}
    assert after[3] == noted and after[3]["reviewer"]  # its geometry, written again by GDAL, is no edit
    assert (after[4]["review_status"], after[4]["Confidence"]) == ("accepted", 8) and after[4]["reviewed_at"]
    for number in (1, 6):  # reshaped, and split
        assert after[number]["original_geometry"] == before[number - 1]["geometry"] != after[number]["geometry"]
        assert after[number]["reviewed_at"].endswith("Z") and after[number]["uuid"] == before[number - 1]["uuid"]
        assert after[number]["review_status"] == "edited" and after[number]["area_m2"] is None
    assert before[5]["amalgamated"] == 1 and after[6]["amalgamated"] == 0
    assert (after[2], after[5]) == (before[1], before[4])
    decisions = {(row["verdict"], row["landslide"]) for row in table(path, "decisions")}
    uuids = {number: row["uuid"] for number, row in after.items()}
    last = sorted(after)[-2:]
    assert decisions == {
        ("rejected", uuids[2]),
        ("accepted", uuids[4]),
        ("edited", uuids[1]),
        ("edited", uuids[6]),
        ("edited", uuids[last[0]]),  # the part that was split off
        ("drawn", uuids[last[1]]),
    }
    assert all(row["reviewer"] for row in table(path, "decisions")[1:])


def test_ground_that_somebody_draws_as_reviewed_says_who_and_when(session: Any) -> None:
    path, _, _, said = session
    assert said["looked_at"] == ""
    (row,) = table(path, "reviewed")
    assert len(row["uuid"]) == 36 and row["reviewer"] and row["reviewed_at"].endswith("Z") and row["scene"] is None
    assert geopackage.decoded(row["geometry"]).bounds == pytest.approx((15.0, 50.0001, 15.0001, 50.0002))


def test_rows_that_people_add_get_names(session: Any, tmp_path: Path) -> None:
    path, _, before, _ = session
    rows = table(path)
    part, drawn = rows[len(before) :]
    assert len({row["uuid"] for row in rows}) == len(rows) and len(drawn["uuid"]) == 36
    assert drawn["review_status"] == "accepted" and drawn["reviewed_at"] and drawn["model_id"] is None
    assert part["review_status"] == "edited" and part["model_id"] == TWO.digest
    assert part["area_m2"] is None and part["amalgamated"] == 0
    add(path, write_map(tmp_path / "later", BOXES, model=TWO, seed=1), TWO)  # measures what people have drawn
    rows = table(path)
    west, south, east, north = geopackage.decoded(drawn["geometry"]).bounds
    metres = (north - south) * 111_130, (east - west) * 111_320 * np.cos(np.radians(south))
    assert rows[len(before) + 1]["area_m2"] == pytest.approx(metres[0] * metres[1] / 2, rel=0.01)
    halves = [row["area_m2"] for row in (rows[5], rows[len(before)])]
    assert sum(halves) == pytest.approx(before[5]["area_m2"], rel=1e-3)


def test_what_cannot_be_is_refused_in_words(session: Any) -> None:
    said = session[-1]
    assert "set review_status to accepted" in said["too_confident"]
    assert "must be unreviewed, accepted, edited, rejected or unsure" in said["unknown_status"]
    assert "set review_status to rejected instead" in said["deleted"]
