"""One line for what a machine lacks: room on its disk, memory, the device that was asked for."""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tsmu_jax.errors import UserError

GO_ON = "what was finished is kept: make room and run the same command again"
NO_DEVICE = "{}: this machine has no such device that JAX can use; unset it, or set JAX_PLATFORMS=cpu"

_FULL = {errno.ENOSPC, errno.EDQUOT}
_SAYS_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_PATH = re.compile(r"[\"'`](/[^\"'`\n]+)[\"'`]")
_NO_BACKEND = re.compile(r"unable to initialize backend '(\w+)'|unknown backend:? '?(\w+)", re.IGNORECASE)
_NO_MEMORY = re.compile(r"RESOURCE_EXHAUSTED|out of memory|failed to allocate|unable to allocate", re.IGNORECASE)


def is_utf8(name: str) -> bool:
    """Whether a name of the file system is UTF-8: Python stands in for other bytes with surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


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


def explained(error: BaseException, *, place: str = "", config: Mapping[str, Any] | None = None) -> str | None:
    """What is wrong and what to do, on one line; None where the machine is not to blame.

    Args:
      place: where the program writes, for errors that name no file.
      config: of the training, if there is one.
    """
    for each in _chain(error):
        said = str(each)
        if (isinstance(each, OSError) and each.errno in _FULL) or _SAYS_FULL.search(said):
            named = _PATH.search(said)
            path = getattr(each, "filename", None) or (named[1] if named else place) or "a file"
            return f"{path}: there is no room left on its disk; {GO_ON}"
        if isinstance(each, UnicodeEncodeError) and "surrogates" in each.reason:
            return f"{each.object[:200]!r}: holds a name that is not UTF-8; rename the file or directory"
    for each in _chain(error):
        if isinstance(each, RuntimeError) and (found := _NO_BACKEND.search(str(each))):
            asked = os.environ.get("JAX_PLATFORMS")
            wanted = f"JAX_PLATFORMS={asked}" if asked else found[1] or found[2]
            return NO_DEVICE.format(wanted)
        if isinstance(each, MemoryError) or _NO_MEMORY.search(str(each)):
            return _too_large(config)
    return None


def _too_large(config: Mapping[str, Any] | None) -> str:
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
