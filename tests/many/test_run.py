"""`predict --scenes`: workers that die and scenes that fail leave the maps and the inventory of a plain loop."""

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from distributed import LocalCluster

from tests.many import fleet
from tsmu_jax import locks
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage
from tsmu_jax.inventory.polygons import detections
from tsmu_jax.many import cluster, words, work
from tsmu_jax.many.run import map_list
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import layers
from tsmu_jax.scenes.opening import NOTHING

SCENES = 4
MEMORY_GIB = 0.0008  # several windows of a scene
LEAST = {"min_area_m2": 6.0}  # two pixels
OPTIONS = {"decoder": "a", "stated": NOTHING, "memory_gib": MEMORY_GIB, "halo": "measured", **fleet.DAYS}


def kill_worker(target: Path, killed: list[int]) -> None:
    """Kills the process that maps the second scene, in the middle of it."""
    until = time.monotonic() + 120
    while time.monotonic() < until and not killed:
        if (target / "scene 000" / layers.MASK).exists() and (found := fleet.mapping(target)):
            killed += found
            os.kill(killed[0], signal.SIGKILL)
        time.sleep(0.005)


def test_a_killed_worker_and_a_bad_scene(model: SavedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = fleet.write(tmp_path, SCENES)
    fleet.loop(model, path, tmp_path / "loop", tmp_path / "loop.gpkg", memory_gib=MEMORY_GIB, **LEAST)
    last = tmp_path / "scene 003_post.tif"
    good = last.read_bytes()
    last.write_bytes(b"II*\0 and no more")
    out, inventory = tmp_path / "out", tmp_path / "out.gpkg"
    killed: list[int] = []
    killer = threading.Thread(target=kill_worker, args=(out, killed))
    killer.start()
    capsys.readouterr()
    assert not map_list(model.path, path, out, inventory=inventory, retries=1, **LEAST, **OPTIONS)
    killer.join()
    assert len(killed) == 1 and killed != [os.getpid()]
    said = capsys.readouterr().out
    assert re.match(r"list: 4 scenes\nscheduler: http://127\.0\.0\.1:\d+/status, 1 worker\n", said)
    reason = f"--post={last}: cannot be opened as a raster; give a GeoTIFF file"
    assert ["scene", "003", "failed", *reason.split()] in [line.split() for line in said.splitlines()]
    new, again = (len(fleet.outcome(out, inventory)[name]) for name in ("landslides", "observations"))
    mapped = next(line.split() for line in said.splitlines() if line.startswith(" mapped "))
    assert mapped[:2] + mapped[3:-1] == ["mapped", "3", str(new), str(again - new), "0", "0"]
    assert int(mapped[2]) > again  # single pixels are left out
    assert "3 scenes of 4 mapped" in said and "1 failed: the same command tries them again" in said

    last.write_bytes(good)
    times = {file: file.stat().st_mtime_ns for file in out.glob("*/*.tif")}
    assert len(times) == 3 * (SCENES - 1)
    with LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=":0") as other:
        elsewhere = {"scheduler": other.scheduler_address, **LEAST}
        assert map_list(model.path, path, out, inventory=inventory, **elsewhere, **OPTIONS)
    assert "list: 4 scenes, 3 of them mapped already\n" in capsys.readouterr().out
    assert all(file.stat().st_mtime_ns == before for file, before in times.items())
    expected = fleet.outcome(tmp_path / "loop", tmp_path / "loop.gpkg")
    assert fleet.outcome(out, inventory) == expected
    with (out / "scenes.csv").open(newline="") as file:
        table = {row["name"]: row for row in csv.DictReader(file)}
    assert list(table) == [f"scene {at:03d}" for at in range(SCENES)]
    assert {(row["status"], row["error"]) for row in table.values()} == {("mapped", "")}
    outlines = {name: list(detections(out / name)) for name in table}
    assert {name: int(row["landslides"]) for name, row in table.items()} == {k: len(v) for k, v in outlines.items()}
    entered = sum(each.pixels > 1 or each.touches_edge for one in outlines.values() for each in one)
    assert 0 <= entered - len(expected["observations"]) < 5  # parts of one landslide are one observation
    assert entered < sum(map(len, outlines.values()))

    # All is done: no worker is needed, and nothing changes. Another model's maps go elsewhere.
    assert map_list(model.path, path, out, scheduler="no file", inventory=inventory, **LEAST, **OPTIONS)
    assert fleet.outcome(out, inventory) == expected
    whole = (out / "scene 001" / "mask.tif").read_bytes()
    (out / "scene 001" / "mask.tif").write_bytes(whole[:-1])
    capsys.readouterr()
    assert map_list(model.path, path, out, dry_run=True, **OPTIONS)
    assert capsys.readouterr().out.startswith("list: 4 scenes, 3 of them mapped already\n")  # and not that one
    (out / "scene 001" / "mask.tif").write_bytes(whole)
    text = (out / "scene 001" / "scene.json").read_text()
    held = {name: value for name, value in json.loads(text).items() if name not in ("gsd_m", "files", "digest")}
    (out / "scene 001" / "scene.json").write_text(json.dumps(held | {"files": held.pop("image_files")}))
    assert map_list(model.path, path, out, dry_run=True, **OPTIONS)  # of an earlier release: a worker looks again
    assert capsys.readouterr().out.startswith("list: 4 scenes, 3 of them mapped already\n")
    (out / "scene 001" / "scene.json").write_text(text)
    (tmp_path / "linked").mkdir()
    shutil.copytree(out, tmp_path / "linked", dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "linked" / "scene 002")
    (tmp_path / "linked" / "scene 002").symlink_to(out / "scene 002")
    with pytest.raises(UserError, match="scene 002: is a link; remove it"):
        map_list(model.path, path, tmp_path / "linked", **OPTIONS)
    with pytest.raises(UserError, match=r"holds maps with another uncertainty \(None, now 4\); name a new directory"):
        map_list(model.path, path, out, uncertainty=4, **OPTIONS)


