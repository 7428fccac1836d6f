"""Names of files that look alike to people, and not to a program: accents coded otherwise, upper and lower case."""

import collections
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from tsmu_jax.data import names

Group = dict[names.Role, tuple[Path, names.FileName]]


def composed(text: str) -> str:
    """A text whose accents are parts of their letters (NFC); archives made on a Mac have them apart."""
    return unicodedata.normalize("NFC", text)


def merged(groups: Mapping[str, Group]) -> tuple[dict[str, Group], dict[str, tuple[Path, str]]]:
    """Joins groups of files whose ids look the same, where they complete one another.

    Args:
      groups: files of each pair by role, by id.

    Returns:
      Groups, and by id those that are left out: a file, and what is wrong with it.
    """
    found: dict[str, Group] = {}
    wrong = {}
    for same in _by(groups, composed):
        roles = collections.Counter(role for pair_id in same for role in groups[pair_id])
        if not roles or max(roles.values()) == 1:
            whole = same[0] if len(same) == 1 else composed(same[0])
            found[whole] = {role: file for pair_id in same for role, file in groups[pair_id].items()}
            continue
        role = roles.most_common(1)[0][0]
        first, second = [groups[pair_id][role][0] for pair_id in same if role in groups[pair_id]][:2]
        reason = f"looks like {ascii(first.name)}, and is {ascii(second.name)}; give one of them another name"
        wrong[same[0]] = second, reason
    return found, wrong


def in_other_case(pair_id: str, others: Collection[str]) -> str | None:
    """Another id that differs by upper and lower case alone."""
    return next((one for one in others if one != pair_id and one.casefold() == pair_id.casefold()), None)


def rename(path: Path, pair_id: str, other: Path, other_id: str) -> str:
    """Says how to make a file belong to the pair of another one."""
    better = other_id + path.name[len(pair_id) :] if path.name.startswith(pair_id) else f"<...>{other_id}<...>"
    return f"{other.name} differs by upper and lower case: rename {path.name} to {better}"


def _by(ids: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for one in ids:
        found.setdefault(key(one), []).append(one)
    return list(found.values())
