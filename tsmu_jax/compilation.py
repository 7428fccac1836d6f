"""Keeps compiled programs from one run to the next."""

import os
from pathlib import Path

import jax


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
