"""The short form of tests/stress/map_kills.py."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.stress import map_killed, map_kills


def test_killed_mapping_ends_as_if_nobody_had_killed_it(tmp_path: Path) -> None:
    scenes = map_killed.Scenes(tmp_path, number=1)
    scenes.attempt(0)
    expected = scenes.outcome()
    scenes.clear()
    assert scenes.attempt(0, after=map_killed.WINDOWS, seconds=0).startswith("while the windows were mapped")
    assert scenes.attempt(0, after=map_killed.TRANSACTION, seconds=0) == "in the inventory's transaction"
    assert scenes.attempt(0) == ""
    map_kills.compare(scenes, expected)
    with contextlib.closing(sqlite3.connect(scenes.inventory)) as database, database:
        database.execute("DELETE FROM observations WHERE OBJECTID = 3")
    with pytest.raises(AssertionError, match="these differ: observations"):
        map_kills.compare(scenes, expected)
