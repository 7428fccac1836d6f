"""What this process keeps of a call."""

import gc
import sys
from collections.abc import Callable


def kept(call: Callable[[], object], *, calls: int = 10, warm: int = 3) -> float:
    """Python's memory blocks that stay behind after each call, once a few calls have filled what is filled once."""
    for _ in range(warm):
        call()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(calls):
        call()
    gc.collect()
    return (sys.getallocatedblocks() - before) / calls
