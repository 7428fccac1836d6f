"""Plants faults into copies of the source, one by one, and says which test notices each.

python -m tests.faults.plant                 all faults of the catalogue
python -m tests.faults.plant head-signs      some of them
python -m tests.faults.plant --all-tests     the whole suite for each, and the quickest test that notices

First the same tests run in an unchanged copy. The exit code is 1 where they fail there, where no test notices a fault,
and where the text that a fault replaces no longer occurs exactly once.
"""

import argparse
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from collections.abc import Sequence
from pathlib import Path

from tests.faults.catalogue import FAULTS, Fault
from tsmu_jax.errors import UserError

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS, SUITE_TIMEOUT_SECONDS = 600.0, 7200.0
# The installed package may be this repository itself, so the copy must be what is imported.
_PROGRAM = """
import pathlib, sys
import pytest, tsmu_jax
if not pathlib.Path(tsmu_jax.__file__).resolve().is_relative_to(pathlib.Path.cwd()):
    sys.exit(f"tsmu_jax was imported from {tsmu_jax.__file__}, not from the copy")
sys.exit(pytest.main(sys.argv[1:]))
"""
_REPORT = "report.xml"
# Planted code that cannot run is a mistake in the catalogue: no test has noticed anything.
_BROKEN = ("ImportError", "ModuleNotFoundError", "NameError", "SyntaxError")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of running tests in a copy of the source.

    Attributes:
      passed: all tests ran and passed.
      noticed: node ids of the tests that failed by themselves, the quickest first.
      problem: why the run says nothing about the code; "" where it says something.
      output: of pytest.
    """

    passed: bool
    noticed: tuple[str, ...]
    problem: str
    output: str
    seconds: float


def copy_source(root: Path, target: Path) -> None:
    """Copies the files that git tracks, or would track, as they are in the working tree.

    Raises:
      UserError: `root` is not a git repository.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if listed.returncode:
        raise UserError(f"{root}: {listed.stderr.strip()}; plant faults in a clone of the repository")
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():  # a deleted file is still tracked
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def occurrences(fault: Fault, root: Path) -> int:
    """Counts `fault.before` in the fault's file. Any count but 1 means that the catalogue is out of date."""
    path = root / fault.file
    return path.read_text().count(fault.before) if path.is_file() else 0


def plant(fault: Fault, root: Path) -> None:
    """Changes the source below `root`.

    Raises:
      UserError: the text to replace does not occur exactly once.
    """
    found = occurrences(fault, root)
    if found != 1:
        raise UserError(f"{fault.file}: the text to replace occurs {found} times; bring the catalogue up to date")
    path = root / fault.file
    path.write_text(path.read_text().replace(fault.before, fault.after))


def run_tests(root: Path, tests: Sequence[str], *, stop: bool, timeout_seconds: float) -> Outcome:
    """Runs tests in a copy of the source.

    Args:
      stop: at the first test that fails.
    """
    report = root / _REPORT
    options = [f"--junitxml={report}", "-ojunit_family=xunit1", "-pno:cacheprovider", "--ignore=tests/faults", "-q"]
    if "tests" not in tests:
        # A few tests take less time than further processes need to start, or Hypothesis to be imported.
        options += ["--numprocesses=0", "-pno:hypothesispytest"]
    paths = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *options, *(["-x"] if stop else []), *tests],
        cwd=root,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        _kill(process)
        problem = f"the tests took longer than {timeout_seconds:g} s"
        return Outcome(False, (), problem, process.communicate()[0], time.perf_counter() - started)
    except KeyboardInterrupt:
        _kill(process)
        raise
    noticed = _noticed(report)
    broken = process.returncode != 0 and not noticed
    problem = f"pytest ended with exit code {process.returncode}, but no test failed by itself" if broken else ""
    return Outcome(process.returncode == 0, noticed, problem, output, time.perf_counter() - started)


def _kill(process: subprocess.Popen[str]) -> None:
    """Ends pytest and the processes that tests have started."""
    os.killpg(process.pid, signal.SIGKILL)


