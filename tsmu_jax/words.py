"""Words of messages."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

_ESCAPED = {"<": "&lt;", "&": "&amp;"}
_MARKDOWN = re.compile(r"[\\*|`<]|&(?=#?\w+;)|\](?=[(\[:])")


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun: "1 bad file", "2 bad files"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(text: str) -> str:
    """A text without what would break a line, move the cursor of a terminal or colour what follows."""
    line = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)


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


def escaped_markdown(words: str) -> str:
    """Underscores within words are safe in Markdown; bars in tables, stars, tags, links and entities are not.

    Brackets alone are: only what follows the second one makes a link of them.
    """
    return _MARKDOWN.sub(lambda found: _ESCAPED.get(found[0], f"\\{found[0]}"), " ".join(words.split()))


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()
