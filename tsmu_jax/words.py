"""Words of messages."""

import difflib
import unicodedata
from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun: "1 bad file", "2 bad files"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that somebody may have meant, whatever its case and the coding of its accents."""
    folded = {_folded(one): one for one in known}
    found = difflib.get_close_matches(_folded(word), folded, n=1)
    return folded[found[0]] if found else None


def guess(word: str, known: Iterable[str]) -> str:
    """Asks whether somebody meant another ecoregion; nothing where no name is near."""
    near = nearest(word, known)
    if near is None:
        return ""
    if unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", word):
        return f"{near!r} looks the same, its accents are coded otherwise: rename that folder to {word!r}"
    return f"did you mean {near!r}?"


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()
