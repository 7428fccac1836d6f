"""Writes the report of finished runs: Tables II to IX of the paper, intervals, costs, transfer, figures, images.

    python -m tsmu_jax.report --workdir=runs/paper
    python -m tsmu_jax.report --workdir=runs/first --workdir=runs/second --output=reports/both

Each --workdir is the directory of a run, or one that holds such directories, as a sweep's does. Into --output go
report.html, one page with everything that opens without a network; report.md; and each table as Markdown, CSV and
LaTeX. The runs stay as they are; unfinished ones are left out.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tsmu_jax import cli
from tsmu_jax.errors import UserError
from tsmu_jax.words import counted

_WORKDIR = flags.DEFINE_multi_string("workdir", None, "Run directory, or a directory of such; may be repeated.")
_OUTPUT = flags.DEFINE_string("output", None, "Where the report is written; report/ in the first workdir by default.")
_REFERENCE = flags.DEFINE_list(
    "reference", [], "KEY=VALUE,...: of several configurations, the one that differences are taken to."
)


def main(argv: Sequence[str]) -> None:
    """Reads, compares, writes."""
    del argv  # flags only
    if not _WORKDIR.value:
        raise UserError("--workdir is missing; name a directory that tsmu_jax.main or a sweep wrote")
    from tsmu_jax.reporting import documents  # NumPy and SciPy: not for `--help`
    from tsmu_jax.reporting.comparison import compare
    from tsmu_jax.reporting.reading import find_runs

    workdirs = [Path(value) for value in _WORKDIR.value]
    output = Path(_OUTPUT.value) if _OUTPUT.value else documents.default_output(workdirs[0])
    documents.refuse_foreign(output)
    found = find_runs(workdirs)
    comparison = compare(found.runs, _chosen(_REFERENCE.value))
    for path, reason in found.left_out:
        print(f"left out: {path}: {reason}", file=sys.stderr)
    tables = documents.all_tables(comparison)
    said = found.runs[0].verdict if len(found.runs) == 1 else None
    files = documents.documents(tables, found.left_out, said)
    from tsmu_jax.reporting.page.document import page  # Matplotlib: not for what ends before

    files["report.html"] = page(comparison, tables, found.left_out)
    documents.write(files, output)
    print(f"{counted(len(found.runs), 'run')}: {output / 'report.html'}, {output / 'report.md'}")


def _chosen(words: Sequence[str]) -> dict[str, str]:
    pairs = [word.partition("=") for word in words]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise UserError(f"--reference: {key!r} is not of the form KEY=VALUE")
    return {key: value for key, _, value in pairs}


if __name__ == "__main__":
    cli.run(main, __doc__ or "")
