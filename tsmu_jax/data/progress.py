"""Progress of long work over many items, with the time left, as lines on standard error."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def reported(items: Iterable[Item], *, total: int | None, what: str, every_s: float = 3.0) -> Iterator[Item]:
    """Passes `items` on; work that takes longer than `every_s` says so every `every_s` seconds.

    Args: total: their number, None where nobody knows it.
    """
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= every_s and done != total:
            last = now
            left = "" if total is None else f" of {total}, {(now - start) / done * (total - done):.0f} s left"
            print(f"{what}: {done}{left}", file=sys.stderr, flush=True)
