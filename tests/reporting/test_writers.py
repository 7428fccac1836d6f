import csv
import io
import math

import pytest

from tests.reporting.example import TABLE
from tsmu_jax.evaluation.intervals import Interval, Spread
from tsmu_jax.reporting.table import Cell, Column, Table, number, text
from tsmu_jax.reporting.writers import comma_separated, latex, markdown


def test_cells_as_people_read_them() -> None:
    assert text(None, 3) == "–" == text(math.nan, 3)
    assert text(Spread(0.63849, 0.0121, 3), 3) == "0.638 ± 0.012"
    assert text(Spread(0.63849, math.nan, 1), 3) == "0.638"
    assert text(Interval(0.0315, 0.0102, 0.052), 3) == "+0.032 [0.010, 0.052] better"
    assert text(Interval(-0.0315, -0.052, -0.0102), 3) == "-0.032 [-0.052, -0.010] worse"
    assert text(Interval(-0.0315, -0.052, 0.01), 3) == "-0.032 [-0.052, 0.010]"
    assert text(Interval(0.5, math.nan, math.nan), 3) == "+0.500"  # too few images: no ranking
    assert text(Interval(-0.0, 0.0, 0.0), 3) == "0.000 [0.000, 0.000]"


@pytest.mark.parametrize(
    ("value", "written"),
    [(9796930, "9,796,930"), (9796930.0, "9,796,930"), (1234.5678, "1,235"), (71.8281, "71.83"), (0.00001, "1e-05")],
)
def test_numbers_of_any_size(value: float, written: str) -> None:
    assert number(value, None) == written


def test_markdown_has_as_many_cells_in_each_row() -> None:
    lines = markdown(TABLE).splitlines()
    assert lines[0] == "## A title with 5 % & a_name"
    rows = [line for line in lines if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    assert rows[0] == "| method | phase 1: old | phase 1: new | difference | cost |"
    assert rows[1] == "|---|---:|---:|---:|---:|"
    assert rows[2] == r"| a\|b_c\* | 0.638 ± 0.012 | 0.500 | +0.031 [0.010, 0.052] better | 9,796,930 |"
    assert rows[3].startswith("| &lt;script>")
    assert rows[4] == "| nothing at all | – | 0.100 | – | – |"
    assert lines[-1] == "- Note with ± and λ."


def test_csv_keeps_every_digit_and_gives_parts_columns_of_their_own() -> None:
    header, *rows = csv.reader(io.StringIO(comma_separated(TABLE)))
    assert header == [
        "method",
        "phase 1: old",
        "phase 1: old std",
        "phase 1: new",
        "difference",
        "difference low",
        "difference high",
        "difference ranking",
        "cost",
    ]
    assert rows[0] == ["a|b_c*", "0.63849", "0.0121", "0.5", "0.03149", "0.0102", "0.052", "better", "9796930"]
    assert rows[1] == ["<script>", "0.25", "", "", "-0.2", "-0.3", "0.1", "", "1234.5678"]
    assert rows[2] == ["nothing\nat all", "", "", "0.1", "", "", "", "", ""]


def test_latex_escapes_and_groups() -> None:
    source = latex(TABLE)
    assert r"\caption{A title with 5 \% \& a\_name}" in source
    assert r"\multicolumn{1}{c}{} & \multicolumn{2}{c}{phase 1} & \multicolumn{2}{c}{} \\" in source
    assert r"a|b\_c* & 0.638 $\pm$ 0.012 & 0.500 & +0.031 [0.010, 0.052] better & 9,796,930 \\" in source
    assert r"\begin{tabular}{lrrrr}" in source
    assert r"Note with $\pm$ and $\lambda$." in source
    body = source[source.index("hline") :]
    rows = [line for line in body.splitlines() if line.endswith(r" \\") and "multicolumn" not in line]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {4}
    assert source.count(r"\begin") == source.count(r"\end") == 2
    assert source.isascii()


def test_rows_must_fit_their_columns() -> None:
    short: tuple[tuple[Cell, ...], ...] = (("a",),)
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Table("t", "T", (Column("a"), Column("b")), short)
