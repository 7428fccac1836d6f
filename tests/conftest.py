"""Two CPU devices, no silent broadcasting, no display: set before anything imports JAX or draws."""

import os
import runpy
from pathlib import Path

_COUNT = "--xla_force_host_platform_device_count"
_others = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if not flag.startswith(_COUNT)]
os.environ["XLA_FLAGS"] = " ".join([*_others, f"{_COUNT}=2"])
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_NUMPY_RANK_PROMOTION"] = "raise"
os.environ["MPLBACKEND"] = "agg"

import jax  # noqa: E402  (must see the variables above)
import pytest  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def two_cpu_devices() -> None:
    """Fails early, and clearly, where something imported JAX before the variables were set."""
    assert [device.platform for device in jax.local_devices()] == ["cpu", "cpu"]
    assert jax.config.values["jax_numpy_rank_promotion"] == "raise"


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """Directory and results of the tiny TSMU run of tests/test_train.py, trained once for all tests.

    Nothing may change in the directory; runs beside it take finished phases from it.
    """
    from tsmu_jax.train import train_and_evaluate

    config = runpy.run_path(str(Path(__file__).parent / "test_train.py"))["configuration"]()
    workdir = tmp_path_factory.mktemp("runs") / "tsmu"
    return workdir, train_and_evaluate(config, workdir)
