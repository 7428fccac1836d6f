"""One process of a training over several hosts. `python -m launch.hosts` starts it; nobody types this one."""

import json
import os
import re
import sys
import traceback
from typing import Any, NoReturn

from launch.watch import end_with

LOST = 75  # exit code: another process is gone

_HEARTBEAT_SECONDS = 30  # without a sign of life a process counts as gone
# What JAX and the libraries beneath it say of a process that is gone.
_LOSS = re.compile(r"gloo|nccl|heartbeat|coordination service|connection (reset|closed|refused)", re.IGNORECASE)


def main(launcher: int, cluster: dict[str, Any], training: list[str]) -> None:
    """Joins the others and runs tsmu_jax.main.

    Args:
      launcher: process to end with.
      cluster: arguments of `jax.distributed.initialize`; none: JAX asks the cluster.
      training: the command line of tsmu_jax.main.
    """
    end_with(launcher)
    _join(cluster)
    from tsmu_jax import cli
    from tsmu_jax import main as entry

    sys.argv = [sys.argv[0], *training]
    try:
        cli.run(entry.main, entry.__doc__ or "")
    except SystemExit as end:
        if end.code:
            _leave(int(end.code))
    except Exception as error:
        if _LOSS.search(str(error)):
            _leave(LOST)
        traceback.print_exc()
        _leave(1)


def _join(cluster: dict[str, Any]) -> None:
    import jax

    from tsmu_jax.learning.parallel import CPU_OPTIONS

    if jax.config.values["jax_platforms"] == "cpu":  # what one process tells the compiler itself
        flags = (f"--{name}={value}" for name, value in CPU_OPTIONS.items())
        os.environ["XLA_FLAGS"] = " ".join([*flags, os.environ.get("XLA_FLAGS", "")])
    jax.config.update("jax_enable_preemption_service", False)  # it would keep SIGTERM from ending the process
    try:
        jax.distributed.initialize(**cluster, heartbeat_timeout_seconds=_HEARTBEAT_SECONDS)
    except ValueError as error:
        _refuse(f"found no cluster ({error}); give --coordinator, --num_processes and --process_id")
    except RuntimeError as error:
        _refuse(f"the processes did not find each other ({error}); is each one started, the port free and reachable?")


def _refuse(reason: str) -> NoReturn:
    print(f"error: {' '.join(reason.split())}", file=sys.stderr)
    _leave(2)


def _leave(code: int) -> NoReturn:
    """Ends at once: an orderly end would wait for processes that may be gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    if len(sys.argv) < 3 or not sys.argv[1].isdigit():
        print(__doc__)
        sys.exit(0 if "--help" in sys.argv else 2)
    main(int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:])
