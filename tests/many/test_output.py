"""The table of a list: texts that no spreadsheet runs, rows cut off, directories of something else."""

from pathlib import Path

import pytest

from tsmu_jax import locks
from tsmu_jax.errors import UserError
from tsmu_jax.many.output import DAMAGED, FAILED, MANIFEST, MAPPED, TABLE, Output, Row

ASKED = {"model": "m", "halo": "exact"}
ROWS = [
    Row("=1+1", MAPPED, 1.25, 7, request="a" * 64),
    Row("b", FAILED, error='-x,\n"y"', request="b" * 64),
    Row("c", DAMAGED, 0.5, 0, error="'=z", request="c" * 64),
]


def test_the_table_comes_back_without_what_was_cut_off(tmp_path: Path) -> None:
    with Output(tmp_path / "out", ASKED) as output:
        output.begin([])
        for row in ROWS:
            output.add(row)
        with pytest.raises(locks.Held):
            locks.lock(tmp_path / "out", "--output")
    table = tmp_path / "out" / TABLE
    assert "'=1+1,mapped,1.25,7," in table.read_text() and "\"'-x," in table.read_text()
    with table.open("a") as file:
        file.write(f"d,mapped,1.0,2,,{'d' * 30}")
    with Output(tmp_path / "out", ASKED) as output:
        assert list(output.rows.values()) == ROWS
        output.begin(ROWS[:1])
        output.add(ROWS[2])
        output.add(ROWS[1])
        output.finish([row.name for row in ROWS])
    with Output(tmp_path / "out", ASKED) as output:
        assert list(output.rows.values()) == ROWS


def test_other_directories_are_left_alone(tmp_path: Path) -> None:
    def refused(path: Path, said: str, **asked: str) -> None:
        with pytest.raises(UserError, match=said), Output(path, ASKED | asked):
            pass

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").touch()
    refused(tmp_path / "other", "holds a.txt and no maps of a list")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["a.txt"]
    refused(tmp_path / "other" / "a.txt", "is a file; name a directory")
    with Output(tmp_path / "out", ASKED) as output:
        output.begin([])
    refused(tmp_path / "out", r"holds maps with another model \(m, now n\)", model="n")
    (tmp_path / "out" / MANIFEST).write_text("[")
    refused(tmp_path / "out", "cannot be read")
    (tmp_path / "out" / MANIFEST).unlink()
    (tmp_path / "out" / MANIFEST).symlink_to(tmp_path / "other" / "a.txt")
    refused(tmp_path / "out", "a link that leads out of")
