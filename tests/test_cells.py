"""Cells that a spreadsheet would take for formulas are texts, and come back as they were."""

import csv
from pathlib import Path

import numpy as np
import pytest

from tsmu_jax import cells
from tsmu_jax.prediction.output import TABLE, Output, Row

NAMES = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'", "'=1", "''", "a=1", "é", '"', "a,b"]


def test_cells_that_would_be_formulas_are_texts_and_come_back(tmp_path: Path) -> None:
    values, mask = np.zeros((4, 4)), np.zeros((4, 4), bool)
    with Output(tmp_path / "out", {"model": "m"}) as output:
        for name in NAMES:
            output.write_images(name, values, mask, ~mask)
            output.add(Row(name, decoder=name, ecoregion=name, margin=-0.5, digest="0" * 64))
        output.finish()
        rows = dict(output.rows)
    with (tmp_path / "out" / TABLE).open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert {cell[field][:1] for cell in found for field in ("image", "decoder")} == {"'", "a", "é", '"'}
    assert {cell["margin"] for cell in found} == {"-0.5"}  # a number stays one
    with Output(tmp_path / "out", {"model": "m"}) as output:
        assert output.rows == rows
        assert all(output.is_done(name, "0" * 64) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name: str) -> None:
    assert cells.original(cells.safe(name)) == name
    assert cells.safe(name)[0] not in "=+-@\t\r\n"


@pytest.mark.parametrize("cell", ["=1+1", "-x", "a'", "'quoted'", ""])
def test_what_an_earlier_release_wrote_is_read_as_it_is(cell: str) -> None:
    assert cells.original(cell) == cell
