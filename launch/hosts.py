"""Trains one model over several processes and hosts: start the same command for each of them.

    srun python -m launch.hosts -- --config=configs/tsmu.py --config.data.dir=DIR --workdir=runs/mine
    python -m launch.hosts --coordinator=HOST:PORT --num_processes=2 --process_id=0 -- --config=... --workdir=...

Under SLURM (and what else JAX detects) the first form is enough, with one process for each GPU; elsewhere name the
first host, how many processes there are and which one this is. What stands after -- is for tsmu_jax.main. --workdir
must lie where all hosts see it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags

from launch.member import LOST
from tsmu_jax import cli, large_pages, stopping
from tsmu_jax.errors import UserError

_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of the first process, a free port there.")
_PROCESSES = flags.DEFINE_integer("num_processes", None, "Processes in all.", lower_bound=1)
_PROCESS = flags.DEFINE_integer("process_id", None, "Which one this is, from 0 on.", lower_bound=0)

_SPOKEN = (0, 2, 3, 130, 143)  # exit codes of tsmu_jax.main, which has said why


def main(training: Sequence[str]) -> None:
    """Starts one process of the training and stays with it, to say what became of it.

    Args:
      training: the command line of tsmu_jax.main.
    """
    cluster = _cluster()
    if not training:
        raise UserError("nothing to train: put the flags of tsmu_jax.main after --; --help shows an example")
    words = [sys.executable, "-m", "launch.member", str(os.getpid()), json.dumps(cluster)]
    member = subprocess.Popen([*words, *training])
    stopping.leave_to_others()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the member too, which says so
    signal.signal(signal.SIGTERM, lambda number, frame: member.send_signal(number))
    code = member.wait()
    if code in _SPOKEN:
        sys.exit(code)
    who = f"process {cluster['process_id']} of {cluster['num_processes']}" if cluster else "this process"
    print(f"error: {who} {_how(code)}; the same commands go on from what is finished", file=sys.stderr)
    sys.exit(1)


def _cluster() -> dict[str, Any]:
    """Returns arguments of `jax.distributed.initialize` by the flags; {} leaves them to JAX."""
    address, processes, process = _COORDINATOR.value, _PROCESSES.value, _PROCESS.value
    if address is None and processes is None and process is None:
        return {}
    if address is None or processes is None or process is None:
        raise UserError("--coordinator, --num_processes and --process_id belong together; under SLURM leave all away")
    if not address.rpartition(":")[2].isdecimal():
        raise UserError(f"--coordinator={address}: must be HOST:PORT")
    if process >= processes:
        raise UserError(f"--process_id={process}: of {processes} processes the last one is {processes - 1}")
    given = {"coordinator_address": address, "num_processes": processes, "process_id": process}
    return given | {"cluster_detection_method": "deactivate"}  # nor does a cluster say which GPUs are this process's


def _how(code: int) -> str:
    if code in (LOST, -signal.SIGABRT):  # JAX aborts a process whose fellows are gone
        return "lost another process of this training and has ended; that one's own output says why it did"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}; the others end within a minute"
    return "failed, see above; the others end within a minute"


if __name__ == "__main__":
    large_pages.restart()  # the processes that it starts get them, too
    split = [*sys.argv, "--"].index("--")
    sys.argv, training = sys.argv[:split], sys.argv[split + 1 :]
    cli.run(lambda argv: main(training), __doc__ or "")
