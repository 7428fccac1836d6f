"""Runs all benchmarks that this machine can, prints one table, and compares its ratios with the recorded ones.

python -m benchmarks                      Markdown; exit code 1 when a ratio is worse by more than 20 %
python -m benchmarks --json               the same as one line of JSON
python -m benchmarks --only=startup,memory
python -m benchmarks --record             makes these ratios the ones to compare with

Leave the machine alone meanwhile: everything is measured in turn, but another program's load does not come in turn.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rows import RECORDED, Row, as_json, markdown, regressions, store
from tsmu_jax.errors import UserError

ALL = (
    "train_step",
    "inference",
    "predict",
    "scenes",
    "freeze_step",
    "update",
    "input_wait",
    "startup",
    "memory",
    "roofline",
    "scaling",
    "data_parallel",
    "gpu",
)


def run(names: Sequence[str]) -> list[Row]:
    """The rows of the benchmarks, in order; one that cannot run here is a row that says why."""
    rows: list[Row] = []
    for name in names:
        print(f"{name} ...", file=sys.stderr)
        try:
            rows += importlib.import_module(f"benchmarks.{name}").rows()
        except UserError as error:
            rows.append(Row(name, "", None, note=f"not measured: {error}"))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ALL), help="which benchmarks")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--record", action="store_true", help="write what later runs are compared with")
    parser.add_argument(
        "--recorded", type=Path, default=RECORDED, help="where that is; default: benchmarks/recorded.json"
    )
    arguments = parser.parse_args(argv)
    names = arguments.only.split(",")
    unknown = sorted({*names} - {*ALL})
    if unknown:
        parser.error(f"--only: no benchmark {unknown[0]!r}; known: {', '.join(ALL)}")
    rows = run(names)
    print(json.dumps(as_json(rows)) if arguments.json else markdown(rows))
    if arguments.record:
        store(rows, arguments.recorded)
        return 0
    worse = regressions(rows, arguments.recorded)
    for sentence in worse:
        print(f"worse: {sentence}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
