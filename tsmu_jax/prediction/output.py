"""Writes predictions to a directory and reads them back, so that an interrupted command can go on.

OUTPUT/predictions.json                        the model and the options; whatever else is asked for goes elsewhere
OUTPUT/predictions.csv                         one row an image, written when its files are there; texts as in cells.py
OUTPUT/digests.jsonl                           sizes and digests of what was written: see written.py
OUTPUT/<folder>/<id>_mask.png                  0 background, 255 landslide, at the image's own size
OUTPUT/<folder>/<id>_probability.png           probability of landslide, 0 to 250 for 0 to 1; 255 not observed
OUTPUT/contact_sheet.png                       the images to look at first
"""

import concurrent.futures
import csv
import dataclasses
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from tsmu_jax import cells, digests, locks, untrusted
from tsmu_jax.data.progress import reported
from tsmu_jax.errors import UserError
from tsmu_jax.prediction.written import NAME as DIGESTS
from tsmu_jax.prediction.written import Written
from tsmu_jax.words import counted

MANIFEST, TABLE, SHEET = "predictions.json", "predictions.csv", "contact_sheet.png"
SCHEMA = 3
FULL, NOT_OBSERVED = 250, 255  # the stored values of probability 1, and of ground without data


@dataclasses.dataclass(frozen=True)
class Row:
    """One image of the table; empty fields are not known.

    Attributes:
      image: folder and id.
      decoder: that answered.
      ecoregion: whose decoder it is; empty where a decoder of several ecoregions was named.
      margin: of the choice, in [0, 1]; empty where the decoder was named.
      landslide_share: of the pixels observed, in [0, 1].
      observed_share: of the image's pixels, those where the post-event image has data; in [0, 1].
      look: "yes" where a person should look at the image, else "no".
      network_height, network_width: the size at which the network saw the image.
      tp, fp, fn: pixels against the mask, where there is a mask.
      iou: likewise; empty where the mask says of no pixel what it is.
      error: why there is no prediction.
      digest: SHA-256 of the image's files.
    """

    image: str
    decoder: str = ""
    ecoregion: str = ""
    margin: float | None = None
    landslide_share: float | None = None
    observed_share: float | None = None
    look: str = "yes"
    network_height: int | None = None
    network_width: int | None = None
    tp: int | None = None
    fp: int | None = None
    fn: int | None = None
    iou: float | None = None
    error: str = ""
    digest: str = ""


_FIELDS = tuple(field.name for field in dataclasses.fields(Row))
_NUMBERS = dict.fromkeys(("margin", "landslide_share", "observed_share", "iou"), float) | dict.fromkeys(
    ("network_height", "network_width", "tp", "fp", "fn"), int
)


