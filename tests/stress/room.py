"""Trains on a disk that is full, that turns read-only, and in directories that may not be written any more.

    sudo python -m tests.stress.room

A tiny run and an update of its model write to a tmpfs that is too small. Whenever they end, it grows a little and the
same commands go on. Then the disk refuses every change of a file from a random one on, as if it were read-only, and a
user without rights loses the directories before a random change. Each time the program must say so in one line; in the
end all must be equal, to the byte, to runs that met with nothing. The exit code is 1 where it is not. Only root may
mount a tmpfs.
"""

import argparse
import errno
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.stress.killed import Attempt, Moment, Scene, compare, outcome

NOBODY = 65534
STEP_KIB = 128
LIMIT_KIB = 2**20


def mount(*words: str, at: Path) -> None:
    """Raises CalledProcessError where this user may not."""
    subprocess.run(["mount", *words, str(at)], check=True, capture_output=True)


def turn_read_only(runs: Path) -> None:
    """Refuses a change of a file. No disk turns read-only by command while the run's lock is open for writing."""
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(runs))


def lose_directories(runs: Path) -> None:
    """Takes the right to write from all directories, and from this process the right to do so anyway."""
    for folder in (runs, *(path for path in runs.rglob("*") if path.is_dir())):
        folder.chmod(0o555)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def give_back(runs: Path) -> None:
    """Undoes that."""
    for folder in (runs, *(path for path in runs.rglob("*") if path.is_dir())):
        folder.chmod(0o755)


def fill(scene: Scene, expected: dict[str, str]) -> int:
    """Lets the runs' disk, which begins empty and small, grow whenever it is full. Returns how often it was."""
    mount("-t", "tmpfs", "-o", f"size={STEP_KIB}k", "tmpfs", at=scene.runs)
    full = grow(scene, step_kib=STEP_KIB)
    compare(scene.runs, expected)
    mount("-o", f"remount,size={LIMIT_KIB}k", at=scene.runs)
    return full


def grow(scene: Scene, *, step_kib: int, say: Callable[[str], None] = print) -> int:
    """Goes on with the runs until they are finished; adds `step_kib` to their disk of that size whenever it is full.

    Returns:
      How often it was full.

    Raises:
      AssertionError: the program ended without saying so, or needs more than `LIMIT_KIB`.
    """
    size, full = step_kib, 0
    while not (attempt := scene.attempt()).finished:
        assert "there is no room left on its disk" in attempt.refused and size < LIMIT_KIB, attempt.refused
        full, size = full + 1, size + step_kib
        say(f"{size:6d} KiB; {attempt.where or 'at the start'}: {_short(attempt)}")
        mount("-o", f"remount,size={size}k", at=scene.runs)
    return full


def refuse(
    scene: Scene,
    expected: dict[str, str],
    fault: Callable[[Path], None],
    words: str,
    *,
    changes: int,
    times: int,
    seed: int,
) -> int:
    """Lets the disk refuse at random changes of files. Returns how often a run ended by it.

    Args:
      fault: how it refuses; words: of the line that must say so, in small letters.
      changes: of files, that the runs make where nothing refuses them.
    """
    random, refused = np.random.default_rng(seed), 0
    while refused < times:
        for path in scene.runs.iterdir():
            shutil.rmtree(path)
        finished = False
        while not finished:
            change = int(random.integers(changes))
            moment = Moment(change=change, fault=functools.partial(fault, scene.runs), lasting=fault is turn_read_only)
            attempt = scene.attempt(moment if refused < times else None)
            give_back(scene.runs)
            finished = attempt.finished
            if not finished:
                assert words in attempt.refused.lower(), attempt.refused
                refused += 1
                print(f"{refused}/{times} {attempt.where or 'at the start'}: {_short(attempt)}", flush=True)
        compare(scene.runs, expected)
    return refused


def _short(attempt: Attempt) -> str:
    return attempt.refused if len(attempt.refused) < 200 else f"{attempt.refused[:200]}..."


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=15, help="that a disk is read-only, and rights are lost")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("full", "refused"), help="the first part, or the other two")
    options = parser.parse_args()
    if os.geteuid():
        print("only root may mount a tmpfs", file=sys.stderr)
        return 2
    root = Path(tempfile.mkdtemp(prefix="tsmu-room-"))
    root.chmod(0o755)
    scene = Scene(root)
    changes = scene.attempt().changes
    expected = outcome(scene.runs)
    scene.clear()
    scene.runs.mkdir()
    try:
        if options.only != "refused":
            print(f"{fill(scene, expected)} times full, equal to the byte")
        for fault, words in ((turn_read_only, "read-only"), (lose_directories, "permission denied")):
            if options.only == "full":
                break
            times = refuse(scene, expected, fault, words, changes=changes, times=options.times, seed=options.seed)
            print(f"{times} times {words}, equal to the byte")
    except (AssertionError, RuntimeError) as error:
        print(f"{error}\nThe files are in {root}.", file=sys.stderr)
        return 1
    finally:
        subprocess.run(["umount", "-l", str(scene.runs)], check=False)
    shutil.rmtree(root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
