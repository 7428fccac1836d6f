"""Processes that are forked from one that has imported everything: each of them costs its work alone."""

import importlib
import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

# One process is forked for all: what one test has it import, another one finds. No entry point is among them, since the
# flags of two do not go together, and each asks for its own.
PRELOADED = (
    "orbax.checkpoint.v1",
    "pyogrio.raw",
    "pyproj",
    "rasterio.features",
    "shapely",
    "tests.inventory.writers",
    "tests.stress.killed",
    "tests.stress.map_killed",
    "tsmu_jax.reporting.summary",
    "tsmu_jax.scenes.run",
    "tsmu_jax.train",
)


def context() -> ForkServerContext:
    """Returns what starts such processes."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(list(PRELOADED))
    return made


def on_a_cpu(programs: Path) -> None:
    """Tells JAX, which has been imported and not started, to run on the CPU and to keep what it compiles.

    Args:
      programs: where, unless the environment says so.
    """
    import jax

    jax.config.update("jax_platforms", "cpu")
    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(programs))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def ended(module: str, *words: str, said: Path, cwd: Path | None = None) -> tuple[int | None, str, str]:
    """Runs `python -m MODULE WORDS` in such a process: exit code, and what came on standard output and error.

    Args:
      said: a new directory for both.
      cwd: where it runs; by default where the first of all these processes was started.
    """
    said.mkdir()
    process = context().Process(target=_run, args=(module, words, said.absolute(), cwd))
    process.start()
    process.join(300)
    return process.exitcode, *((said / name).read_text() for name in ("out", "err"))


def _run(module: str, words: tuple[str, ...], said: Path, cwd: Path | None) -> None:
    for number, name in enumerate(("out", "err"), 1):
        with (said / name).open("w") as file:
            os.dup2(file.fileno(), number)
    if cwd:
        os.chdir(cwd)
    from tsmu_jax import cli

    entry_point = importlib.import_module(module)
    sys.argv = [module, *words]
    cli.run(entry_point.main, "", commands=tuple(getattr(entry_point, "_FLAGS_OF", ())))