def _noticed(report: Path) -> tuple[str, ...]:
    """The tests that failed in their own code; pytest reports what fails around them, fixtures too, as an error."""
    if not report.is_file():
        return ()
    failed = []
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        failure = case.find("failure")
        if failure is not None and not failure.get("message", "").startswith(_BROKEN):
            failed.append((float(case.get("time", 0)), f"{case.get('file')}::{case.get('name')}"))
    return tuple(test for _, test in sorted(failed))


def try_fault(fault: Fault, source: Path, tests: Sequence[str], *, stop: bool, timeout_seconds: float) -> Outcome:
    """Runs tests in a copy of `source` with the fault in it.

    Raises:
      UserError: the fault cannot be planted.
    """
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch).resolve() / "source"
        shutil.copytree(source, copy)
        plant(fault, copy)
        return run_tests(copy, tests, stop=stop, timeout_seconds=timeout_seconds)


def sentence(outcome: Outcome) -> str:
    """Says in a few words whether a test caught the fault, which one did, and how long it took."""
    seconds = f"{outcome.seconds:.1f} s"
    if outcome.problem:
        return f"NOT CAUGHT, {seconds}: {outcome.problem}"
    if not outcome.noticed:
        return f"NOT CAUGHT, {seconds}"
    first, *others = outcome.noticed
    return f"caught by {first}{f' and {len(others)} more' if others else ''}, {seconds}"


def chosen(names: Sequence[str], faults: Sequence[Fault]) -> list[Fault]:
    """The faults with these names, or all.

    Raises:
      UserError: there is no such fault.
    """
    known = {fault.name: fault for fault in faults}
    for name in names:
        if name not in known:
            raise UserError(f"no fault {name!r}; known: {', '.join(known)}")
    return [known[name] for name in names] or list(faults)


def run(names: Sequence[str], *, all_tests: bool, root: Path = ROOT, faults: Sequence[Fault] = FAULTS) -> int:
    """Plants faults and prints a line for each. Returns the exit code.

    Raises:
      UserError: there is no such fault, or `root` is not a git repository.
    """
    wanted = chosen(names, faults)
    timeout_seconds = SUITE_TIMEOUT_SECONDS if all_tests else TIMEOUT_SECONDS
    width = max(len(name) for name in ("unchanged", *(fault.name for fault in wanted)))
    uncaught = 0
    with tempfile.TemporaryDirectory() as scratch:
        source, unchanged = (Path(scratch).resolve() / name for name in ("source", "unchanged"))
        copy_source(root, source)
        shutil.copytree(source, unchanged)
        print("unchanged".ljust(width), end="  ", flush=True)
        tests = ["tests"] if all_tests else list(dict.fromkeys(test for fault in wanted for test in fault.tests))
        outcome = run_tests(unchanged, tests, stop=False, timeout_seconds=timeout_seconds)
        if not outcome.passed:
            print(f"FAILS, {outcome.seconds:.1f} s: {outcome.problem or ', '.join(outcome.noticed)}")
            print(outcome.output, file=sys.stderr)
            return 1
        print(f"passes, {outcome.seconds:.1f} s")
        for fault in wanted:
            print(fault.name.ljust(width), end="  ", flush=True)
            tests = ["tests"] if all_tests else list(fault.tests)
            try:
                outcome = try_fault(fault, source, tests, stop=not all_tests, timeout_seconds=timeout_seconds)
            except UserError as error:
                print(f"NOT PLANTED: {error}")
                uncaught += 1
                continue
            print(sentence(outcome))
            if not outcome.noticed:
                print(outcome.output, file=sys.stderr)
                uncaught += 1
    return 1 if uncaught else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.plant", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ", ".join(fault.name for fault in FAULTS)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which faults: {names}; default: all")
    parser.add_argument("--all-tests", action="store_true", help="run the whole suite for each fault: hours")
    arguments = parser.parse_args(argv)
    try:
        return run(arguments.names, all_tests=arguments.all_tests)
    except UserError as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
