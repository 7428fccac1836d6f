"""Crashes, other writers, files that cannot be written: nothing is half-written, and one line says why."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inventory.test_adding import BOXES, ONE, TWO, table, write_map
from tests.inventory.writers import PIPE, add_and_die, check, count, hold, make_and_die, start
from tests.inventory.writers import add as writers_add
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import adding, geopackage
from tsmu_jax.inventory.adding import add

NOBODY = 65534
MANY = tuple((row, row + 1, column, column + 2) for row in range(2, 40, 4) for column in range(2, 60, 6))


def refusal(path: Path, *, seconds: float = 0.2, user: int = 0) -> str:
    """The one line with which a check ends, exit code 2."""
    process, pipe = start(check, path, PIPE, seconds, user)
    said, line, code = pipe.recv()
    process.join()
    assert code == 2 and not said, (code, said, line)
    assert line.startswith(f"error: --inventory={path}: ") and line.count("\n") == 1
    return line


def ended(process: Any) -> int:
    process.join(120)
    return process.exitcode


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    add(tmp_path / "landslides.gpkg", write_map(tmp_path / "first", BOXES), ONE)
    return tmp_path / "landslides.gpkg"


def content(path: Path) -> list[Any]:
    return [table(path, name) for name in ("landslides", "scenes", "observed", "observations", "models")]


def beside(path: Path) -> list[str]:
    return [each.name for each in path.parent.iterdir() if each.is_file() and each != path]


def test_killed_in_the_middle_of_a_transaction(inventory: Path, tmp_path: Path) -> None:
    before, file, second = content(inventory), inventory.read_bytes(), write_map(tmp_path / "two", MANY, model=TWO)
    process, _ = start(add_and_die, inventory, second, "2")
    assert ended(process) == -signal.SIGKILL
    assert beside(inventory) == ["landslides.gpkg-journal"] and inventory.read_bytes() != file  # half-written
    assert content(inventory) == before and beside(inventory) == [] and inventory.read_bytes() == file
    assert add(inventory, second, TWO).new == len(MANY)
    assert add(inventory, second, TWO).same


def test_killed_while_the_file_is_made(tmp_path: Path) -> None:
    path = tmp_path / "landslides.gpkg"
    process, _ = start(make_and_die, path)
    assert ended(process) == -signal.SIGKILL
    assert not path.exists() and ".landslides.partial.gpkg" in beside(path)
    assert add(path, write_map(tmp_path / "first", BOXES), ONE).new == 2 and beside(path) == []


@pytest.mark.parametrize("exists", [True, False])
def test_several_writers_at_once(tmp_path: Path, exists: bool) -> None:
    """Three processes add two maps, one of them twice, also to a file that none of them finds."""
    path = tmp_path / "landslides.gpkg"
    if exists:
        geopackage.create(path)
    maps = [write_map(tmp_path / str(seed), BOXES, at=(200 * seed, 0), seed=seed) for seed in range(2)]
    writers = [start(writers_add, path, each, "1", PIPE) for each in (*maps, maps[0])]
    assert [pipe.recv() for _, pipe in writers] == ["ready"] * 3
    for _, pipe in writers:
        pipe.send("go")
    said = [pipe.recv() for _, pipe in writers]
    assert sorted(one.same for one in said) == [False, False, True] and [ended(each) for each, _ in writers] == [0] * 3
    assert [len(rows) for rows in content(path)] == [4, 2, 2, 4, 1]
    assert beside(path) == []


def test_a_writer_waits_for_another_program(inventory: Path, tmp_path: Path) -> None:
    holder, held = start(hold, inventory, PIPE)
    assert held.recv() == "held"
    writer, pipe = start(writers_add, inventory, write_map(tmp_path / "second", BOXES, model=TWO), "2", PIPE)
    pipe.recv()
    pipe.send("go")
    assert not pipe.poll(1.0)
    held.send("enough")
    assert pipe.recv().new == 2 and ended(writer) == ended(holder) == 0


def test_another_program_holds_the_file(inventory: Path) -> None:
    before = inventory.read_bytes()
    holder, held = start(hold, inventory, PIPE)
    assert held.recv() == "held"
    assert "another program is writing it; close its edits there" in refusal(inventory)
    held.send("enough")
    assert ended(holder) == 0
    adding.check(inventory)
    assert inventory.read_bytes() == before and beside(inventory) == []


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that users without rights reach."""
    with tempfile.TemporaryDirectory(prefix="tsmu-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)
        Path(directory).chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="users are of Unix")
