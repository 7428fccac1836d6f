"""Locks a directory that one process at a time may fill.

The operating system keeps the lock: it goes when the process ends, however that happens, and leaves nothing to clean
up. The file `.lock` stays, and names the last process that held the lock.
"""

import errno
import os
import socket
from pathlib import Path

from filelock import FileLock, Timeout

from tsmu_jax.errors import UserError

NAME = ".lock"

# How file systems that cannot lock say so: Lustre without its `flock` option, NFS without its lock service, some FUSE.
_REFUSALS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}


class Held(UserError):
    """Another process holds a lock."""


def lock(directory: Path, flag: str) -> FileLock:
    """Locks an existing directory, and does not wait for it.

    Args:
      directory: is to be locked.
      flag: named the directory on the command line; starts the message of an error.

    Returns:
      The lock. The directory is free again when it is released or goes out of use, or when the process ends.

    Raises:
      UserError: another process holds the lock (`Held`), or the file system has no locks.
      OSError: the lock's file cannot be written.
    """
    # A soft lock, filelock's substitute, would outlive a process that was killed on another host.
    found = FileLock(directory / NAME, blocking=False, thread_local=False, fallback_to_soft=False, on_acquired=_sign)
    try:
        found.acquire()
    except Timeout as error:
        reason = f"another process runs in it{_holder(directory)}; wait for it or name another one"
        raise Held(f"{flag}={directory}: {reason}") from error
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        reason = f"its file system{_type_of(directory)} locks no files ({error.strerror})"
        raise UserError(f"{flag}={directory}: {reason}; name a directory on another one, as on a local disk") from error
    return found


def _sign(descriptor: int) -> None:
    """Writes into the lock's file who holds it."""
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())


def _holder(directory: Path) -> str:
    """Who holds the lock, in brackets; nothing where that cannot be read, as on Windows."""
    try:
        words = (directory / NAME).read_text()
    except (OSError, ValueError):
        words = ""
    return f" ({words})" if words else ""


def _type_of(directory: Path, table: Path = Path("/proc/self/mounts")) -> str:
    """The type of a directory's file system, in brackets; nothing where the system does not tell."""
    try:
        lines = [line.split(" ") for line in table.read_text().splitlines()]
    except OSError:
        return ""
    here = directory.resolve()
    mounts = {Path(line[1].replace("\\040", " ")): line[2] for line in lines}  # a later mount hides an earlier one
    around = [mount for mount in mounts if here.is_relative_to(mount)]
    return f" ({mounts[max(around, key=lambda mount: len(mount.parts))]})" if around else ""
