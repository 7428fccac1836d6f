"""The closing tables of a list of scenes."""

import io
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from tsmu_jax.many import words
from tsmu_jax.many.output import DAMAGED, FAILED, MAPPED, Row

ROWS = [
    Row("a", MAPPED, 1.25, 7),
    Row("b", MAPPED, 2.0, 1, error="not in the inventory: it is full"),
    Row("c", DAMAGED, 0.5, 2),
    Row("[red]d", FAILED, error="--post=d.tif: :bomb: [/]\x1b[2J"),
]
ADDED = {
    (MAPPED, "new"): 5,
    (MAPPED, "known"): 2,
    (DAMAGED, "known"): 1,
    (DAMAGED, "superseded"): 3,
    (MAPPED, "unseen"): 4,
}


def lines(shown: RenderableType | None, width: int = 200) -> list[list[str]]:
    file = io.StringIO()
    Console(file=file, width=width).print(shown)
    return [line.split() for line in file.getvalue().splitlines() if line.strip(" ─")]


def test_scenes_by_outcome() -> None:
    assert lines(words.outcomes(ROWS, ADDED)) == [
        ["scenes", "number", "landslides", "new", "known", "superseded", "unseen", "seconds"],
        ["mapped", "2", "8", "5", "2", "0", "4", "3.2"],
        ["damaged", "1", "2", "0", "1", "3", "0", "0.5"],
        ["failed", "1", "0", "0", "0", "0", "0", "0.0"],
        ["all", "4", "10", "5", "3", "3", "4", "3.8"],
    ]
    assert lines(words.outcomes(ROWS[:1], None)) == [
        ["scenes", "number", "landslides", "seconds"],
        ["mapped", "1", "7", "1.2"],
    ]
    assert lines(words.outcomes([], None)) == [["scenes", "number", "landslides", "seconds"]]


def test_reasons_are_shown_whole_and_run_nothing() -> None:
    assert lines(words.faults(ROWS)) == [
        ["scene", "outcome", "reason"],
        ["b", "mapped", "not", "in", "the", "inventory:", "it", "is", "full"],
        ["c", "damaged", "a", "part", "of", "its", "images", "could", "not", "be", "read"],
        [r"[red]d", r"failed", r"--post=d.tif:", r":bomb:", r"[/]\x1b[2J"],
    ]
    assert words.faults(ROWS[:1]) is None
    folded = ["".join(line) for line in lines(words.faults([Row("d", FAILED, error="x" * 100)]), width=60)]
    assert "".join(folded).count("x") == 100
    many = lines(words.faults([Row(str(at), FAILED, error="no") for at in range(30)]))
    assert len(many) == 22 and many[-1] == ["and", "10", "more", "see", "scenes.csv"]


def test_sentences(tmp_path: Path) -> None:
    first, second, third = words.sentences(ROWS, tmp_path, tmp_path / "x.gpkg", 61.0)
    assert first == (
        "3 scenes of 4 mapped in 1:01, 1 of them with ground that could not be read, 1 of them not in the inventory; "
        "1 failed: the same command tries them again"
    )
    assert second == f"10 landslides on all maps; inventory: {tmp_path / 'x.gpkg'}"
    assert third == f"table: {tmp_path / 'scenes.csv'}"


def test_files_get_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    words.console().print(words.faults([Row("d", FAILED, error="x" * 300)]))
    assert "x" * 300 in capsys.readouterr().out
