"""A run and an update of its model in processes that meet with a fault, and what they must leave in the end.

Each process is forked from one that has imported everything (tests/forks.py).
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests import forks
from tests.runs.circle import configuration, write_images
from tsmu_jax.errors import UserError
from tsmu_jax.learning import checkpoints
from tsmu_jax.runs import files

RUNS = ("first", "second")
# What two equal runs may differ in: times, and where a phase was copied from.
TIMES = {"seconds", "recording_seconds", "images_per_second", "input_wait", "trained_in"}
TIMED = {"files", "digest", "log"}  # of records and of lines of the log, which hold times: Orbax's files do, too
CREATED = "1750000000"  # SOURCE_DATE_EPOCH: a saved model says when its runs began
_CHECKPOINT = "_CHECKPOINT_METADATA"  # which Orbax writes into each
_LEFT_OUT = {"tensorboard", "figures", "results.md", ".lock"}
TIMEOUT_SECONDS = 900.0


def kill_oneself() -> None:
    """As the kernel does that has no memory left."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclasses.dataclass(frozen=True)
class Moment:
    """When a process meets with its fault: after some seconds, or before its n-th change of a file.

    Attributes:
      fault: what happens before the change; by default the process kills itself. After `seconds` it is always killed.
      lasting: whether it happens before all later changes too.
    """

    seconds: float | None = None
    change: int | None = None
    fault: Callable[[], None] = kill_oneself
    lasting: bool = False


@dataclasses.dataclass(frozen=True)
class Attempt:
    """How a process ended.

    Attributes:
      finished: nothing kept it from finishing.
      seconds: that it ran.
      changes: of files that it had made, where it was not killed.
      refused: the one line with which it ended by itself.
      where: the newest directory that had changed when it was killed, as "second/phases/01_freeze".
    """

    finished: bool
    seconds: float
    changes: int = 0
    where: str = ""
    refused: str = ""


class Scene:
    """A directory with the images of two ecoregions and of a third one, and the runs on them."""

    def __init__(self, root: Path, *, pictures: bool = True, **changes: Any):
        """Writes the images.

        Args:
          pictures: whether the runs draw any and print the closing table, which take half of a tiny run's time.
          changes: of both runs' configuration.
        """
        self.root, self.pictures, self.changes = root, pictures, changes
        self.runs = root / "runs"
        write_images(root / "old", ("etf", "nad"))
        write_images(root / "new", ("mwcf",))
        self._context = forks.context()

    def attempt(self, moment: Moment | None = None) -> Attempt:
        """Goes on with the two runs in a new process. Raises RuntimeError where it fails or hangs by itself."""
        moment = moment or Moment()
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(self.root, self.pictures, self.changes, moment, sender))
        started = time.monotonic()
        process.start()
        sender.close()
        process.join(TIMEOUT_SECONDS if moment.seconds is None else moment.seconds)
        timed_out = process.exitcode is None
        if timed_out:
            process.kill()
            process.join()
        seconds = time.monotonic() - started
        said = None
        with contextlib.suppress(EOFError):
            said = receiver.recv()
        if isinstance(said, int):
            return Attempt(True, seconds, said)
        if isinstance(said, tuple):
            return Attempt(False, seconds, where=newest(self.runs), refused=said[0])
        if said is None and (moment.seconds if timed_out else process.exitcode == -signal.SIGKILL):
            return Attempt(False, seconds, where=newest(self.runs))
        raise RuntimeError(said or f"the process hung or ended with code {process.exitcode} after {seconds:.0f} s")

    def clear(self) -> None:
        """Removes the runs."""
        shutil.rmtree(self.runs, ignore_errors=True)


