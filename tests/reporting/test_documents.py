import csv
import json
from pathlib import Path

import pytest

from tsmu_jax.errors import UserError
from tsmu_jax.reporting.comparison import compare
from tsmu_jax.reporting.documents import all_tables, documents, refuse_foreign, write
from tsmu_jax.reporting.reading import LeftOut, find_runs


@pytest.fixture
def files(make_run) -> dict[str, str]:
    found = find_runs([make_run("run", "tsmu")])
    return documents(all_tables(compare(found.runs)), [LeftOut(Path("a|b"), "unfinished")])


def test_every_table_in_every_format_and_all_in_one(files: dict[str, str]) -> None:
    names = {name.partition(".")[0] for name in files} - {"report"}
    assert {f"{name}.{suffix}" for name in names for suffix in ("md", "csv", "tex")} | {"report.md"} == files.keys()
    assert {"table_6_tsmu", "table_8_all_test_data", "table_9_costs", "cumulative_costs", "matrix"} <= names
    assert not names & {"table_2_leave_one_out", "table_7_joint_training", "differences"}  # nothing was measured there
    for name in names:
        title = files[f"{name}.md"].splitlines()[0].removeprefix("# ")
        assert f"## {title}\n" in files["report.md"]
        header, *rows = csv.reader(files[f"{name}.csv"].splitlines())
        assert all(len(row) == len(header) for row in rows)
        assert len(set(header)) == len(header), name
    assert "- a\\|b: unfinished" in files["report.md"]


def test_a_verdict_comes_first(make_run) -> None:
    found = find_runs([make_run("run", "tsmu")])
    said = found.runs[0].verdict
    assert said is not None and said.startswith("The update: old ecoregions ")
    lines = documents(all_tables(compare(found.runs)), [], said)["report.md"].splitlines()
    assert lines[:3] == ["# Report", "", said]


def test_a_report_is_written_and_replaced(tmp_path: Path, files: dict[str, str]) -> None:
    output = tmp_path / "deep" / "report"
    write(files | {"ablation.md": "of runs that are gone\n"}, output)
    write(files, output)
    assert {path.name for path in output.iterdir()} == {*files, "report.json"}
    assert (output / "report.md").read_text() == files["report.md"]
    assert json.loads((output / "report.json").read_text())["files"] == sorted(files)


@pytest.mark.parametrize("name", ["thesis.txt", "config.json", "report.md", "report.json"])
def test_foreign_files_are_left_alone(tmp_path: Path, files: dict[str, str], name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("[1]")
    with pytest.raises(UserError, match=f"^--output={tmp_path}/out: holds {name}, which no report wrote; name a new"):
        write(files, tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == "[1]"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_a_report_with_other_files_beside_it_is_not_replaced(tmp_path: Path, files: dict[str, str]) -> None:
    write(files, tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"holds notes.txt"):
        write(files, tmp_path / "out")


def test_a_file_in_the_way(tmp_path: Path, files: dict[str, str]) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file; name a directory"):
        refuse_foreign(tmp_path / "file")
    with pytest.raises(UserError, match=r"cannot be written \(.+\); name another directory"):
        write(files, tmp_path / "file" / "report")


def test_a_report_that_was_cut_off_is_taken_up(
    tmp_path: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    whole = Path.write_text

    def cut_off(self: Path, text: str, **options: str) -> int:
        written.append(self.name)
        if len(written) == 4:
            raise KeyboardInterrupt
        return whole(self, text, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", cut_off)
        with pytest.raises(KeyboardInterrupt):
            write(files, tmp_path / "out")
    write(files, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*files, "report.json"}


def test_what_several_tables_note_is_said_once(files: dict[str, str]) -> None:
    note = "Mean IoU of the test images, averaged over seeds"
    assert note in files["table_6_tsmu.md"] and note in files["table_8_all_test_data.md"]
    assert files["report.md"].count(note) == 1