def test_a_file_that_may_not_be_written(inventory: Path, public: Path) -> None:
    path = Path(shutil.copy(inventory, public))
    path.chmod(0o444)
    before = path.read_bytes()
    assert "cannot be written; make it writable, or name another file" in refusal(path, user=NOBODY)
    path.chmod(0o666)
    public.chmod(0o555)
    said = refusal(path, user=NOBODY)
    assert f"its directory {public} cannot be written, where SQLite keeps its journal" in said
    assert path.read_bytes() == before and beside(path) == []


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="users are of Unix")
def test_a_file_of_qgis_on_a_read_only_disk_is_read(inventory: Path, public: Path) -> None:
    """QGIS may leave a file in SQLite's WAL mode, in which SQLite writes beside it even to read."""
    path = Path(shutil.copy(inventory, public))
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    path.chmod(0o444)
    public.chmod(0o555)

    def read(*, written: bool = False) -> tuple[str, str, int]:
        process, pipe = start(count, path, PIPE, NOBODY, written)
        said = pipe.recv()
        process.join()
        return said

    assert read() == (f"{len(BOXES)}\n", "", 0)
    _, line, code = read(written=True)
    assert code == 2 and "was written while it was read; run the same command again" in line
    public.chmod(0o755)
    killed = f"import sqlite3, os; one = sqlite3.connect({str(path)!r}); "
    killed += "one.execute('PRAGMA user_version = 7'); os._exit(0)"
    subprocess.run([sys.executable, "-c", killed], check=True)
    assert sorted(beside(path)) == [f"{path.name}-shm", f"{path.name}-wal"]
    path.with_name(f"{path.name}-shm").unlink()
    public.chmod(0o555)
    said, line, code = read()
    assert code == 2 and not said and f"changes are in {path.name}-wal" in line and "copy both files to" in line


NO_LOCKS = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int asked(int file, int command, va_list rest) {
  void *value = va_arg(rest, void *);
  if (command == F_SETLK || command == F_SETLKW || command == F_GETLK) {
    errno = atoi(getenv("NO_LOCKS"));
    return -1;
  }
  return syscall(SYS_fcntl, file, command, value);
}
int fcntl(int file, int command, ...) {
  va_list rest; va_start(rest, command); int found = asked(file, command, rest); va_end(rest); return found;
}
int fcntl64(int file, int command, ...) {
  va_list rest; va_start(rest, command); int found = asked(file, command, rest); va_end(rest); return found;
}
"""


@pytest.mark.skipif(not sys.platform.startswith("linux") or not shutil.which("cc"), reason="needs Linux and cc")
def test_a_share_without_locks(inventory: Path, tmp_path: Path) -> None:
    """A library before the system's refuses locks, as NFS without its lock service and some FUSE do."""
    import errno

    source, library = tmp_path / "no_locks.c", tmp_path / "no_locks.so"
    source.write_text(NO_LOCKS)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    before = inventory.read_bytes()
    code = (
        "import sys; from pathlib import Path; from tsmu_jax import cli; from tsmu_jax.inventory import adding, "
        "geopackage; geopackage._WAIT_SECONDS = 0.2; path = Path(sys.argv.pop()); "
        "cli.run(lambda _: adding.check(path), '')"
    )
    for number in (errno.ENOLCK, errno.EOPNOTSUPP):
        refused = os.environ | {"LD_PRELOAD": str(library), "NO_LOCKS": str(number)}
        done = subprocess.run([sys.executable, "-c", code, inventory], env=refused, capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
        assert "its file system" in done.stderr and "lock" in done.stderr and "on a local disk" in done.stderr
    assert inventory.read_bytes() == before


def test_files_of_others(inventory: Path, tmp_path: Path) -> None:
    import numpy as np
    from pyogrio import raw

    (tmp_path / "text.gpkg").write_text("hello\n" * 1000)
    (tmp_path / "empty.gpkg").touch()
    (tmp_path / "cut.gpkg").write_bytes(inventory.read_bytes()[:5000])
    raw.write(tmp_path / "roads.gpkg", None, [np.array([1])], ["lanes"], layer="roads", driver="GPKG")
    raw.write(tmp_path / "other.gpkg", None, [np.array([1])], ["uuid"], layer="landslides", driver="GPKG")
    with contextlib.closing(sqlite3.connect(shutil.copy(inventory, tmp_path / "newer.gpkg"))) as database, database:
        database.execute("UPDATE tsmu_about SET value = '99' WHERE name = 'schema'")
    for name, words in {
        "text": "is no inventory of tsmu_jax",
        "empty": "is no inventory of tsmu_jax",
        "cut": "is no inventory of tsmu_jax",
        "roads": "is no inventory of tsmu_jax",
        "other": "is no inventory of tsmu_jax",
        "newer": "is of a newer release; update",
    }.items():
        path = tmp_path / f"{name}.gpkg"
        before = path.read_bytes()
        with pytest.raises(UserError, match=words) as caught:
            adding.check(path)
        assert "\n" not in str(caught.value) and path.read_bytes() == before
        with pytest.raises(UserError, match=words):
            add(path, tmp_path / "first", ONE)
        assert path.read_bytes() == before
    assert beside(tmp_path / "x") and not [name for name in beside(tmp_path / "x") if "journal" in name]
