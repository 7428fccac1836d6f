"""Files that somebody else may have made: what is read from them is data, and stays within their directory.

Nothing here runs what it reads. JSON is refused where it holds what Python's own reader takes and others fall over:
deep nesting, long integers, numbers that are not finite.
"""

import json
import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tsmu_jax.errors import UserError

MOST_BYTES = 2**28  # of a JSON file: the index of some 400,000 pairs
DEEPEST = 100  # levels of lists and objects; ours have fewer than ten
_DIGITS = 20  # characters of an integer: 64 bits and a sign
_LONGEST = 255  # bytes of a name, which no file system exceeds


def parse(data: str | bytes, *, finite: bool = True) -> Any:
    """Parses JSON.

    Args:
      finite: whether NaN, Infinity and numbers beyond a double's range are refused.

    Raises:
      ValueError: it is no JSON, or is nested too deeply, or holds a number that is too long or not finite.
    """
    try:
        value = json.loads(
            data,
            parse_int=_integer,
            parse_float=_finite if finite else None,
            parse_constant=_finite if finite else None,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level, depth = [value], 0
    while level:
        if depth >= DEEPEST:
            raise ValueError("nested too deeply")
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level, depth = [each for values in inner for each in values if isinstance(each, dict | list)], depth + 1
    return value


def read(path: Path) -> Any:
    """Parses a JSON file. Raises OSError or ValueError, also for one that is too large or no regular file."""
    if path.exists() and not path.is_file():
        raise ValueError("is no file")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"holds more than {MOST_BYTES / 2**20:.0f} MiB")
    return parse(data)


def read_or_refuse(path: Path, remedy: str) -> Any:
    """Parses a JSON file. Raises UserError with the remedy where it cannot be read."""
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); {remedy}") from error


def is_name(value: object) -> bool:
    """Whether a value names one file or folder: a text without a slash that is none of "", "." and ".."."""
    if not isinstance(value, str) or value in ("", ".", "..") or "\0" in value or Path(value).name != value:
        return False
    try:
        return len(value.encode()) <= _LONGEST
    except UnicodeEncodeError:  # surrogates
        return False


def names(values: Any, what: str) -> tuple[str, ...]:
    """The values of a list or an object's keys, each checked by `is_name`. Raises ValueError naming the first wrong."""
    for value in values:
        if not is_name(value):
            raise ValueError(f"{value!r:.100} is no name of {what}")
    return tuple(values)


def refuse_links(directory: Path, *, only: Collection[str] = ()) -> None:
    """Raises UserError where a link in a directory leads out of it, or something in it is no file.

    The directory itself may be a link. Nothing is read but names.

    Args:
      only: names of the entries to look at; all by default.
    """
    root, waiting = Path(os.path.realpath(directory)), [os.fspath(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                found = list(entries)
        except OSError:  # whoever reads it says why it cannot
            continue
        for entry in found:
            if only and os.path.dirname(entry.path) == os.fspath(directory) and entry.name not in only:
                continue
            if entry.is_symlink():
                target = Path(os.path.realpath(entry.path))
                if not target.is_relative_to(root):
                    remedy = "put what it leads to in its place, or remove it"
                    raise UserError(f"{entry.path}: a link that leads out of {directory}; {remedy}")
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif not entry.is_file(follow_symlinks=False):
                raise UserError(f"{entry.path}: is neither a file nor a directory; remove it")


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"holds an integer of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"holds {text:.20}, which is no finite number")
    return value
