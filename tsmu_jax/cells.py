"""Texts in CSV files that spreadsheet programs show and do not run.

A cell that begins with one of these letters may be a formula there, which can call other programs. An apostrophe before
it makes it a text. One is put before an apostrophe, too, so that `original` undoes `safe` for every text.
"""

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def safe(text: str) -> str:
    """The cell that shows a text."""
    return f"'{text}" if text.startswith(_STARTS) else text


def original(cell: str) -> str:
    """The text that `safe` made a cell of, or one that an earlier release wrote as it was."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_STARTS) else cell
