"""Programs that are kept from one run to the next: where, and that they compute the same."""

import ctypes
import os
import runpy
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from tests.stress.endurance import held
from tsmu_jax.compilation import COMPILED, give_back, keep_compiled, return_memory

ROOT = Path(__file__).parent.parent
assert_same_model = runpy.run_path(str(ROOT / "tests" / "runs" / "test_train.py"))["assert_same_model"]
_OPTIONS = ("jax_compilation_cache_dir", "jax_enable_compilation_cache", "jax_persistent_cache_min_compile_time_secs")


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's cache directory, nothing configured; afterwards JAX's options are as they were."""
    before = {name: jax.config.values[name] for name in _OPTIONS}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    jax.config.update("jax_compilation_cache_dir", None)
    yield tmp_path / "cache"
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_cache_lies_with_the_users_others(options: Path) -> None:
    keep_compiled()
    assert jax.config.values["jax_compilation_cache_dir"] == str(options / "tsmu_jax")
    assert (options / "tsmu_jax").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "value"), [("jax_compilation_cache_dir", "elsewhere"), ("jax_enable_compilation_cache", False)]
)
def test_what_is_configured_stays(options: Path, name: str, value: object) -> None:
    jax.config.update(name, value)
    directory = jax.config.values["jax_compilation_cache_dir"]
    keep_compiled()
    assert jax.config.values["jax_compilation_cache_dir"] == directory
    assert not options.exists()


def test_a_home_that_cannot_be_written_to_is_no_error(options: Path) -> None:
    options.write_text("not a directory")
    keep_compiled()
    assert jax.config.values["jax_compilation_cache_dir"] is None


def test_a_run_with_kept_programs_ends_with_the_same_bits_traced_or_not(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    flags = {
        "method": "leave_one_out",
        "old": "nad",
        "new": "mwcf",
        "data.size": 32,
        "data.synthetic.pairs": "mwcf=6,nad=6",
        "data.test_pairs": 2,
        "data.draws": 4,  # a few steps, for the trace
        "model.width": 0.25,
        "model.depth": 1,
        "selection.epochs": 0,
        "epochs.initial": 1,
        "reuse": False,
    }
    settings = [f"--config.{name}={value}" for name, value in flags.items()]
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    del environment["JAX_COMPILATION_CACHE_DIR"]
    kept = []
    for run, profile in (("first", False), ("second", True)):
        command = [sys.executable, "-m", "tsmu_jax.main", "--config=configs/tsmu.py:demo", *settings]
        command += [f"--config.profile={profile}", f"--workdir={tmp_path / 'runs' / run}"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert "rror" not in done.stderr and "arning" not in done.stderr
        kept.append(sorted(path.name for path in (cache / "tsmu_jax").glob("*-cache")))
    assert kept[0] == kept[1] and kept[0]
    profiles = [
        list((tmp_path / "runs" / run).glob("profile/01_initial/**/*.xplane.pb")) for run in ("first", "second")
    ]
    assert [len(found) for found in profiles] == [0, 1]
    assert_same_model(tmp_path / "runs" / "first", tmp_path / "runs" / "second", "initial")


def test_memory_is_given_back_after_long_compilations_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[int] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: types.SimpleNamespace(malloc_trim=trimmed.append))
    return_memory.__wrapped__()  # the listener stays for the other tests, and harms none
    jax.monitoring.record_event_duration_secs(COMPILED, 0.5)
    assert trimmed == []
    jax.monitoring.record_event_duration_secs(COMPILED, 2.0)
    assert set(trimmed) == {0}  # by the listener of an earlier test, too


def test_memory_between_what_is_in_use_is_given_back() -> None:
    kept = [bytes(2000) for _ in range(50_000)]  # Python asks the C library for each of them
    del kept[: len(kept) - 100]  # those at the end stay, so that the C library keeps what lies before them
    before = held().memory
    give_back()
    assert held().memory < before - 50


def test_the_event_is_the_one_that_jax_reports() -> None:
    events: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, duration, **_: events.append(event))
    jax.jit(lambda x: x * 3.25)(1.0)
    assert COMPILED in events
