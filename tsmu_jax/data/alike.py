"""Names of files that look alike to people, and not to a program: accents coded otherwise, upper and lower case."""

import unicodedata
from collections.abc import Collection
from pathlib import Path

from tsmu_jax.data import names

Group = dict[names.Role, tuple[Path, names.FileName]]


def composed(text: str) -> str:
    """A text whose accents are parts of their letters (NFC); archives made on a Mac have them apart."""
    return unicodedata.normalize("NFC", text)


def second(name: str, other: str, role: str) -> str:
    """Says what is wrong where two files of a pair have one role, and how to tell names that look the same apart."""
    if name != other and composed(name) == composed(other):
        return f"looks like {ascii(other)}, and is {ascii(name)}; give one of them another name"
    return f"has a second {role} file beside {other}; keep one"


def in_other_case(pair_id: str, others: Collection[str]) -> str | None:
    """Another id that differs by upper and lower case alone."""
    return next((one for one in others if one != pair_id and one.casefold() == pair_id.casefold()), None)


def rename(path: Path, pair_id: str, other: Path, other_id: str) -> str:
    """Says how to make a file belong to the pair of another one."""
    better = other_id + path.name[len(pair_id) :] if path.name.startswith(pair_id) else f"<...>{other_id}<...>"
    return f"{other.name} differs by upper and lower case: rename {path.name} to {better}"