def test_a_scheduler_that_is_lost_or_not_there_ends_in_one_line(
    model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, file = fleet.write(tmp_path, 1), tmp_path / "scheduler.json"
    with pytest.raises(UserError, match=f"^--scheduler={file}: no such file; give tcp://HOST:PORT"):
        map_list(model.path, path, tmp_path / "out", scheduler=str(file), **OPTIONS)
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard"]
    with subprocess.Popen([*command, f"--scheduler-file={file}"], stderr=subprocess.DEVNULL) as scheduler:
        while not file.exists():
            time.sleep(0.05)
        threading.Timer(2.0, scheduler.kill).start()  # its only scene waits for a worker
        with pytest.raises(UserError, match=f"^--scheduler={file}: the scheduler is gone; what was finished is kept"):
            map_list(model.path, path, tmp_path / "out", scheduler=str(file), **OPTIONS)
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 1.0)
    with pytest.raises(UserError, match=f"^--scheduler={file}: no scheduler answers there"):
        map_list(model.path, path, tmp_path / "out", scheduler=str(file), **OPTIONS)


def test_workers_must_have_one_thread_and_the_same_model(model: SavedModel, tmp_path: Path) -> None:
    with LocalCluster(1, threads_per_worker=2, processes=False, dashboard_address=":0") as other:
        plugin = cluster.OneModel(model.path, model.digest, ours=False)
        with (
            pytest.raises(UserError, match="has 2 threads; start workers with --nthreads=1"),
            cluster.workers(other.scheduler_address, 0, plugin, retries=0),
        ):
            pass
    with pytest.raises(UserError, match="a worker finds another model there"):
        work.opened(model.path, "0" * 64, work.__version__)
    with pytest.raises(UserError, match="a worker runs tsmu_jax .*; install the same everywhere"):
        work.opened(model.path, model.digest, "0.0")


