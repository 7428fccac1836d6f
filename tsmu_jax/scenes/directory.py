"""The directory that a map fills: what was asked for, how far it is, and what came out.

OUTPUT/scene.json          what was asked for; the grid, the decoder, how the dates fit; the shares when it is finished
OUTPUT/probability.tif     and mask.tif, observed.tif, uncertainty.tif: see layers.py
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tsmu_jax import locks, untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.scenes import layers

MANIFEST = "scene.json"
FINISHED = "landslide_share"  # a record that has it is complete


class MapDirectory:
    """`with MapDirectory(...) as directory` keeps other processes out.

    Attributes:
      record: what `scene.json` holds; {} in a new directory.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        """Touches nothing. Args: asked: plain values that decide what the map is."""
        self.path = path
        self.record: dict[str, Any] = {}
        self._asked = dict(asked)

    @property
    def is_finished(self) -> bool:
        """Whether all of the map is there."""
        return FINISHED in self.record and all((self.path / name).exists() for name in self.names)

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

    def write(self, **known: Any) -> None:
        """Adds to the record, and writes it whole or not at all."""
        self.record = {**self._asked, **self.record, **known}
        partial = self.path / f"{MANIFEST}.partial"
        partial.write_text(json.dumps(self.record, indent=1))
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
                raise UserError(f"--output={self.path}: holds {held[0]} and no map of a scene; name a new directory")
            return {}
        try:
            found = dict(untrusted.read(self.path / MANIFEST))
            if "windows" in found or FINISHED not in found:  # finished maps of earlier releases have none
                high, wide = (int(side) for side in found["windows"])
                found["windows"] = [high, wide]
            if FINISHED in found:
                found["damaged_windows"] = int(found["damaged_windows"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"--output={self.path}: cannot be read ({error!r}); name a new directory") from error
        for name, value in self._asked.items():
            if found.get(name) != value:
                differ = f"another {name} ({found.get(name)!s:.80}, now {value!s:.80})"
                raise UserError(f"--output={self.path}: holds a map with {differ}; name a new directory")
        return found
