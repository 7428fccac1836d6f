"""What all entry points share, in real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tsmu_jax import cli

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "program",
    [
        "cli.run(lambda argv: print('word ' * 1_000_000), '')",  # fails where it prints
        "cli.run(lambda argv: print('word'), '')",  # when the buffer is emptied at the end
        "import sys; sys.argv.append('--help'); cli.run(print, 'what it does')",
    ],
)
def test_a_reader_who_has_gone_ends_the_program_quietly(program: str) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", f"from tsmu_jax import cli; {program}"]
    try:
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, cwd=ROOT, text=True, timeout=60)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (cli.READER_GONE, "")


def test_another_broken_pipe_is_not_taken_for_it() -> None:
    program = "def main(argv): raise BrokenPipeError(32, 'a socket')\ncli.run(main, '')"
    command = [sys.executable, "-c", f"from tsmu_jax import cli\n{program}"]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, text=True, timeout=60)
    assert done.returncode == 1 and "a socket" in done.stderr
