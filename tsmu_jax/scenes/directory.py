"""The directory that a map fills: what was asked for, how far it is, and what came out.

OUTPUT/scene.json          what was asked for; the grid, the decoder, how the dates fit; when it is finished the shares,
                           and sizes and digests of the rasters: see record.py
OUTPUT/probability.tif     and mask.tif, observed.tif, uncertainty.tif: see layers.py
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tsmu_jax import locks, untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.scenes import layers, record
from tsmu_jax.scenes.record import FINISHED, MANIFEST


class MapDirectory:
    """`with MapDirectory(...) as directory` keeps other processes out.

    Attributes:
      record: what `scene.json` holds; {} in a new directory.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        """Touches nothing. Args: asked: plain values that decide what the map is."""
        self.path = path
        self.record: dict[str, Any] = {}
        self._rasters: dict[str, tuple[int, str]] = {}
        self._asked = dict(asked)

    @property
    def is_finished(self) -> bool:
        """Whether all of the map is there. Raises UserError where one of its rasters is damaged."""
        if FINISHED not in self.record or not all((self.path / name).exists() for name in self.names):
            return False
        record.check(self.path, self._rasters)
        return True

    @property
    def names(self) -> tuple[str, ...]:
        """The map's rasters."""
        return layers.names(uncertainty=bool(self._asked.get("uncertainty")))

    def __enter__(self) -> Self:
        """Locks a new directory, or that of an interrupted or finished map.

        Raises:
          UserError: the directory holds something else, or another map; another process fills it; or it cannot be
            written.
        """
        self._read()  # a directory of something else gets no lock file
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = locks.lock(self.path, "--output")
        except OSError as error:
            raise UserError(f"--output={self.path}: cannot be written ({error.strerror}); name another") from error
        try:
            self.record = self._read()
        except UserError:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Lets other processes in."""
        self._lock.release()

    def begin(self, **known: Any) -> None:
        """Writes the record of a map that is not finished, with more of what is known."""
        began = {name: value for name, value in self.record.items() if name != FINISHED}
        self._write({**self._asked, **began, **known}, {})

    def finish(self, **known: Any) -> None:
        """Adds to the record what is known at the end, and the digests of the rasters, which must be there."""
        self._write({**self.record, **known}, record.take(self.path, self.names))

    def describe(self, **known: Any) -> None:
        """Adds to the record of a finished map what earlier releases did not write."""
        self._write({**self.record, **known}, self._rasters or record.take(self.path, self.names))

    def _write(self, whole: dict[str, Any], rasters: dict[str, tuple[int, str]]) -> None:
        """Writes the record whole or not at all."""
        self.record, self._rasters = whole, rasters
        partial = self.path / f"{MANIFEST}.partial"
        partial.write_text(json.dumps(record.text(whole, rasters), indent=1))
        partial.replace(self.path / MANIFEST)

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {}
        if not self.path.is_dir():
            raise UserError(f"--output={self.path}: is a file; name a directory")
        untrusted.refuse_links(self.path)
        if not (self.path / MANIFEST).exists():
            ours = (locks.NAME, f"{MANIFEST}.partial")
            if held := sorted(path.name for path in self.path.iterdir() if path.name not in ours):
                none = f"holds {held[0]} and no map of a scene, which {MANIFEST} would describe"
                raise UserError(f"--output={self.path}: {none}; name a new directory")
            return {}
        try:
            found, self._rasters = record.read(self.path)
            if "windows" in found or FINISHED not in found:  # finished maps of earlier releases have none
                high, wide = (int(side) for side in found["windows"])
                found["windows"] = [high, wide]
            if FINISHED in found:
                found["damaged_windows"] = int(found["damaged_windows"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            said = error if type(error) is ValueError else f"{self.path / MANIFEST}: cannot be read ({error!r})"
            raise record.damaged(said, self.path) from error
        for name, value in self._asked.items():
            if found.get(name) != value:
                differ = f"another {name} ({found.get(name)!s:.80}, now {value!s:.80})"
                raise UserError(f"--output={self.path}: holds a map with {differ}; name a new directory")
        return found
