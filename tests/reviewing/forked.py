"""`python -m tsmu_jax.review` in a process that is forked from one that has imported everything."""

import os
import sys
from pathlib import Path

from tests import forks


def review(said: Path, *words: str) -> tuple[int | None, str, str]:
    """Exit code, and what the command wrote to standard output and to standard error. Args: said: a new directory."""
    said.mkdir()
    process = forks.context().Process(target=_run, args=(words, said))
    process.start()
    process.join(300)
    return process.exitcode, *((said / name).read_text() for name in ("out", "err"))


def _run(words: tuple[str, ...], said: Path) -> None:
    for number, name in enumerate(("out", "err"), 1):
        with (said / name).open("w") as file:
            os.dup2(file.fileno(), number)
    from tsmu_jax import cli, review

    sys.argv = ["tsmu_jax.review", *words]
    cli.run(review.main, "", commands=tuple(review._FLAGS_OF))
