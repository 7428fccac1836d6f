"""Two CPU devices, no silent broadcasting, no display: set before anything imports JAX or draws.

Programs are compiled once for all tests, and kept for them alone. Also run directories as `tsmu_jax.main` leaves
them, made by hand, for what reads them.
"""

import dataclasses
import json
import os
import pickle
import runpy
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

_COUNT = "--xla_force_host_platform_device_count"
# Most tests run a program for less time than it takes to compile. The first flag is what steps are compiled with; here
# everything is. The second one takes XLA's older emitters, which need half the time and compute the same but for
# rounding; XLA ends at a flag that it does not know, and releases after 0.10 do not know this one.
_QUICK = ["--xla_backend_optimization_level=1"]
if version("jaxlib").startswith("0.10."):
    _QUICK.append("--xla_cpu_use_fusion_emitters=false")
_others = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(_COUNT)]
os.environ["XLA_FLAGS"] = " ".join([*_QUICK, *_others, f"{_COUNT}=2"])
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="tsmu-tests-"))
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["MPLBACKEND"] = "agg"

import filelock  # noqa: E402
import jax  # noqa: E402  (must see the variables above)
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from tsmu_jax.runs.plan import stages  # noqa: E402
from tsmu_jax.settings import Config, Synthetic  # noqa: E402

# They begin first, so that no process of pytest is left with one of them in the end.
COSTLY = (
    "launch/test_hosts.py",
    "runs/test_update.py",
    "test_outcomes.py",
    "benchmarks/test_ours.py",
    "launch/test_sweep.py",
    "runs/test_train.py",
    "stress/test_stress.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of COSTLY files first, in their order."""
    rank = {Path(__file__).parent / name: number for number, name in enumerate(COSTLY)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session", autouse=True)
def two_cpu_devices() -> None:
    """Fails early, and clearly, where something imported JAX before the variables were set."""
    assert [device.platform for device in jax.local_devices()] == ["cpu", "cpu"]
    assert jax.config.values["jax_numpy_rank_promotion"] == "raise"


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> tuple[Path, dict]:
    """Directory and results of the tiny TSMU run of tests/runs/test_train.py, trained once for all tests.

    Each process of pytest has a copy. Nothing may change in it; runs beside it take finished phases from it.
    """
    from tsmu_jax.train import train_and_evaluate

    workdir = tmp_path_factory.mktemp("runs") / "tsmu"
    of_all = tmp_path_factory.getbasetemp().parent if hasattr(pytestconfig, "workerinput") else workdir.parent
    trained, returned = of_all / "tiny_run" / "tsmu", of_all / "tiny_run.pickle"
    with filelock.FileLock(of_all / "tiny_run.lock"):
        if not returned.exists():
            config = runpy.run_path(str(Path(__file__).parent / "runs" / "test_train.py"))["configuration"]()
            returned.write_bytes(pickle.dumps(train_and_evaluate(config, trained)))
    shutil.copytree(trained, workdir)
    return workdir, pickle.loads(returned.read_bytes())


POSITIVE = 100  # landslide pixels of every test image
CONFIG = dataclasses.asdict(
    dataclasses.replace(Config(), data=dataclasses.replace(Config().data, size=32, synthetic=Synthetic(height=32)))
)

MakeRun = Callable[..., Path]


def jitter(ecoregion: str, seed: int, images: int) -> np.ndarray:
    """How easy the test images are: the same for all methods."""
    rng = np.random.default_rng([seed, *ecoregion.encode()])
    return rng.integers(-9, 10, images) / POSITIVE


def phase_record(
    scores: Mapping[str, float], *, name: str, seed: int, images: int, costs: Mapping[str, Any]
) -> dict[str, Any]:
    """`phase.json`; `scores`: mean IoU of each ecoregion, up to the jitter of its images."""
    tests = {}
    for ecoregion, iou in scores.items():
        hit = np.clip(np.round(POSITIVE * (iou + jitter(ecoregion, seed, images))), 0, POSITIVE).astype(int)
        counts = {"tp": hit.tolist(), "fp": [0] * images, "fn": (POSITIVE - hit).tolist()}
        tests[ecoregion] = {"id": [f"{number:04d}" for number in range(images)], **counts}
    result = {"name": name, "chosen_epoch": 1, "recording_seconds": 0.0, **costs}
    return {
        "key": "k",
        "code": "c",
        "decoders": {"old": ["old"], "new": []},
        "steps": 10,
        "tests": tests,
        "result": result,
    }


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a run and returns its directory.

    Args of what it returns:
      scores: (directory of the phase, ecoregion) -> mean IoU.
      finished: phases that are; all by default.
      changes: of the configuration, {"distillation.form": "mse"}.
      costs: of each phase, where they differ from the defaults.
    """

    def make(
        where: str,
        method: str,
        old_ecoregions: Sequence[str] = ("a", "b"),
        new_ecoregions: Sequence[str] = ("c",),
        *,
        seed: int = 0,
        scores: Callable[[str, str], float] = lambda phase, ecoregion: 0.5,
        images: int = 5,
        finished: int | None = None,
        changes: Mapping[str, Any] | None = None,
        costs: Mapping[str, Any] | None = None,
    ) -> Path:
        path = tmp_path / where
        config = json.loads(json.dumps(CONFIG))
        config |= {"method": method, "old": ",".join(old_ecoregions), "new": ",".join(new_ecoregions), "seed": seed}
        for key, value in (changes or {}).items():
            section, _, leaf = key.rpartition(".")
            (config[section] if section else config)[leaf] = value
        path.mkdir(parents=True)
        (path / "config.json").write_text(json.dumps({"schema": 2, "seed": seed, "config": config}))
        results: list[dict[str, Any]] = []
        lines: list[dict[str, Any]] = []
        for stage in stages(method, old_ecoregions, new_ecoregions)[:finished]:
            spent = {
                "epochs": config["epochs"][stage.phase.settings],
                "images": 20 * len(stage.ecoregions),
                "seconds": 60.0,
                "trainable_parameters": 1000 * len(stage.phase.trains),
                "total_parameters": 3000,
                "flops": 2e9,
                "peak_memory_bytes": 3 * 2**20,
                **(costs or {}),
            }
            each = {name: scores(stage.directory, name) for name in (*old_ecoregions, *new_ecoregions)}
            record = phase_record(each, name=stage.phase.name, seed=seed, images=images, costs=spent)
            folder = path / "phases" / stage.directory
            folder.mkdir(parents=True)
            (folder / "phase.json").write_text(json.dumps(record))
            results.append(record["result"])
            # The first epoch compiles.
            lines += [
                {"phase": stage.directory, "epoch": 1 + n, "images_per_second": r}
                for n, r in enumerate((1, 40, 50, 60))
            ]
        if results:
            (path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
            (path / "results.json").write_text(json.dumps({"schema": 1, "method": method, "phases": results}))
        return path

    return make


def _shared_data() -> Path:
    named = os.environ.get("TSMU_SHARED_DATA")
    return Path(named) if named else Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images, which no licence allows to be part of the project."""
    path = _shared_data()
    if not path.is_dir():
        pytest.skip("no real images: neither TSMU_SHARED_DATA nor ../shared/data is a folder")
    return path
