"""Small scenes, and processes that map them into an inventory and may be killed meanwhile.

Each process is forked from one that has imported everything (tests/forks.py).
"""

import contextlib
import functools
import hashlib
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from scipy import ndimage

from tests import forks

SCENES = ((0, 0), (20, 30), (400, 0))  # pixels right and down of the first one; the second one overlaps the first
SHAPE = (60, 70)
MEMORY_GIB = 0.0008  # makes several windows of a scene
TIMEOUT_SECONDS = 300.0
START, WINDOWS, TRANSACTION = "start", "windows", "transaction"


class Scenes:
    """A directory with a model and pairs of images, and the maps and the inventory that processes make of them."""

    def __init__(self, root: Path, number: int = len(SCENES)):
        """Writes them. Args: number: of scenes."""
        self.root, self.number = root, number
        self.maps, self.inventory = root / "out" / "maps", root / "out" / "landslides.gpkg"
        from tests.scenes.conftest import model_at

        model_at(root / "model", 2.0)
        for scene in range(number):
            write_pair([root / f"{scene}_{date}.tif" for date in range(2)], *SCENES[scene])
        self._context = forks.context()

    def flags(self, scene: int) -> list[str]:
        """Of the command that maps a scene."""
        images = [f"--{name}={self.root / f'{scene}_{date}.tif'}" for date, name in enumerate(("pre", "post"))]
        place = [
            f"--output={self.maps / str(scene)}",
            f"--inventory={self.inventory}",
            f"--model={self.root / 'model'}",
        ]
        return (
            images
            + place
            + ["--pre_date=2024-05-01", "--post_date=2024-06-01", f"--memory_gib={MEMORY_GIB}", "--decoder=a"]
        )

    def attempt(self, scene: int, *, seconds: float | None = None, after: str = START) -> str:
        """Maps a scene in a new process.

        Args:
          seconds: after which the process is killed.
          after: what the seconds begin with: START, WINDOWS or TRANSACTION.

        Returns:
          Where it was killed; "" where it finished before.

        Raises:
          RuntimeError: it failed or hung by itself.
        """
        self.maps.mkdir(parents=True, exist_ok=True)
        said, watched = self.root / "said.txt", self._sign(scene, after)
        before = [_state(self._sign(scene, each)) for each in (WINDOWS, TRANSACTION)]  # a killed process leaves some
        waits_for = _state(watched) if watched else None
        process = self._context.Process(target=_work, args=(self.flags(scene), said, self.root / "programs"))
        started = time.monotonic()
        begun = started if after == START else None
        process.start()
        while process.exitcode is None:
            now = time.monotonic()
            if begun is None and watched and _state(watched) not in (None, waits_for):
                begun = now
            if seconds is not None and begun is not None and now - begun >= seconds:
                process.kill()
            if now - started > TIMEOUT_SECONDS:
                process.kill()
                raise RuntimeError(f"scene {scene} hung: {said.read_text()}")
            process.join(0.002)
        if process.exitcode == -signal.SIGKILL:
            return self._where(scene, *before)
        if process.exitcode:
            raise RuntimeError(f"scene {scene} ended with code {process.exitcode}: {said.read_text()}")
        return ""

    def _sign(self, scene: int, of: str) -> Path | None:
        """The file that changes when a part of the work begins."""
        journal = self.inventory.with_name(f"{self.inventory.name}-journal")
        return {START: None, WINDOWS: self.maps / str(scene) / "unfinished.txt", TRANSACTION: journal}[of]

    def _where(self, scene: int, windows: Any, journal: Any) -> str:
        """Names the part of the work that a kill has struck. Args: windows, journal: the files' states before."""
        directory = self.maps / str(scene)
        if _state(self._sign(scene, TRANSACTION)) not in (None, journal):
            return "in the inventory's transaction"
        if _state(self._sign(scene, WINDOWS)) not in (None, windows):
            return "while the windows were mapped, or the rasters written"
        if (directory / "scene.json").exists() and "landslide_share" in (directory / "scene.json").read_text():
            return "with a finished map"
        return "before the first window"

    def clear(self) -> None:
        """Removes the maps and the inventory."""
        shutil.rmtree(self.root / "out", ignore_errors=True)

    def outcome(self) -> dict[str, Any]:
        """Reads all rasters and tables: {file: digest of its bytes, table: rows}."""
        found: dict[str, Any] = {}
        for path in sorted(self.maps.rglob("*")):
            if path.is_file() and path.name != ".lock":
                found[str(path.relative_to(self.maps))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found | rows(self.inventory)

    def leftovers(self) -> list[str]:
        """What an interrupted write has left."""
        words = ("partial", "journal", "unfinished", "-wal", "-shm")
        return [path.name for path in self.inventory.parent.rglob("*") if any(word in path.name for word in words)]


def _state(path: Path | None) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None where there is none."""
    with contextlib.suppress(OSError):
        if path:
            found = path.stat()
            return found.st_ino, found.st_size, found.st_mtime_ns
    return None


def write_pair(paths: Sequence[Path], right: int, down: int) -> None:
    """Writes both dates of a scene that lies so many pixels off the first one."""
    from tests.scenes.conftest import moved

    for date, path in enumerate(paths):
        size = {"height": SHAPE[0], "width": SHAPE[1], "count": 3, "dtype": "uint8"}
        place = {"crs": "EPSG:32633", "transform": moved(right, down)}
        with rasterio.open(path, "w", driver="GTiff", **size, **place) as file:
            file.write(_ground(right, down, date))


def _ground(right: int, down: int, date: int) -> np.ndarray:
    """u8[3, h, w], from the one ground that all scenes show."""
    smooth = _smooth(date)
    part = smooth[:, down : down + SHAPE[0], right : right + SHAPE[1]]
    return np.clip(128 + 60 * part / smooth.std(), 0, 255).astype(np.uint8)


@functools.cache
def _smooth(date: int) -> np.ndarray:
    noise = np.random.default_rng(date).normal(size=(3, 500, 600))
    return ndimage.gaussian_filter(noise, (0, 6, 6))


def _work(words: list[str], said: Path, programs: Path) -> None:
    """The command, in a process of its own, which writes what it says into a file, and keeps what it compiles."""
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from tsmu_jax import cli, predict

    forks.on_a_cpu(programs)
    sys.argv = ["tsmu_jax.predict", *words]
    cli.run(predict.main, "")


def rows(inventory: Path) -> dict[str, list[Any]]:
    """{table: its rows}, without the times of mapping and the random name of the inventory."""
    from tsmu_jax.inventory import schema

    found = {}
    with contextlib.closing(sqlite3.connect(f"file:{inventory}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        for table in schema.TABLES:
            whole = [dict(row) for row in database.execute(f'SELECT * FROM "{table.name}" ORDER BY OBJECTID')]
            found[table.name] = [{name: row[name] for name in row if name != "mapped_at"} for row in whole]
    found[schema.ABOUT.name] = [row for row in found[schema.ABOUT.name] if row["name"] != "id"]
    return found