class Output:
    """The directory that a prediction fills: `with Output(...) as output` keeps other processes out."""

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        """Touches nothing.

        Args:
          path: of the directory.
          asked: plain values that decide what the predictions are.
        """
        self.path = path
        self._asked = {"schema": SCHEMA, **asked}
        self.rows: dict[str, Row] = {}
        self._damaged: dict[str, Row] = {}

    def __enter__(self) -> Self:
        """Locks a new directory, or takes up an interrupted or finished prediction, and warns of what is damaged there.

        Raises:
          UserError: the directory holds something else, or predictions that something else was asked of; another
            process fills it; or it cannot be written.
        """
        self._read()  # a directory of something else gets no lock file
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = locks.lock(self.path, "--output")
            self._written = Written(self.path)
            good = {row.image: row for row in self._read() if not row.error}  # a bad file may have been mended
            self.rows = self._whole(list(good.values()))
            _replace(self.path / MANIFEST, json.dumps(digests.sealed(self._asked, {}), indent=1).encode())
            self._write_table()
        except OSError as error:
            raise UserError(f"--output={self.path}: cannot be written ({error.strerror}); name another") from error
        return self

    def __exit__(self, *_: object) -> None:
        """Lets other processes in."""
        self._lock.release()

    def is_done(self, image: str, digest: str) -> bool:
        """Whether these very files of an image have been predicted, and what was written is whole.

        What was written of the same files, and has changed since, somebody may have edited: it stays beside the new.
        """
        damaged = self._damaged.pop(image, None)
        if damaged and damaged.digest == digest:
            for path in self._written.set_aside(image):
                print(f"warning: {path}: is what was there before", file=sys.stderr, flush=True)
        row = self.rows.get(image)
        return row is not None and not row.error and row.digest == digest

    def write_images(self, image: str, probability: np.ndarray, mask: np.ndarray, observed: np.ndarray) -> None:
        """Writes both files of an image. Args: probability: f[h, w] in [0, 1]; mask, observed: bool[h, w].

        Raises:
          ValueError: the image's name leads out of the directory.
        """
        untrusted.names(image.split("/"), "an image")
        (self.path / image).parent.mkdir(parents=True, exist_ok=True)
        levels = np.where(observed, np.round(FULL * probability), NOT_OBSERVED).astype(np.uint8)
        for role, values in (("mask", 255 * mask.astype(np.uint8)), ("probability", levels)):
            buffer = io.BytesIO()
            Image.fromarray(values).save(buffer, "PNG", compress_level=1)
            _replace(self.path / f"{image}_{role}.png", buffer.getvalue())

    def mask_path(self, image: str) -> Path:
        """Where the mask of an image lies."""
        return self.path / f"{image}_mask.png"

    def add(self, row: Row) -> None:
        """Adds a row to the table on the disk, at once; its files must be there."""
        self.rows[row.image] = row
        if not row.error:
            self._written.add(row.image, _as_words(row))
        with (self.path / TABLE).open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, _FIELDS).writerow(_as_words(row))

    def finish(self) -> None:
        """Sorts the table, and leaves out what was repeated."""
        self._write_table()

    def _whole(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Those rows that are as they were written, and whose files are, by image. Warns of the others."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            checked = pool.map(lambda row: self._written.wrong(row.image, _as_words(row)), rows)
            found = list(reported(checked, total=len(rows), what="checking what is there"))
        if wrong := [what for what in found if what]:
            more = f" with {counted(len(wrong) - 1, 'more image')}" if len(wrong) > 1 else ""
            print(f"warning: {wrong[0]}; predicted anew{more}", file=sys.stderr, flush=True)
        self._damaged = {row.image: row for row, what in zip(rows, found, strict=True) if what}
        return {row.image: row for row, what in zip(rows, found, strict=True) if not what}

    def _write_table(self) -> None:
        good = {image: _as_words(self.rows[image]) for image in sorted(self.rows) if not self.rows[image].error}
        _replace(self.path / DIGESTS, self._written.only(good))
        buffer = io.StringIO(newline="")
        writer = csv.DictWriter(buffer, _FIELDS)
        writer.writeheader()
        writer.writerows(_as_words(self.rows[image]) for image in sorted(self.rows))
        _replace(self.path / TABLE, buffer.getvalue().encode())

    def _read(self) -> list[Row]:
        """The rows of an earlier prediction; raises as `__enter__`."""
        if not self.path.exists():
            return []
        if not self.path.is_dir():
            raise UserError(f"--output={self.path}: is a file; name a directory")
        untrusted.refuse_links(self.path)
        manifest = self.path / MANIFEST
        if not manifest.exists():
            held = sorted(path.name for path in self.path.iterdir() if path.name != locks.NAME)
            if held:
                none = f"holds {held[0]} and no predictions, which {MANIFEST} would describe"
                raise UserError(f"--output={self.path}: {none}; name a new directory")
            return []
        found = digests.read_or_refuse(manifest, remedy="name a new directory")
        try:  # a byte that is no UTF-8 damages its row alone
            with (self.path / TABLE).open(newline="", encoding="utf-8", errors="replace") as file:
                rows = [_as_row(words) for words in csv.DictReader(file)]
        except (OSError, csv.Error) as error:
            raise UserError(f"{self.path / TABLE}: cannot be read ({error}); name a new directory") from error
        for name in self._asked:
            if found.get(name) != self._asked[name]:
                raise UserError(
                    f"--output={self.path}: holds predictions with another {name} ({found.get(name)}, now "
                    f"{self._asked[name]}); name a new directory"
                )
        return [row for row in rows if row is not None]


def _as_words(row: Row) -> dict[str, str]:
    values = dataclasses.asdict(row)
    return {
        name: cells.safe(value) if isinstance(value, str) else "" if value is None else str(value)
        for name, value in values.items()
    }


def _as_row(words: Mapping[str, str | None]) -> Row | None:
    """A row as it was written; None for one that an interruption cut off, or whose numbers are damaged."""
    if any(words.get(name) is None for name in _FIELDS) or len(words["digest"] or "") not in (0, 64):
        return None
    values: dict[str, Any] = {name: cells.original(words[name] or "") for name in _FIELDS}
    for name, kind in _NUMBERS.items():
        try:
            values[name] = kind(values[name]) if values[name] else None
        except ValueError:
            return None
    return Row(**values)


def _replace(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)
