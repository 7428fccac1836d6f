"""A program starts anew with large pages where the system has them for those who ask, once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tsmu_jax import large_pages

PROGRAM = """
import os, sys
from pathlib import Path
from tsmu_jax import large_pages
print(os.getpid(), os.environ.get("GLIBC_TUNABLES"), *sys.argv[1:], flush=True)
large_pages.restart(Path(sys.argv[1]))
print("runs")
"""


@pytest.mark.parametrize(
    ("modes", "tunables", "starts"),
    [
        ("always [madvise] never", None, [None, "glibc.malloc.hugetlb=1"]),
        ("always [madvise] never", "", [""]),  # the user wants none
        ("[always] madvise never", None, [None]),
        ("always madvise [never]", None, [None]),
        (None, None, [None]),
    ],
)
def test_a_program_starts_anew_at_most_once(
    tmp_path: Path, modes: str | None, tunables: str | None, starts: list[str | None]
) -> None:
    file = tmp_path / "enabled"
    if modes is not None:
        file.write_text(modes)
    (tmp_path / "program.py").write_text(PROGRAM)
    kept = {name: value for name, value in os.environ.items() if name != large_pages.VARIABLE}
    chosen = {} if tunables is None else {large_pages.VARIABLE: tunables}
    command = [sys.executable, "-P", str(tmp_path / "program.py"), str(file), "--flag=a b"]
    path = str(Path(large_pages.__file__).parents[1])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**kept, **chosen, "PYTHONPATH": path})
    said = process.communicate()[0].splitlines()
    assert process.returncode == 0
    assert said == [*(f"{process.pid} {value} {file} --flag=a b" for value in starts), "runs"]
