"""Size and SHA-256 of files, kept in the JSON record beside them: damage is named, and never read as numbers."""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError

FILES, DIGEST = "files", "digest"  # what `sealed` adds to a record

Files = Mapping[str, tuple[int, str]]  # {path below the directory: (bytes, SHA-256)}


def taken(directory: Path, *parts: str) -> dict[str, tuple[int, str]]:
    """Takes the size and the SHA-256 of files; a part that does not exist is left out.

    Args:
      parts: names of files, or of directories, of which all files count.
    """
    paths = [path for part in parts for path in (directory / part, *sorted((directory / part).rglob("*")))]
    return {path.relative_to(directory).as_posix(): _of(path) for path in paths if path.is_file()}


def damage(directory: Path, files: Files, *, largest: float = math.inf) -> str | None:
    """Names the first file that is not as `taken` found it, and what is wrong with it; None where all are.

    Args:
      largest: bytes of a file; of larger ones the size alone is looked at.
    """
    for name, (size, digest) in files.items():
        path = directory / name
        try:
            found = path.stat().st_size
            if found != size:
                return f"{path}: {found} bytes instead of {size}"
            if size <= largest and _of(path)[1] != digest:
                return f"{path}: has changed since it was written"
        except OSError as error:
            return f"{path}: cannot be read ({error.strerror})"
    return None


def sealed(record: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """The record with the digests of the files beside it, and with its own."""
    whole = json.loads(json.dumps({**record, FILES: files} if files else record))
    return {**whole, DIGEST: _of_record(whole)}


def read(path: Path, *, required: Collection[str] = ()) -> tuple[dict[str, Any], dict[str, tuple[int, str]]]:
    """Reads a record that was sealed, or that an earlier release wrote without digests.

    Returns:
      The record as it was before it was sealed, and the digests of the files beside it.

    Raises:
      ValueError: it is no JSON, lacks one of the keys, or has changed; names the file and what is wrong.
    """
    try:
        whole = untrusted.read(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    try:
        return opened(whole, required=required)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def opened(whole: Any, *, required: Collection[str] = ()) -> tuple[dict[str, Any], dict[str, tuple[int, str]]]:
    """Like `read`, of what the JSON holds. Raises ValueError, which says what is wrong."""
    if not isinstance(whole, dict):
        raise ValueError("holds no record")
    digest, record = whole.get(DIGEST), {key: value for key, value in whole.items() if key != DIGEST}
    if digest is not None and digest != _of_record(record):
        raise ValueError("has changed since it was written")
    missing = sorted(set(required) - set(record))
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}")
    return record, listed(record.pop(FILES, {}) if digest is not None else {})


def listed(files: Any) -> dict[str, tuple[int, str]]:
    """Files as a record lists them. Raises ValueError where that is no list of files in its directory."""
    try:
        return {_inside(name): (int(size), str(found)) for name, (size, found) in files.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"lists its files otherwise than it is written ({error})") from error


def read_or_refuse(path: Path, *, remedy: str) -> dict[str, Any]:
    """Reads a record as `read` does.

    Args:
      remedy: what to do where it is damaged.

    Raises:
      UserError: it is damaged; names the file and the remedy.
    """
    try:
        return read(path)[0]
    except ValueError as error:
        raise UserError(f"{error}; {remedy}") from error


def damaged(what: object, directory: Path, *, anew: str) -> UserError:
    """The error for a damaged file of a run or a map.

    Args:
      what: names the file, and what is wrong with it.
      directory: to be removed.
      anew: what the same command does again then, as "trains the phase".
    """
    return UserError(f"{what}; remove {directory} and run the same command again: it {anew} anew")


def _inside(name: str) -> str:
    """A path below the directory. Raises ValueError for any other."""
    if not all(untrusted.is_name(part) for part in name.split("/")):
        raise ValueError(f"{name!r:.100} is not in its directory")
    return name


def _of(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _of_record(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
