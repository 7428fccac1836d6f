"""The directory that a list of scenes fills: a map a scene, and a table of how each one stands.

OUTPUT/scenes.json          the model and what is asked of every scene; whatever else is asked for goes elsewhere
OUTPUT/scenes.csv           a row a scene that has ended; texts as in cells.py
OUTPUT/<name>/              the map of a scene, see scenes/directory.py
"""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tsmu_jax import cells, locks, untrusted
from tsmu_jax.errors import UserError

MANIFEST, TABLE = "scenes.json", "scenes.csv"
OURS = frozenset((MANIFEST, TABLE, locks.NAME, f"{MANIFEST}.partial", f"{TABLE}.partial"))  # no names of scenes
SCHEMA = 1
MAPPED, DAMAGED, FAILED = "mapped", "damaged", "failed"


@dataclasses.dataclass(frozen=True)
class Row:
    """One scene of the table; empty fields are not known.

    Attributes:
      name: as in the list.
      status: "mapped"; "damaged" where a part of an image could not be read; or "failed".
      seconds: that mapping took, on the worker; of the last attempt.
      landslides: of the map.
      error: why there is no map, or none in the inventory.
      request: SHA-256 of the model, of what was asked and of the files' sizes and times.
    """

    name: str
    status: str
    seconds: float | None = None
    landslides: int | None = None
    error: str = ""
    request: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether there is a map, which the same request would make again."""
        return self.status != FAILED


_FIELDS = tuple(field.name for field in dataclasses.fields(Row))


class Output:
    """`with Output(...) as output` keeps other processes out.

    Attributes:
      rows: by name, of scenes that have ended, in this run or an earlier one.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        """Touches nothing. Args: asked: plain values that every map depends on."""
        self.path = path
        self.rows: dict[str, Row] = {}
        self._asked = {"schema": SCHEMA, **asked}

    def __enter__(self) -> Self:
        """Locks a new directory, or takes up what an earlier run has left.

        Raises:
          UserError: the directory holds something else, or maps of which something else was asked; another process
            fills it; or it cannot be written.
        """
        self._read()  # a directory of something else gets no lock file
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = locks.lock(self.path, "--output")
            self.rows = {row.name: row for row in self._read()}
            _replace(self.path / MANIFEST, json.dumps(self._asked, indent=1))
        except OSError as error:
            raise UserError(f"--output={self.path}: cannot be written ({error.strerror}); name another") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Lets other processes in."""
        self._lock.release()

    def begin(self, rows: Sequence[Row]) -> None:
        """Leaves rows of an earlier run in the table alone, those given."""
        self.rows = {row.name: row for row in rows}
        self.finish(list(self.rows))

    def add(self, row: Row) -> None:
        """Adds a row to the table on the disk, at once."""
        self.rows[row.name] = row
        with (self.path / TABLE).open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, _FIELDS).writerow(_as_words(row))

    def finish(self, names: Sequence[str]) -> None:
        """Puts the table into the order of the list."""
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, _FIELDS)
        writer.writeheader()
        writer.writerows(_as_words(self.rows[name]) for name in names if name in self.rows)
        _replace(self.path / TABLE, buffer.getvalue())

    def _read(self) -> list[Row]:
        """The rows of an earlier run; raises as `__enter__`."""
        if not self.path.exists():
            return []
        if not self.path.is_dir():
            raise UserError(f"--output={self.path}: is a file; name a directory")
        untrusted.refuse_links(self.path, only=OURS)
        manifest = self.path / MANIFEST
        if not manifest.exists():
            if held := sorted(path.name for path in self.path.iterdir() if path.name != locks.NAME):
                raise UserError(f"--output={self.path}: holds {held[0]} and no maps of a list; name a new directory")
            return []
        try:
            found = dict(untrusted.read(manifest))
            rows: list[Row | None] = []
            if (self.path / TABLE).exists():
                with (self.path / TABLE).open(newline="", encoding="utf-8") as file:
                    rows = [_as_row(words) for words in csv.DictReader(file)]
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise UserError(f"--output={self.path}: cannot be read ({error!r}); name a new directory") from error
        for name, value in self._asked.items():
            if found.get(name) != value:
                differ = f"another {name} ({found.get(name)!s:.80}, now {value!s:.80})"
                raise UserError(f"--output={self.path}: holds maps with {differ}; name a new directory")
        return [row for row in rows if row is not None]


def _as_words(row: Row) -> dict[str, str]:
    seconds = None if row.seconds is None else round(row.seconds, 3)
    values = {**dataclasses.asdict(row), "seconds": seconds}
    return {
        name: cells.safe(value) if isinstance(value, str) else "" if value is None else str(value)
        for name, value in values.items()
    }


def _as_row(words: Mapping[str, str | None]) -> Row | None:
    """A row as it was written; None for one that an interruption cut off."""
    if any(words.get(name) is None for name in _FIELDS) or len(words["request"] or "") != 64:
        return None
    values = {name: cells.original(words[name] or "") for name in _FIELDS}
    seconds, landslides = values["seconds"], values["landslides"]
    return Row(
        values["name"],
        values["status"],
        float(seconds) if seconds else None,
        int(landslides) if landslides else None,
        values["error"],
        values["request"],
    )


def _replace(path: Path, content: str) -> None:
    """Writes a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(content, encoding="utf-8", newline="")
    partial.replace(path)
