"""The short form of tests/stress/many.py: a killed scheduler, and the same command again."""

import contextlib
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.many import fleet
from tests.many.killable import SECONDS, cluster
from tests.many.test_run import MEMORY_GIB, OPTIONS
from tsmu_jax.errors import UserError
from tsmu_jax.many.output import MAPPED, TABLE
from tsmu_jax.many.run import map_list
from tsmu_jax.models.saved import SavedModel

SCENES = 4


def mapped(out: Path) -> int:
    """Number of scenes that the table says are mapped."""
    with contextlib.suppress(OSError):
        return (out / TABLE).read_text().count(f",{MAPPED},")
    return 0


def test_the_same_command_goes_on_after_the_scheduler_was_killed(
    model: SavedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fleet.write(tmp_path, SCENES)
    fleet.loop(model, path, tmp_path / "loop", tmp_path / "loop.gpkg", memory_gib=MEMORY_GIB)
    expected = fleet.outcome(tmp_path / "loop", tmp_path / "loop.gpkg")
    out, place = tmp_path / "out", {"scheduler": str(tmp_path / "scheduler.json"), "inventory": tmp_path / "x.gpkg"}

    def kill(scheduler: BaseProcess) -> None:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and not (mapped(out) and fleet.mapping(out)):
            time.sleep(0.005)
        scheduler.kill()

    with cluster(tmp_path) as scheduler:
        killer = threading.Thread(target=kill, args=(scheduler,))
        killer.start()
        with pytest.raises(UserError, match="the scheduler is gone; what was finished is kept: run the same command"):
            map_list(model.path, path, out, **place, **OPTIONS)
        killer.join()
    done = mapped(out)
    assert 1 <= done < SCENES
    capsys.readouterr()
    with cluster(tmp_path):
        assert map_list(model.path, path, out, **place, **OPTIONS)
    assert f"list: {SCENES} scenes, {done} of them mapped already\n" in capsys.readouterr().out
    found = fleet.outcome(out, tmp_path / "x.gpkg")
    assert found == expected
    assert len({row["scene"] for row in found["observed"]}) == len(found["observed"]) == SCENES == mapped(out)
