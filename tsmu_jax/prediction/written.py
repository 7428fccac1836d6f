"""Sizes and digests of predicted images and of their rows, so that damage is seen before they count as done.

OUTPUT/digests.jsonl    one line an image, written before its row: a digest of the row, sizes and digests of both files
"""

import hashlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from tsmu_jax import digests, untrusted
from tsmu_jax.digests import Files

NAME = "digests.jsonl"
ROLES = ("mask", "probability")

Words = Mapping[str, str]  # a row, as the table holds it


class Written:
    """What was written into a directory, as its lines say."""

    def __init__(self, directory: Path) -> None:
        """Reads what is there. A line that is damaged is left out."""
        self._directory = directory
        self._lines: dict[str, tuple[str, Files]] = {}  # digest of the row, and of the files
        self._is_there = (directory / NAME).exists()  # earlier releases wrote none
        for line in (directory / NAME).read_bytes().splitlines() if self._is_there else ():
            try:
                found, files = digests.opened(untrusted.parse(line), required=("image", "row"))
            except ValueError:
                continue
            if files:
                self._lines[str(found["image"])] = (str(found["row"]), files)

    def wrong(self, image: str, words: Words) -> str | None:
        """Names what is damaged of an image's row and files; None where nothing is."""
        if not all(map(untrusted.is_name, image.split("/"))):
            return f"{self._directory}: {image!r:.100} is no name of an image"
        if not self._is_there:
            files_there = (self._directory / f"{image}_{role}.png" for role in ROLES)
            return next(filter(None, map(_unreadable, files_there)), None)
        row, files = self._lines.get(image, ("", {}))
        if row != _digest(words):
            return f"{self._directory / image}: its row, or its line of {NAME}, has changed since it was written"
        return digests.damage(self._directory, files)

    def set_aside(self, image: str) -> list[Path]:
        """Renames those files of an image that have changed and can be read: somebody may have edited them.

        Returns:
          Where they are now.
        """
        _, files = self._lines.get(image, ("", {}))
        kept = []
        for name, as_taken in files.items():
            path = self._directory / name
            if digests.damage(self._directory, {name: as_taken}) is None or _unreadable(path):
                continue
            names = (f"{path.stem}.changed{number or ''}{path.suffix}" for number in itertools.count())
            kept.append(next(there for one in names if not (there := path.with_name(one)).exists()))
            path.rename(kept[-1])
        return kept

    def add(self, image: str, words: Words) -> None:
        """Writes the line of an image whose files are there, at once."""
        self._take(image, words)
        with (self._directory / NAME).open("ab") as file:
            file.write(self._line(image))

    def only(self, rows: Mapping[str, Words]) -> bytes:
        """The lines of these images alone, in their order."""
        for image in rows.keys() - self._lines.keys():
            self._take(image, rows[image])
        return b"".join(map(self._line, rows))

    def _take(self, image: str, words: Words) -> None:
        files = digests.taken(self._directory, *(f"{image}_{role}.png" for role in ROLES))
        self._lines[image] = _digest(words), files

    def _line(self, image: str) -> bytes:
        row, files = self._lines[image]
        return json.dumps(digests.sealed({"image": image, "row": row}, files)).encode() + b"\n"


def _unreadable(path: Path) -> str | None:
    """Decodes a file. Says what is wrong with it; None where nothing is."""
    try:
        with Image.open(path, formats=("PNG",)) as opened:
            opened.load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"{path}: cannot be read ({error})"
    return None


def _digest(words: Words) -> str:
    return hashlib.sha256(json.dumps(dict(words), sort_keys=True).encode()).hexdigest()
