"""Keeps compiled programs for the next run, and gives back the memory that compiling and training took."""

import ctypes
import functools
import os
from pathlib import Path

import jax

COMPILED = "/jax/core/compile/backend_compile_duration"  # as JAX calls the event


def keep_compiled() -> None:
    """Turns on JAX's persistent compilation cache, unless one is configured.

    It lies in `tsmu_jax` in the user's cache directory ($XDG_CACHE_HOME, or ~/.cache). JAX_COMPILATION_CACHE_DIR names
    another place, JAX_ENABLE_COMPILATION_CACHE=false does without. JAX's key is made of the program, its flags, the
    kind of device and the release of the compiler: what is found is what would be compiled.
    """
    configured = jax.config.values
    if configured["jax_compilation_cache_dir"] is not None or not configured["jax_enable_compilation_cache"]:
        return
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    directory = Path(home).expanduser() / "tsmu_jax"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # programs from it are run: nobody else's
    except OSError:
        return  # a home that cannot be written to costs the time to compile, nothing else
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # small programs are many


@functools.cache  # listeners add up
def return_memory() -> None:
    """Gives the memory that compiling took back to the system each time, where the C library can (glibc).

    It would keep it for whatever comes next; but what comes next are large arrays, for which it asks the system. Of a
    training step that is .7 GiB, on top of its peak on a CPU.
    """

    def compiled(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILED and duration_secs > 1.0:  # small programs leave little behind
            give_back()

    jax.monitoring.register_event_duration_secs_listener(compiled)


def give_back() -> None:
    """Gives the system the memory that the C library keeps for later, where it can (glibc). Takes some milliseconds.

    The C library keeps it in parts, one for each of many threads, and those of the next run take memory of other parts:
    without this, a process grows by each run.
    """
    if os.name == "posix" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
