"""The short form of tests/stress/map_kills.py."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from tests.stress import map_killed, map_kills


def test_killed_mapping_ends_as_if_nobody_had_killed_it(tmp_path: Path) -> None:
    scenes = map_killed.Scenes(tmp_path, number=2)
    where = map_kills.kill(scenes, kills=4, seed=0, say=lambda *_, **__: None)
    assert where.total() == 4
    expected = scenes.outcome()
    map_kills.compare(scenes, expected)
    with contextlib.closing(sqlite3.connect(scenes.inventory)) as database, database:
        database.execute("DELETE FROM observations WHERE OBJECTID = 3")
    with pytest.raises(AssertionError, match="these differ: observations"):
        map_kills.compare(scenes, expected)
