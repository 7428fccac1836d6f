"""Kills the mapping of small scenes at random moments until all are in the inventory, again and again.

    python -m tests.stress.map_kills --kills=200

Each process runs `tsmu_jax.predict` with --pre, --post and --inventory. A third of the kills come at a random time, a
third while windows are mapped, a third in the middle of the inventory's transaction. Whenever all scenes are mapped,
the rasters must equal, to the byte, those of processes that nobody killed, and so must all rows but for the time of
mapping; each scene is in the inventory once, and no journal or half-written file is left. The exit code is 1 where
that does not hold, and where a process fails by itself.
"""

import collections
import sys
import time
from typing import Any

import numpy as np

from tests.stress.kills import command
from tests.stress.map_killed import START, TRANSACTION, WINDOWS, Scenes


def kill(scenes: Scenes, *, kills: int, seed: int, say=print) -> collections.Counter[str]:
    """Kills processes, and compares what they leave in the end with what they leave when nobody kills them.

    Returns:
      {where: number of kills}.

    Raises:
      AssertionError: something differs, was left behind, or is in the inventory twice; says what.
    """
    random, where = np.random.default_rng(seed), collections.Counter[str]()
    scenes.clear()
    for scene in range(scenes.number):
        started = time.monotonic()
        scenes.attempt(scene)
    whole = time.monotonic() - started  # of the last one, whose programs were compiled before
    expected = scenes.outcome()
    assert len(expected["landslides"]) > 20 and len(expected["observations"]) > len(expected["landslides"])
    say(f"nobody kills: {whole:.1f} s a scene, {len(expected['landslides'])} landslides", flush=True)
    started = time.monotonic()
    while where.total() < kills:
        scenes.clear()
        for scene in range(scenes.number):
            while at := scenes.attempt(scene, **(_moment(random, whole) if where.total() < kills else {})):
                where[at] += 1
        compare(scenes, expected)
        left = (time.monotonic() - started) / max(where.total(), 1) * max(kills - where.total(), 0)
        say(f"{where.total()}/{kills} kills; every scene once, all equal; {left / 60:.0f} min left", flush=True)
    return where


def _moment(random: np.random.Generator, whole: float) -> dict[str, Any]:
    """When to kill. Args: whole: seconds that mapping a scene takes."""
    after = str(random.choice([START, WINDOWS, TRANSACTION]))
    # Windows and transaction take a small part of the time: most kills come early.
    seconds = random.uniform(0, whole) if after == START else random.uniform() ** 3 * whole / 4
    return {"after": after, "seconds": seconds}


def compare(scenes: Scenes, expected: dict[str, Any]) -> None:
    """Raises AssertionError where the outcome is not the expected one, or a scene is there twice."""
    found = scenes.outcome()
    differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    assert not differing, f"these differ: {', '.join(differing)}"
    assert not scenes.leftovers(), f"left behind: {', '.join(scenes.leftovers())}"
    for table in ("scenes", "observed"):
        names = [row["scene"] for row in found[table]]
        assert len(names) == len(set(names)) == scenes.number, f"{table}: {names}"


if __name__ == "__main__":
    sys.exit(command(__doc__ or "", Scenes, kill, kills=200))