def test_a_scene_that_another_process_maps_is_waited_for(model: SavedModel, tmp_path: Path) -> None:
    fleet.write(tmp_path, 1)
    images = tmp_path / "scene 000_pre.tif", tmp_path / "scene 000_post.tif"
    task = work.Task(*images, tmp_path / "out", {"decoder": "a", "memory_gib": MEMORY_GIB})
    (tmp_path / "out").mkdir()
    held = locks.lock(tmp_path / "out", "--output")
    with pytest.raises(locks.Held, match="another process runs in it"):
        work.map_one(model, task, patience_s=0.0)
    threading.Timer(0.5, held.release).start()
    assert work.map_one(model, task, patience_s=60.0).whole


def test_a_list_that_does_not_fit_the_model(model: SavedModel, tmp_path: Path) -> None:
    fleet.write(tmp_path, 2)
    for lines, said in (
        ("post\nscene 000_post.tif\n", "line 2: pre: missing; this model compares images from before and after"),
        (
            "pre,post,decoder\nscene 000_pre.tif,scene 000_post.tif,c\n",
            "line 2: the model has no ecoregion or decoder 'c'; known: a, auto, b",
        ),
    ):
        (tmp_path / "list.csv").write_text(lines)
        with pytest.raises(UserError, match=f"^--scenes={tmp_path}/list.csv: {said}"):
            map_list(model.path, tmp_path / "list.csv", tmp_path / "out", **OPTIONS)
        assert not (tmp_path / "out").exists()


def test_sensors_go_into_the_inventory(model: SavedModel, tmp_path: Path) -> None:
    """The list's before the command's; what is said later alone comes in with the same command."""
    path, inventory, out = fleet.write(tmp_path, 2), tmp_path / "x.gpkg", tmp_path / "out"
    lines = path.read_text().splitlines()
    told = [f"{lines[0]},post_sensor", f"{lines[1]},UAV", f"{lines[2]},"]
    path.write_text("\n".join(told))
    with LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=":0") as other:
        place = {"scheduler": other.scheduler_address, "inventory": inventory}
        assert map_list(model.path, path, out, post_sensor="Sentinel-2B MSI", **place, **OPTIONS)
    assert sensors_of(inventory) == [(None, "UAV"), (None, "Sentinel-2B MSI")]
    later = {"inventory": inventory, "pre_sensor": "Landsat 8"}
    assert map_list(model.path, path, out, scheduler="no file", **later, **OPTIONS)
    assert sensors_of(inventory) == [("Landsat 8", "UAV"), ("Landsat 8", "Sentinel-2B MSI")]


def sensors_of(inventory: Path) -> list[tuple[str | None, str | None]]:
    with contextlib.closing(sqlite3.connect(inventory)) as database:
        return database.execute("SELECT pre_sensor, post_sensor FROM scenes ORDER BY OBJECTID").fetchall()


def test_maps_are_made_while_the_inventory_cannot_be_written(
    model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody begins to write it after the command, which adds the rows later."""
    path, inventory, out = fleet.write(tmp_path, 1), tmp_path / "x.gpkg", tmp_path / "out"
    geopackage.create(inventory)
    monkeypatch.setattr(geopackage, "_WAIT_SECONDS", 0.1)
    with (
        LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=":0") as other,
        contextlib.closing(sqlite3.connect(inventory, isolation_level=None)) as somebody,
    ):
        announced = words.workers

        def begin(*said: Any) -> str:
            somebody.execute("BEGIN IMMEDIATE")
            return announced(*said)

        monkeypatch.setattr(words, "workers", begin)
        place = {"scheduler": other.scheduler_address, "inventory": inventory}
        with pytest.raises(UserError, match="another program is writing it.*; the maps are there"):
            map_list(model.path, path, out, **place, **OPTIONS)
        somebody.execute("ROLLBACK")
        assert map_list(model.path, path, out, **place, **OPTIONS)
    fleet.loop(model, path, tmp_path / "loop", tmp_path / "loop.gpkg", memory_gib=MEMORY_GIB)
    assert fleet.outcome(out, inventory) == fleet.outcome(tmp_path / "loop", tmp_path / "loop.gpkg")
