"""Processes that change an inventory, for the tests of what may happen to them; forked from one that imported all."""

import contextlib
import io
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import forks
from tests.inventory.test_adding import Model
from tsmu_jax import cli
from tsmu_jax.inventory import adding, furnishing, geopackage, known, reading, renewing

CONTEXT = forks.context()


def kill_oneself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(module: Any, name: str, number: int, happens: Callable[[Any], None]) -> None:
    """Lets something happen before a function's n-th call, with the function's first argument."""
    function, calls = getattr(module, name), []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == number:
            happens(arguments[0])
        return function(*arguments, **options)

    setattr(module, name, counted)


def add(inventory: Path, directory: Path, digit: str, pipe: Any) -> None:
    """Adds a map when the pipe says so, and sends what became of it."""
    pipe.send("ready")
    pipe.recv()
    pipe.send(adding.add(inventory, directory, Model(digit)))


def add_and_die(inventory: Path, directory: Path, digit: str) -> None:
    """Adds a map, and is killed when parts of the change are in the file: SQLite keeps next to nothing in memory."""
    at_call(renewing, "supersede", 1, lambda database: database.execute("PRAGMA cache_size = 1"))
    at_call(known.Known, "same", 30, lambda _: kill_oneself())
    adding.add(inventory, directory, Model(digit))


def make_and_die(inventory: Path) -> None:
    """Makes an inventory, and is killed when its tables are there and its triggers are not."""
    at_call(furnishing, "furnish", 1, lambda _: kill_oneself())
    geopackage.create(inventory)


def hold(inventory: Path, pipe: Any) -> None:
    """Is the other program that writes the file, until the pipe says otherwise."""
    with contextlib.closing(sqlite3.connect(inventory, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        pipe.send("held")
        pipe.recv()


def check(inventory: Path, pipe: Any, seconds: float, user: int) -> None:
    """Checks an inventory as an entry point does. Sends standard output, standard error and the exit code."""
    geopackage._WAIT_SECONDS = seconds
    _run(lambda _: adding.check(inventory), pipe, user)


def count(inventory: Path, pipe: Any, user: int, written: bool) -> None:
    """Prints the number of landslides, while the file is written or not. Sends what `check` sends."""

    def read(_: Any) -> None:
        with reading.opened(inventory) as database:
            print(*database.execute("SELECT count(*) FROM landslides").fetchone())
            if written:
                inventory.chmod(0o644)  # it belongs to the user
                os.utime(inventory)

    _run(read, pipe, user)


def _run(work: Callable[[Any], None], pipe: Any, user: int) -> None:
    sys.argv[1:] = []
    if user and os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said[0]), contextlib.redirect_stderr(said[1]):
        code = _exit_code(work)
    pipe.send((*(each.getvalue() for each in said), code))


def _exit_code(work: Callable[[Any], None]) -> int:
    try:
        cli.run(work, "")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


def start(function: Callable[..., None], *arguments: Any) -> tuple[Any, Any]:
    """A process that runs a function, and this end of its pipe, for functions that take one."""
    here, there = CONTEXT.Pipe()
    passed = [there if each is PIPE else each for each in arguments]
    process = CONTEXT.Process(target=function, args=passed)
    process.start()
    there.close()
    return process, here


PIPE = object()
