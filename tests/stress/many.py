"""Kills a worker and then the scheduler while a list of scenes is mapped, and compares with a plain loop.

    python -m tests.stress.many --scenes=200

A scheduler and two workers of dask.distributed run as processes of their own, without nannies, and
`tsmu_jax.predict --scenes` hands the scenes out. At a quarter of them one worker is killed while it maps, at six
tenths the scheduler. Then all are started anew, and the same command runs to its end. Rasters must be equal to the
byte to those that one process makes in a loop, and so must all rows of the inventory but for the time of mapping; each
scene is in the inventory once. The exit code is 1 where that does not hold.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"

from tests.many import fleet
from tests.scenes.conftest import model_at
from tsmu_jax.many.output import MAPPED, TABLE

MEMORY_GIB = 0.0008  # several windows of a scene
WORKERS = 2
AT_WORKER, AT_SCHEDULER = 0.25, 0.6  # of the scenes, when the one and the other are killed
_PATIENCE_SECONDS = 600.0
_LOOK_SECONDS = 0.005


class Killed:
    """A directory with scenes, a scheduler and workers that can be killed."""

    def __init__(self, root: Path, number: int) -> None:
        """Writes the scenes and the model."""
        self.root, self.number = root, number
        self.list, self.maps, self.inventory = fleet.write(root, number), root / "maps", root / "landslides.gpkg"
        self.model = model_at(root / "model", 2.0)

    @contextlib.contextmanager
    def cluster(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        """The scheduler, and then the workers."""
        file = self.root / "scheduler.json"
        file.unlink(missing_ok=True)
        scheduler = ["scheduler", "--host=127.0.0.1", "--port=0", f"--scheduler-file={file}"]
        worker = ["worker", f"--scheduler-file={file}", "--nthreads=1", "--no-nanny", "--death-timeout=30"]
        with contextlib.ExitStack() as stack, (self.root / "cluster.log").open("ab") as log:
            started = []
            for kind, *options in (scheduler, *[worker] * WORKERS):
                command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *options, "--no-dashboard"]
                started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.root))
                stack.callback(_end, started[-1])
                while not file.exists():
                    time.sleep(0.05)
            yield started

    @contextlib.contextmanager
    def command(self) -> Iterator[subprocess.Popen[str]]:
        """`predict --scenes`."""
        flags = [f"--model={self.root / 'model'}", f"--scenes={self.list}", f"--output={self.maps}", "--decoder=a"]
        flags += [f"--inventory={self.inventory}", f"--memory_gib={MEMORY_GIB}"]
        flags += [f"--scheduler={self.root / 'scheduler.json'}"]
        flags += [f"--{name}={day}" for name, day in fleet.DAYS.items()]
        command = [sys.executable, "-m", "tsmu_jax.predict", *flags]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def ended(self) -> int:
        """Number of scenes that the table says are mapped."""
        try:
            return (self.maps / TABLE).read_text().count(f",{MAPPED},")
        except OSError:
            return 0

    def wait(self, share: float, process: subprocess.Popen[str], gone: int = 0) -> tuple[int, int]:
        """Waits until this share of the scenes is mapped, and a process other than `gone` maps another one.

        Returns:
          How many are mapped, and the process.
        """
        until = time.monotonic() + _PATIENCE_SECONDS
        while (done := self.ended()) < share * self.number or not (by := fleet.mapping(self.maps) - {gone}):
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"ended or hung after {done} scenes: {process.communicate()}")
            time.sleep(_LOOK_SECONDS)
        return done, min(by)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def kill(killed: Killed, say=print) -> None:
    """Kills a worker and the scheduler, goes on, and compares. Raises AssertionError where something differs."""
    started = time.monotonic()
    with contextlib.redirect_stdout(None):
        fleet.loop(killed.model, killed.list, killed.root / "loop", killed.root / "loop.gpkg", memory_gib=MEMORY_GIB)
    expected = fleet.outcome(killed.root / "loop", killed.root / "loop.gpkg")
    found = f"{len(expected['landslides'])} landslides, {len(expected['observations'])} observations"
    say(f"a loop in one process: {killed.number} scenes in {time.monotonic() - started:.0f} s, {found}")
    started = time.monotonic()
    with killed.cluster() as (scheduler, *workers), killed.command() as process:
        done, gone = killed.wait(AT_WORKER, process)
        next(worker for worker in workers if worker.pid == gone).kill()
        say(f"a worker was killed after {done} scenes")
        done, _ = killed.wait(AT_SCHEDULER, process, gone)
        scheduler.kill()
        _, complaints = process.communicate(timeout=_PATIENCE_SECONDS)
    last = complaints.strip().splitlines()[-1]
    say(f"the scheduler was killed after {done} scenes, {time.monotonic() - started:.0f} s from the start")
    say(f"  exit code {process.returncode}: {last.replace(str(killed.root), '...')}")
    assert process.returncode == 2 and last.startswith("error: --scheduler="), complaints
    before, started = killed.ended(), time.monotonic()
    with killed.cluster(), killed.command() as process:
        said, complaints = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 0, complaints
    first_line, *_ = said.splitlines()
    say(f"the same command again, {time.monotonic() - started:.0f} s: {first_line}")
    assert f"{before} of them mapped already" in first_line
    compare(killed, expected)
    say(f"every scene once; {len(expected) - 1} files and tables equal to those of the loop")


def compare(killed: Killed, expected: dict) -> None:
    """Raises AssertionError where the outcome is not that of the loop, or a scene is there twice."""
    found = fleet.outcome(killed.maps, killed.inventory)
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    assert not differing, f"these differ: {', '.join(differing[:20])}"
    for table in ("scenes", "observed"):
        names = [row["scene"] for row in found[table]]
        assert len(names) == len(set(names)) == killed.number, f"{table}: {len(names)} rows"
    assert killed.ended() == killed.number
    left = [path.name for path in killed.root.rglob("*") if any(word in path.name for word in ("partial", "journal"))]
    assert not left, f"left behind: {', '.join(left)}"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200)
    root = Path(tempfile.mkdtemp(prefix="tsmu-many-"))
    try:
        kill(Killed(root, parser.parse_args().scenes))
    except AssertionError as error:
        print(f"{error}\nThe files are in {root}.", file=sys.stderr)
        return 1
    shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
