"""Workers: the dashboard's link, a device for each, one model for each, and scenes that are tried again."""

import os
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

from tests.many import fleet
from tests.many.test_run import OPTIONS
from tsmu_jax.errors import UserError
from tsmu_jax.many import cluster, work
from tsmu_jax.many.run import map_list
from tsmu_jax.models.saved import SavedModel
from tsmu_jax.scenes import run


def one_worker(**options: Any) -> LocalCluster:
    """A scheduler and a worker in this process."""
    place = {"host": "127.0.0.1", "protocol": "tcp", "dashboard_address": "127.0.0.1:0"}
    return LocalCluster(1, threads_per_worker=1, processes=False, **place, **options)


def test_a_scene_that_fails_once_is_mapped_by_the_second_attempt_and_the_model_is_opened_once(
    model: SavedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody mends the scene's image after the first attempt."""
    path = fleet.write(tmp_path, 3)
    bad = tmp_path / "scene 001_post.tif"
    good = bad.read_bytes()
    bad.write_bytes(b"II*\0 and no more")
    mapped, opened = work.map_one, run.open_named
    attempts: list[str] = []
    models: list[Any] = []

    def mend(given: SavedModel, task: work.Task) -> work.Done:
        attempts.append(task.target.name)
        try:
            return mapped(given, task)
        except UserError:
            bad.write_bytes(good)
            raise

    def count(name: Any) -> SavedModel:
        models.append(name)
        return opened(name)

    monkeypatch.setattr(work, "map_one", mend)
    with one_worker() as other:
        monkeypatch.setattr(run, "open_named", count)
        assert map_list(model.path, path, tmp_path / "out", scheduler=other.scheduler_address, retries=1, **OPTIONS), (
            capsys.readouterr().out
        )
    assert sorted(attempts) == ["scene 000", "scene 001", "scene 001", "scene 002"]
    assert len(models) == 2  # by the command, which reads the list, and by the worker
    assert "failed" not in (tmp_path / "out" / "scenes.csv").read_text()


def test_the_link_that_is_printed_answers(
    model: SavedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = cluster.OneModel(model.path, model.digest, ours=False)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with one_worker() as other, cluster.workers(other.scheduler_address, 0, plugin, retries=0) as found:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/status", found.address)
        with direct.open(found.address) as answer:
            assert answer.status == 200 and b"<title>Dask" in answer.read()
    hidden = {"dashboard": False}
    with one_worker(scheduler_kwargs=hidden) as other:
        with cluster.workers(other.scheduler_address, 0, plugin, retries=0) as found:
            assert found.address == other.scheduler_address
        with cluster._local([{}]) as ours, Client(ours) as client:
            assert cluster._answers(client.dashboard_link)


@pytest.mark.parametrize(
    ("answer", "granted", "number", "expected"),
    [
        ("gpu 3", None, 0, ["0", "1", "2"]),
        ("gpu 3", None, 2, ["0", "1"]),
        ("gpu 2", "5,GPU-8a1c", 0, ["5", "GPU-8a1c"]),
        ("gpu 1", "5,GPU-8a1c", 1, ["5"]),
        ("gpu 2", "", 0, ["0", "1"]),
        ("cpu 1", None, 0, [None]),
        ("cpu 1", "5", 3, [None, None, None]),
        ("a line of a plugin\ngpu 1", None, 0, ["0"]),
    ],
)
def test_each_process_has_a_device_of_its_own(
    answer: str, granted: str | None, number: int, expected: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _answered(monkeypatch, f"print({answer!r})", CUDA_VISIBLE_DEVICES=granted)
    assert [one.get("CUDA_VISIBLE_DEVICES") for one in cluster._environments(number)] == expected


@pytest.mark.parametrize(
    ("program", "number", "platforms", "said"),
    [
        (
            "print('gpu 2')",
            3,
            None,
            "--workers=3: this machine has 2 devices, one for each worker; ask for fewer",
        ),
        ("raise SystemExit('no driver')", 0, None, "JAX does not start: no driver"),
        ("raise SystemExit('no driver')", 0, "cuda", "JAX_PLATFORMS=cuda: .*"),
    ],
)
def test_devices_that_are_not_there(
    program: str, number: int, platforms: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answered(monkeypatch, program, JAX_PLATFORMS=platforms)
    with pytest.raises(UserError, match=f"^{said}$"):
        cluster._environments(number)


def test_a_process_sees_its_own_device_alone() -> None:
    environments = [{"CUDA_VISIBLE_DEVICES": name} for name in ("5", "GPU-8a1c")]
    with cluster._local(environments) as ours, Client(ours) as client:
        client.wait_for_workers(2, timeout=60)
        seen = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
        assert sorted(seen.values()) == ["5", "GPU-8a1c"]
        assert len(set(client.run(os.getpid).values()) - {os.getpid()}) == 2


def _answered(monkeypatch: pytest.MonkeyPatch, program: str, **variables: str | None) -> None:
    """Lets a program say which devices there are; variables that are None are not set."""
    monkeypatch.setattr(cluster, "_DEVICES", program)
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
