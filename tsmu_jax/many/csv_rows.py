"""A list of scenes as CSV: a line of columns' names, then a line a scene."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.words import nearest


def rows(path: Path, said: str, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields each line's place and its cells by column, without spaces around them; lines without a text are left out.

    Args: said: the flag and the file, for errors; columns: the known ones.

    Raises:
      UserError: the file cannot be read, a column is unknown or there twice, or a line has too many or too few cells.
    """
    try:
        if path.stat().st_size > untrusted.MOST_BYTES:
            raise UserError(f"{said}: holds more than {untrusted.MOST_BYTES / 2**20:.0f} MiB; give smaller lists")
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            header = [cell.strip() for cell in next(lines, [])]
            _check(header, said, columns)
            for cells in lines:
                if not any(cell.strip() for cell in cells):
                    continue
                where = f"line {lines.line_num}"
                if len(cells) != len(header):
                    remedy = "put cells with commas between quotes"
                    raise UserError(f"{said}: {where}: has {len(cells)} cells, and line 1 {len(header)}; {remedy}")
                yield where, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{said}: cannot be read ({error!s:.200}); give a CSV file in UTF-8") from error


def _check(header: Sequence[str], said: str, columns: Sequence[str]) -> None:
    known = ", ".join(columns)
    if not any(header):
        raise UserError(f"{said}: is empty; its first line names columns: {known}")
    for name in header:
        if name not in columns:
            near = nearest(name, columns)
            guess = f"did you mean {near!r}?" if near else f"known: {known}"
            raise UserError(f"{said}: line 1: unknown column {name!r:.100}; {guess}")
        if header.count(name) > 1:
            raise UserError(f"{said}: line 1: has the column {name!r} twice; leave one")
    if "post" not in header:
        raise UserError(f"{said}: line 1: has no column 'post', the image after the event; known: {known}")
