"""A trace of a few training steps: what ran when, on the host and on the devices."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

TRACED = range(2, 5)  # counted from the first step of a process, which compiles and is left out


@contextlib.contextmanager
def traced(step: Callable[..., Any], directory: Path | None) -> Iterator[Callable[..., Any]]:
    """Yields the step, which traces a few of its own calls if there is a directory to write the trace to.

    In `directory/plugins/profile/<time>` lie `<host>.xplane.pb` for XProf (`xprof --logdir=directory`, TensorBoard's
    profile tab) and `<host>.trace.json.gz` for ui.perfetto.dev.
    """
    if directory is None:
        yield step
        return
    calls, running = 0, False

    def tracing(*args: Any) -> Any:
        nonlocal calls, running
        calls += 1
        if calls not in TRACED:
            return step(*args)
        if calls == TRACED[0]:
            jax.block_until_ready(args)  # what earlier steps left to do
            jax.profiler.start_trace(str(directory))
            running = True
        with jax.profiler.StepTraceAnnotation("train", step_num=calls):
            result = step(*args)
        if calls == TRACED[-1]:
            jax.block_until_ready(result)
            jax.profiler.stop_trace()
            running = False
        return result

    try:
        yield tracing
    finally:
        if running:  # the phase was shorter
            jax.profiler.stop_trace()
