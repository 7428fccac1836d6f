"""Locks of directories: who is told what, and that nothing of them outlives its process."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from tsmu_jax import locks
from tsmu_jax.errors import UserError

HOLD = "import sys, time, pathlib; from tsmu_jax.locks import lock; held = lock(pathlib.Path(sys.argv[1]), '--x')"


def refusal(directory: Path) -> str:
    with pytest.raises(UserError) as caught:
        locks.lock(directory, "--workdir")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_another_process_is_told_who_holds_the_lock_until_it_is_killed(tmp_path: Path) -> None:
    program = f"{HOLD}; print('held', flush=True); time.sleep(600)"
    holder = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        started = f"--workdir={tmp_path}: another process runs in it (process {holder.pid} on "
        assert refusal(tmp_path).startswith(started)
        assert refusal(tmp_path).startswith(started)  # the first attempt has not changed the file
        holder.kill()
        holder.wait()
    assert locks.lock(tmp_path, "--workdir").is_locked


def test_the_lock_goes_with_what_holds_it(tmp_path: Path) -> None:
    held = locks.lock(tmp_path, "--workdir")
    held.release()
    held = locks.lock(tmp_path, "--workdir")
    del held
    assert locks.lock(tmp_path, "--workdir").is_locked


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(locks, "_type_of", lambda directory: " (lustre)")
    reason = f"its file system (lustre) locks no files ({os.strerror(code)})"
    assert refusal(tmp_path) == f"--workdir={tmp_path}: {reason}; name a directory on another one, as on a local disk"


def test_other_errors_are_left_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: filelock.FileLock) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(filelock.FileLock, "acquire", full)
    with pytest.raises(OSError, match="No space left"):
        locks.lock(tmp_path, "--workdir")


def test_the_innermost_and_last_mount_says_the_type(tmp_path: Path) -> None:
    directory = tmp_path / "a b" / "runs"
    directory.mkdir(parents=True)
    table = tmp_path / "mounts"
    inner = str(tmp_path / "a b").replace(" ", "\\040")
    table.write_text(f"x / ext4 rw 0 0\nx {inner} nfs4 rw 0 0\nx {inner} lustre rw 0 0\nx {directory}2 tmpfs rw 0 0\n")
    assert locks._type_of(directory, table) == " (lustre)"
    assert locks._type_of(tmp_path, table) == " (ext4)"
    assert locks._type_of(tmp_path, tmp_path / "nothing") == ""
