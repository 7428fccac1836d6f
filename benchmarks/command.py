"""Command lines of the benchmarks: a flag for each argument, a table, one line for a user's error."""

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.rows import Row, as_json, markdown
from tsmu_jax.errors import UserError


def run(
    rows: Callable[..., Sequence[Row]],
    description: str,
    *,
    alone: Callable[..., Mapping[str, Any]] | None = None,
    argv: Sequence[str] | None = None,
) -> None:
    """Measures what the command line says, and prints it.

    Each keyword of `rows` is a flag, its default the flag's. `--json` prints one line of JSON instead of the table.

    Args:
      alone: what `--json` prints instead of the rows, with the same keywords: our side's figures alone.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, parameter in inspect.signature(rows).parameters.items():
        kind = str if parameter.default is None else type(parameter.default)
        parser.add_argument(f"--{name}", type=kind, default=parameter.default, help=f"default: {parameter.default}")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    arguments = vars(parser.parse_args(argv))
    as_line = arguments.pop("json")
    try:
        if as_line:
            print(json.dumps(alone(**arguments) if alone else as_json(rows(**arguments))))
        else:
            print(markdown(rows(**arguments)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
