"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun: "1 bad file", "2 bad files"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
