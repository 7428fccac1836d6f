"""`predict --scenes`: workers that die and scenes that fail leave the maps and the inventory of a plain loop."""

import csv
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.many import fleet
from tsmu_jax.many.run import map_list
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes.opening import NOTHING
from tsmu_jax.scenes.staging import JOURNAL

SCENES = 5
OPTIONS = {"decoder": "a", "stated": NOTHING, "memory_gib": 0.0008, "halo": "measured", **fleet.DAYS}


def kill_worker(target: Path) -> None:
    """Kills the process that maps, when it has begun the third scene."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not any((target / f"scene {at:03d}" / JOURNAL).exists() for at in (2, 3)):
        time.sleep(0.002)
    for process in psutil.Process().children(recursive=True):
        if "spawn_main" in " ".join(process.cmdline()):
            process.kill()
            return


def test_a_killed_worker_and_a_bad_scene(model: SavedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = fleet.write(tmp_path, SCENES)
    fleet.loop(model, path, tmp_path / "loop", tmp_path / "loop.gpkg", memory_gib=OPTIONS["memory_gib"])
    good = (tmp_path / "scene 004_post.tif").read_bytes()
    (tmp_path / "scene 004_post.tif").write_bytes(b"II*\0 and no more")
    out, inventory = tmp_path / "out", tmp_path / "out.gpkg"
    killer = threading.Thread(target=kill_worker, args=(out,))
    killer.start()
    assert not map_list(model.path, path, out, inventory=inventory, retries=1, **OPTIONS)
    killer.join()
    said = capsys.readouterr().out
    assert "list: 5 scenes\n" in said and "1 worker" in said and "4 scenes of 5 mapped" in said
    assert "scene 004: failed: --post=" in said and "1 failed: the same command tries them again" in said
    (tmp_path / "scene 004_post.tif").write_bytes(good)
    times = {file: file.stat().st_mtime_ns for file in out.glob("*/*.tif")}
    assert map_list(model.path, path, out, inventory=inventory, retries=1, **OPTIONS)
    assert "list: 5 scenes, 4 of them mapped already" in capsys.readouterr().out
    assert all(file.stat().st_mtime_ns == before for file, before in times.items())
    expected = fleet.outcome(tmp_path / "loop", tmp_path / "loop.gpkg")
    assert fleet.outcome(out, inventory) == expected
    with (out / "scenes.csv").open(newline="") as file:
        table = {row["name"]: row for row in csv.DictReader(file)}
    assert list(table) == [f"scene {at:03d}" for at in range(SCENES)]
    assert {row["status"] for row in table.values()} == {"mapped"}
    assert sum(int(row["landslides"]) for row in table.values()) == len(expected["observations"])
