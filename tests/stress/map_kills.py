"""Kills the mapping of small scenes at random moments until all are in the inventory, again and again.

    python -m tests.stress.map_kills --kills=200

Each process runs `tsmu_jax.predict` with --pre, --post and --inventory. Half of the kills come after a random
time, half while the inventory's journal is on the disk, that is in the middle of a transaction. Whenever all scenes are
mapped, the rasters must equal, to the byte, those of processes that nobody killed, and so must all rows but for the
time of mapping; each scene is in the inventory once, and no journal or half-written file is left. The exit code is 1
where that does not hold, and where a process fails by itself.
"""

import argparse
import collections
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.stress.map_killed import Scenes


def kill(scenes: Scenes, *, kills: int, seed: int, say=print) -> collections.Counter[str]:
    """Kills processes, and compares what they leave in the end with what they leave when nobody kills them.

    Returns:
      {where: number of kills}.

    Raises:
      AssertionError: something differs, was left behind, or is in the inventory twice; says what.
    """
    random, where = np.random.default_rng(seed), collections.Counter[str]()
    scenes.clear()
    scenes.attempt(0)  # programs are compiled, and kept for all others
    scenes.clear()
    started = time.monotonic()
    for scene in range(scenes.number):
        scenes.attempt(scene)
    whole = (time.monotonic() - started) / scenes.number
    expected = scenes.outcome()
    assert len(expected["landslides"]) > 20 and len(expected["observations"]) > len(expected["landslides"])
    say(f"nobody kills: {whole:.1f} s a scene, {len(expected['landslides'])} landslides", flush=True)
    started = time.monotonic()
    while where.total() < kills:
        scenes.clear()
        for scene in range(scenes.number):
            while True:
                moment = {"seconds": random.uniform(0, whole)}
                if random.random() < 0.5:
                    moment = {"in_transaction": random.uniform(0, whole / 4)}
                at = scenes.attempt(scene, **(moment if where.total() < kills else {}))
                if not at:
                    break
                where[at] += 1
        found = scenes.outcome()
        differing = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        assert not differing, f"after {where.total()} kills these differ: {', '.join(differing)}"
        assert not scenes.leftovers(), f"left behind: {', '.join(scenes.leftovers())}"
        for table in ("scenes", "observed"):
            names = [row["scene"] for row in found[table]]
            assert len(names) == len(set(names)) == scenes.number, f"{table}: {names}"
        left = (time.monotonic() - started) / max(where.total(), 1) * max(kills - where.total(), 0)
        say(f"{where.total()}/{kills} kills; every scene once, all equal; {left / 60:.0f} min left", flush=True)
    return where


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="tsmu-map-kills-"))
    try:
        where = kill(Scenes(root), kills=options.kills, seed=options.seed)
    except (AssertionError, RuntimeError) as error:
        print(f"{error}\nThe files are in {root}.", file=sys.stderr)
        return 1
    shutil.rmtree(root)
    for name, number in sorted(where.items()):
        print(f"{number:5d}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
