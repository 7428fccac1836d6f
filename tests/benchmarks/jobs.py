"""What the tests let candidates' processes do; plain, so that the processes start at once."""

import os
import sys
import time
from pathlib import Path

from benchmarks.worker import Job


def writing(path: str, word: str, warmup: int = 1, lead: int = 0) -> Job:
    def run() -> None:
        with Path(path).open("a") as file:
            file.write(f"{word} ")

    return Job(run, warmup, facts=lambda: {"word": word, "level": os.environ.get("LEVEL")}, lead=lead)


def sleeping(seconds: float) -> Job:
    return Job(lambda: time.sleep(seconds))


def counting(seconds: float) -> Job:
    return Job(lambda: seconds)


def holding(mebibytes: int) -> Job:
    return Job(lambda: bytes(range(256)) * (4096 * mebibytes) and None)


def talking() -> Job:
    print("to standard output, before")
    return Job(lambda: print("and in between", flush=True))


def impossible() -> Job:
    raise ValueError("no compiler\nfound anywhere")


def dying() -> Job:
    def run() -> None:
        print("out of memory", file=sys.stderr, flush=True)
        os._exit(9)

    return Job(run, warmup=0)
