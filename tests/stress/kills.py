"""Kills a tiny run and an update of its model at random moments, until both are finished, again and again.

    python -m tests.stress.kills --kills=100

Half of the kills come after a random time, half before a random change of a file. Whenever the two runs are finished,
parameters, responses, predictions, results and the saved model must equal those of runs that nobody killed, to the
byte. The exit code is 1 where they do not, where a process fails by itself, and where an interrupted write leaves
files.
"""

import argparse
import collections
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.stress.killed import Attempt, Moment, Scene, compare, outcome


def kill(scene: Scene, *, kills: int, seed: int, say=print) -> collections.Counter[str]:
    """Kills processes, and compares what they leave in the end with what they leave when nobody kills them.

    Returns:
      {part of a run: kills while it was written}.

    Raises:
      AssertionError: something differs, or was left behind; names the files.
    """
    random, where, done = np.random.default_rng(seed), collections.Counter[str](), 0
    scene.clear()
    scene.attempt()  # programs are compiled, and kept for all others
    scene.clear()
    whole = scene.attempt()
    expected = outcome(scene.runs)
    compare(scene.runs, expected)
    say(f"nobody kills: {whole.seconds:.1f} s, {whole.changes} changes of files, {len(expected)} files compared")
    started = time.monotonic()
    while done < kills:
        scene.clear()
        attempts = 0
        while not _killed(scene, random, whole, where).finished:
            attempts += 1
        done += attempts
        compare(scene.runs, expected)
        left = (time.monotonic() - started) / max(done, 1) * max(kills - done, 0)
        say(f"{done}/{kills} kills; both runs finished, equal to the byte; {left / 60:.0f} min left")
    return where


def _killed(scene: Scene, random: np.random.Generator, whole: Attempt, where: collections.Counter[str]) -> Attempt:
    by_time = random.random() < 0.5
    moment = (
        Moment(seconds=random.uniform(0, whole.seconds))
        if by_time
        else Moment(change=int(random.integers(whole.changes)))
    )
    attempt = scene.attempt(moment)
    if attempt.refused:
        raise RuntimeError(attempt.refused)
    if not attempt.finished:
        where[attempt.where or "before the first file"] += 1
    return attempt


def command(doc: str, begin: Callable[[Path], Any], kill: Callable[..., Mapping[str, int]], *, kills: int) -> int:
    """Runs a program that kills, from its flags to the exit code.

    Args:
      begin: makes what is killed, in a directory; kill: kills it, and counts where.
      kills: their number by default.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=kills)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="tsmu-kills-"))
    try:
        where = kill(begin(root), kills=options.kills, seed=options.seed)
    except (AssertionError, RuntimeError) as error:
        print(f"{error}\nThe files are in {root}.", file=sys.stderr)
        return 1
    shutil.rmtree(root)
    for name, number in sorted(where.items()):
        print(f"{number:5d}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(command(__doc__ or "", Scene, kill, kills=100))
