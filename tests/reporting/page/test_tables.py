"""Tables of the page."""

from typing import Any

from tests.reporting.example import TABLE
from tsmu_jax.reporting.page.document import environment
from tsmu_jax.reporting.table import Column, Table


def written(table: Table) -> str:
    macros: Any = environment().get_template("macros.html").module
    return macros.table(table).strip()


def test_rows_and_columns_are_named() -> None:
    source = written(TABLE)
    assert '<caption><h3 id="table-table_0">A title with 5 % &amp; a_name</h3></caption>' in source
    assert '<th scope="colgroup" colspan="2">phase 1</th>' in source
    assert '<th scope="col" rowspan="2">method</th>' in source and source.count('<th scope="col" class="number">') == 2
    assert '<th scope="row">&lt;script&gt;</th>' in source and "<script" not in source
    assert '<td class="number better">+0.031 [0.010, 0.052] better</td>' in source
    assert '<td class="number">-0.200 [-0.300, 0.100]</td>' in source
    assert source.endswith('<ul class="notes"><li>Note with ± and λ.</li></ul>')
    assert source.count("<td") + source.count('scope="row"') == 15


def test_without_groups_there_is_one_line_of_heads() -> None:
    source = written(Table("t", "T", (Column("a"), Column("b")), ()))
    assert source.count("<tr>") == 1 and "rowspan" not in source and "notes" not in source
