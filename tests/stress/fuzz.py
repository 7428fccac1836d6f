"""Reads spoilt files of all kinds: each ends well or in one line, within seconds and without much memory.

    python -m tests.stress.fuzz --inputs=10000

Hypothesis spoils valid files byte by byte and JSON value by value, and shrinks what fails to its smallest form. The
exit code is 1 where a reader raises anything but UserError, takes more than 20 s, or makes the process hold 2 GiB more.
"""

import argparse
import os
import resource
import sys
import tempfile
import traceback
from datetime import timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

SECONDS, GIB = 20.0, 2.0


def fuzz(target, *, inputs: int, number: int = 0) -> None:
    """Reads spoilt files.

    Raises:
      AssertionError: the process's peak of memory grew by more than 2 GiB.
      Exception: what a reader raised that is no UserError; Hypothesis adds the smallest file that does it.
    """
    from tests.stress import inputs as readers

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    options = settings(
        max_examples=inputs,
        deadline=timedelta(seconds=SECONDS),
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    seed(number)(options(given(readers.spoilt(target))(target.__call__)))()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    assert grown < GIB, f"{target.name}: the process holds {grown:.1f} GiB more than before"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="spoilt files in all")
    parser.add_argument("--only", default="", help="readers whose name contains this")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ |= {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg"}
    from tests.stress.inputs import targets
    from tests.stress.scene import prepared_dataset, tiny_run

    failed = 0
    with tempfile.TemporaryDirectory(prefix="tsmu-fuzz-") as directory:
        root = Path(directory)
        run, prepared = tiny_run(root), prepared_dataset(root)
        (root / "scratch").mkdir()
        readers = [each for each in targets(run, prepared, root / "scratch") if options.only in each.name]
        share = -(-options.inputs // len(readers))
        for reader in readers:
            try:
                fuzz(reader, inputs=share, number=options.seed)
                print(f"{reader.name}: {share} files", flush=True)
            except BaseException as error:  # all of them are shown
                failed += 1
                print(f"{reader.name}: FAILED", flush=True)
                traceback.print_exception(error, limit=-6)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
