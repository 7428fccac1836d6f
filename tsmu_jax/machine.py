"""One line for what a machine lacks: room on its disk, memory, the device that was asked for."""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tsmu_jax.errors import UserError

NO_DEVICE = "{}: this machine has no such device that JAX can use; unset it, or set JAX_PLATFORMS=cpu"

# The system's error numbers: what they mean, and what to do about it.
_DISK = {
    errno.ENOSPC: ("there is no room left on its disk", "make room"),
    errno.EDQUOT: ("there is no room left on its disk", "make room"),
    errno.EROFS: ("its file system is read-only", "make it writable"),
    errno.EACCES: ("permission denied", "make it writable"),
    errno.EPERM: ("permission denied", "make it writable"),
    errno.EIO: ("its disk reports an error", "look after the disk"),
    errno.ESTALE: ("its network file system has lost it", "mount it again"),
}
_PATH = re.compile(r"[\"'`](/[^\"'`\n]+)[\"'`]")
_NO_BACKEND = re.compile(r"unable to initialize backend '(\w+)'|unknown backend:? '?(\w+)", re.IGNORECASE)
_NO_MEMORY = re.compile(r"RESOURCE_EXHAUSTED|out of memory|failed to allocate|unable to allocate", re.IGNORECASE)


def is_utf8(name: str) -> bool:
    """Whether a name of the file system is UTF-8: Python stands in for other bytes with surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def printable(name: str) -> str:
    r"""The name with what is not UTF-8 written out, as "\udcf0"."""
    return name.encode("utf-8", "backslashreplace").decode()


def find_devices() -> None:
    """Starts JAX on the devices that were asked for. Raises UserError where there are none."""
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where JAX was installed without such a device
        asked = os.environ.get("JAX_PLATFORMS")
        if not asked:
            raise
        raise UserError(NO_DEVICE.format(f"JAX_PLATFORMS={asked}")) from error


def explained(
    error: BaseException, *, place: str = "", config: Mapping[str, Any] | None = None, memory_gib: float | None = None
) -> str | None:
    """What is wrong and what to do, on one line; None where the machine is not to blame.

    Args:
      place: where the program writes, for errors that name no file.
      config: of the training, if there is one.
      memory_gib: the flag of a program that has it.
    """
    for each in _chain(error):
        said = str(each)
        if problem := _of_the_disk(each):
            named = _PATH.search(said)
            path = getattr(each, "filename", None) or (named[1] if named else place)
            if path:
                return f"{path}: {problem}"
        if isinstance(each, UnicodeEncodeError) and "surrogates" in each.reason:
            return f"{each.object[:200]!r}: holds a name that is not UTF-8; rename the file or directory"
    for each in _chain(error):
        if isinstance(each, RuntimeError) and (found := _NO_BACKEND.search(str(each))):
            asked = os.environ.get("JAX_PLATFORMS")
            wanted = f"JAX_PLATFORMS={asked}" if asked else found[1] or found[2]
            return NO_DEVICE.format(wanted)
        if isinstance(each, MemoryError) or _NO_MEMORY.search(str(each)):
            return _too_large(config, memory_gib)
    return None


def _of_the_disk(error: BaseException) -> str | None:
    """What a disk or its file system refuses, by the error's number or, from other libraries, by the system's words."""
    number, said = getattr(error, "errno", None), str(error).lower()
    for one, (what, remedy) in _DISK.items():
        if number == one or (number is None and os.strerror(one).lower() in said):
            return f"{what}; what was finished is kept: {remedy} and run the same command again"
    return None


def _too_large(config: Mapping[str, Any] | None, memory_gib: float | None) -> str:
    if config is None and memory_gib is not None:
        remedy = f"lower --memory_gib={memory_gib:g}" if memory_gib else "add --memory_gib=1, for smaller parts"
        return f"the memory does not hold as much at once; {remedy}; what was finished is kept"
    if config is None:
        return "the memory does not hold this; use smaller images, or a machine with more"
    batch, size = config["batch_size"], config["data"]["size"]
    remedies = ["lower --config.batch_size or --config.data.size"]
    if not config["model"]["rematerialise"]:
        remedies.append("set --config.model.rematerialise=true")
    return (
        f"--config.batch_size={batch} --config.data.size={size}: the memory does not hold a step of {batch} pairs of "
        f"{size} x {size} pixels; {', or '.join(remedies)}; what was finished is kept"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
