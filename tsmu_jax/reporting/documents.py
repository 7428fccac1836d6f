"""A report as files: every table as Markdown, CSV and LaTeX, and all of them in `report.md`."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.reporting import cost_tables, paper_tables, run_tables
from tsmu_jax.reporting.choice_table import choice_table
from tsmu_jax.reporting.comparison import Comparison
from tsmu_jax.reporting.lineage import lineage_table
from tsmu_jax.reporting.reading import LeftOut
from tsmu_jax.reporting.table import Table
from tsmu_jax.reporting.writers import comma_separated, latex, markdown
from tsmu_jax.words import escaped_markdown

MANIFEST = "report.json"  # names the files of a report; nothing else is replaced


def all_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Returns the tables of a report in their order, those alone in which something was measured."""
    ablation, choice = run_tables.ablation_table(comparison), choice_table(comparison)
    lineage = lineage_table(comparison.runs)
    tables = [
        run_tables.runs_table(comparison),
        *([lineage] if lineage else []),
        *paper_tables.transfer_tables(comparison),
        paper_tables.overall_table(comparison),
        cost_tables.costs_table(comparison),
        paper_tables.differences_table(comparison),
        *([ablation] if ablation else []),
        cost_tables.cumulative_table(comparison),
        *([choice] if choice else []),
        run_tables.transfer_table(comparison),
        run_tables.matrix_table(comparison),
    ]
    return tuple(table for table in tables if table.rows)


def documents(tables: Sequence[Table], left_out: Sequence[LeftOut], verdict: str | None = None) -> dict[str, str]:
    """File name -> content. Args: verdict: on a single run's update, said first."""
    files = {"report.md": report_markdown(tables, left_out, verdict)}
    for table in tables:
        files[f"{table.name}.md"] = markdown(table, level=1)
        files[f"{table.name}.csv"] = comma_separated(table)
        files[f"{table.name}.tex"] = latex(table)
    return files


def report_markdown(tables: Sequence[Table], left_out: Sequence[LeftOut], verdict: str | None = None) -> str:
    """All tables, after the verdict and the runs that they leave out. What several of them note is said once."""
    parts = ["# Report\n", *([f"{verdict}\n"] if verdict else [])]
    if left_out:
        lines = [f"- {escaped_markdown(f'{one.path}: {one.reason}')}" for one in left_out]
        parts.append("\n".join(["Left out:", "", *lines, ""]))
    parts += [markdown(table) for table in said_once(tables)]
    return "\n".join(parts)


def said_once(tables: Sequence[Table]) -> list[Table]:
    """The same tables, each note only below the first one that has it."""
    said: set[str] = set()
    found = []
    for table in tables:
        found.append(dataclasses.replace(table, notes=tuple(note for note in table.notes if note not in said)))
        said.update(table.notes)
    return found


def default_output(workdir: Path) -> Path:
    """Where the report of a directory goes unless the user says so. Raises UserError where that leads elsewhere."""
    output = workdir / "report"
    if output.is_symlink():
        raise UserError(f"{output}: is a link; name the directory for the report: --output")
    return output


def refuse_foreign(output: Path, manifest: str = MANIFEST) -> None:
    """Raises UserError unless a directory is new, empty, or holds files of such a manifest and nothing else."""
    if output.exists() and not output.is_dir():
        raise UserError(f"--output={output}: is a file; name a directory")
    known = _written(output, manifest)
    held = sorted(path.name for path in output.iterdir()) if output.exists() else []
    foreign = [name for name in held if known is None or name not in (manifest, *known) or (output / name).is_symlink()]
    if foreign:
        raise UserError(f"--output={output}: holds {foreign[0]}, which no report wrote; name a new or empty directory")


def write(files: Mapping[str, str | bytes], output: Path, manifest: str = MANIFEST) -> None:
    """Writes a report, and removes what an earlier one has left in its place.

    Args: manifest: name of the file that says which files are the report's.

    Raises:
      UserError: the directory holds anything else, or cannot be written.
    """
    refuse_foreign(output, manifest)
    try:
        output.mkdir(parents=True, exist_ok=True)
        before = _written(output, manifest) or set()
        _write_manifest(output / manifest, {*before, *files})  # first: cut off, the next report still knows its own
        for name, content in files.items():
            if isinstance(content, bytes):
                (output / name).write_bytes(content)
            else:
                (output / name).write_text(content, encoding="utf-8", errors="backslashreplace")
        for name in before - files.keys():
            (output / name).unlink(missing_ok=True)
        _write_manifest(output / manifest, set(files))
    except OSError as error:
        raise UserError(f"--output={output}: cannot be written ({error.strerror}); name another directory") from error


def _write_manifest(path: Path, names: set[str]) -> None:
    path.write_text(json.dumps({"schema": 1, "files": sorted(names)}, indent=1) + "\n")


def _written(output: Path, manifest: str) -> set[str] | None:
    """The files of the report in a directory; None where there is none, or the manifest is another program's."""
    try:
        return {Path(name).name for name in untrusted.read(output / manifest)["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
