"""A table whose cells are hard to write: marks of every format, numbers of every kind, empty cells."""

import math

from tsmu_jax.evaluation.intervals import Interval, Spread
from tsmu_jax.reporting.table import Column, Table

TABLE = Table(
    "table_0",
    "A title with 5 % & a_name",
    (
        Column("method"),
        Column("old", "phase 1"),
        Column("new", "phase 1"),
        Column("difference"),
        Column("cost", digits=None),
    ),
    (
        ("a|b_c*", Spread(0.63849, 0.0121, 3), 0.5, Interval(0.03149, 0.0102, 0.052), 9_796_930),
        ("<script>", Spread(0.25, math.nan, 1), None, Interval(-0.2, -0.3, 0.1), 1234.5678),
        ("nothing\nat all", None, 0.1, None, None),
    ),
    ("Note with ± and λ.",),
)