def _work(root: Path, pictures: bool, changes: Mapping[str, Any], moment: Moment, sender: Any) -> None:
    """The run and the update, in a process of their own. Sends the number of changes, or a traceback."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    forks.on_a_cpu(root / "programs")
    os.environ["SOURCE_DATE_EPOCH"] = CREATED
    changed = _counted(root / "runs", moment)
    try:
        from tsmu_jax.runs.train import train
        from tsmu_jax.train import train_and_evaluate

        run = train_and_evaluate if pictures else train
        often = {"checkpoint_minutes": 1e-4, "epochs__initial": 4, "reuse": False, **changes}
        run(configuration(root / "old", old="etf", new="nad", **often), root / "runs" / RUNS[0])
        update = {"start": str(root / "runs" / RUNS[0]), "update__max_forgetting": 0.9}
        run(configuration(root / "new", **update, **often), root / "runs" / RUNS[1])
    except BaseException as error:
        from tsmu_jax import machine

        line = str(error) if isinstance(error, UserError) else machine.explained(error, place=str(root / "runs"))
        sender.send((line,) if line else traceback.format_exc())
        os._exit(2)  # what is left to be written may not be writable
    sender.send(len(changed))


def _counted(directory: Path, moment: Moment) -> list[str]:
    """Notes every change of a file under `directory` from now on, and calls the fault before the one it comes at."""
    changes: list[str] = []
    prefix = str(directory)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not (event in _CHANGING or (event == "open" and _writes(arguments))):
            return
        if any(isinstance(each, str | os.PathLike) and os.fspath(each).startswith(prefix) for each in arguments[:2]):
            changes.append(event)
            begun = moment.change is not None and len(changes) > moment.change
            if begun and (moment.lasting or len(changes) == moment.change + 1):
                moment.fault()

    sys.addaudithook(hook)
    return changes


_CHANGING = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.truncate", "os.symlink"}


def _writes(arguments: tuple[Any, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 else None
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def newest(runs: Path) -> str:
    """The phase, or other part of a run, whose files have changed last; "" where there is none."""
    latest: tuple[int, Path] | None = None
    for path in runs.rglob("*"):
        with contextlib.suppress(OSError):
            latest = max(latest or (0, runs), (path.lstat().st_mtime_ns, path))
    if latest is None:
        return ""
    parts = latest[1].relative_to(runs).parts
    return "/".join(parts[: 3 if len(parts) > 1 and parts[1] == "phases" else 2])


def outcome(runs: Path) -> dict[str, str]:
    """What both runs hold: {file or phase: digest}, see `outcome_of`."""
    return {f"{run}/{name}": found for run in RUNS for name, found in outcome_of(runs / run).items()}


def compare(runs: Path, expected: Mapping[str, str]) -> None:
    """Raises AssertionError where runs are not what is expected, or an interrupted write has left files; names them."""
    found = outcome(runs)
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    assert not differing, f"these differ: {', '.join(differing)}"
    assert not leftovers(runs), f"left behind: {', '.join(leftovers(runs))}"


def outcome_of(run: Path) -> dict[str, str]:
    """What two equal runs have in common: {file or phase: SHA-256 of its bytes, of its values without times}.

    TensorBoard's files, pictures and the closing table, which hold times, and the lock are left out.
    """
    found = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        if (path / _CHECKPOINT).exists():
            found[name] = _digest(_plain(checkpoints.load(path)))
        elif (
            path.is_file()
            and not _LEFT_OUT & set(path.parts)
            and not any((up / _CHECKPOINT).exists() for up in path.parents)
        ):
            found[name] = _digest(_content(path))
    return found


def _content(path: Path) -> Any:
    if path.parent.name != "model" and path.suffix == ".json":
        return _without_times(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        lines = [_without_times(json.loads(line)) for line in path.read_text().splitlines()]
        return sorted(lines, key=json.dumps)  # a phase that is trained anew writes its lines behind the others'
    return path.read_bytes().hex()


def _without_times(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_times(each) for key, each in value.items() if key not in TIMES | TIMED}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def _plain(tree: Any) -> Any:
    if isinstance(tree, Mapping):
        return {key: _plain(each) for key, each in tree.items()}
    if tree is None or isinstance(tree, list | tuple):
        return tree and [_plain(each) for each in tree]
    array = np.asarray(tree)
    return [str(array.dtype), list(array.shape), array.tobytes().hex()]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def leftovers(runs: Path) -> list[str]:
    """Files and directories that an interrupted write has left, which a finished run must not have."""
    return [str(path.relative_to(runs)) for path in runs.rglob("*") if _interrupted(path.name)]


def _interrupted(name: str) -> bool:
    return name.endswith((files.PARTIAL, ".previous")) or name == "unfinished" or "orbax-checkpoint-tmp" in name
