"""A directory of a run with a record that is written last, and knows the digests of the files beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tsmu_jax import digests, untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.learning import checkpoints, processes
from tsmu_jax.runs.files import write_record


class Sealed:
    """A phase or an autoencoder: finished if its record is there.

    Attributes:
      name: of the record.
      parts: the files, or directories of files, that are read again.
      required: keys of the record.
      trains: what is trained anew where the directory is removed.
    """

    name: ClassVar[str]
    parts: ClassVar[tuple[str, ...]] = ("checkpoint",)
    required: ClassVar[tuple[str, ...]]
    trains: ClassVar[str]

    def __init__(self, path: Path):
        self.path = path

    def record(self) -> dict[str, Any] | None:
        """The record; None if the directory is not finished.

        Raises:
          UserError: the record is damaged; names the remedy.
        """
        record, _ = self._read()
        return record

    def key(self) -> str | None:
        """The key of what is finished here; None where nothing is, or the record is damaged."""
        try:
            record, _ = self._found()
        except ValueError:
            return None
        return None if record is None else str(record["key"])

    def damage(self, part: str = "") -> str | None:
        """Names a damaged file or a link that leads out, and what is wrong; None where there is none, or no digest.

        Args:
          part: the one of `parts` to look at; by default all.
        """
        try:
            untrusted.refuse_links(self.path)
            _, files = self._found()
        except (UserError, ValueError) as error:
            return str(error)
        return digests.damage(self.path, {name: each for name, each in files.items() if name.startswith(part)})

    def check(self, part: str = "") -> None:
        """Raises UserError where a file is damaged; names the file and the remedy."""
        wrong = self.damage(part)
        if wrong:
            raise digests.damaged(wrong, self.path, anew=f"trains {self.trains}")

    def rewrite(self, record: Mapping[str, Any]) -> None:
        """Replaces the record; the files beside it are the same."""
        write_record(self.path / self.name, record, self._read()[1])

    def seal(self, record: Mapping[str, Any]) -> None:
        """Writes the record, after all else that is to be read again."""
        if processes.first():
            write_record(self.path / self.name, record, digests.taken(self.path, *self.parts))

    def load(self) -> Any:
        """Reads the checkpoint, NumPy arrays. Raises UserError where it is damaged."""
        self.check("checkpoint")
        try:
            return checkpoints.load(self.path / "checkpoint")
        except FileNotFoundError as error:
            raise digests.damaged(error, self.path, anew=f"trains {self.trains}") from error

    def _read(self) -> tuple[dict[str, Any] | None, digests.Files]:
        try:
            return self._found()
        except ValueError as error:
            raise digests.damaged(error, self.path, anew=f"trains {self.trains}") from error

    def _found(self) -> tuple[dict[str, Any] | None, digests.Files]:
        path = self.path / self.name
        return digests.read(path, required=self.required) if path.exists() else (None, {})
