"""What the command says of a list of scenes before, while and after it is mapped."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tsmu_jax.many.output import DAMAGED, FAILED, MAPPED, TABLE, Row
from tsmu_jax.runs.progress import duration
from tsmu_jax.words import counted, printable

KINDS = ("new", "known", "superseded", "unseen")  # of landslides, by what the inventory did with them
_MOST = 20  # scenes that are named
_WIDE = 4000  # characters of a line in a file, where a terminal would fold it


def announced(scenes: int, mapped: int) -> str:
    """The number of scenes, and how many of them an earlier run has left."""
    return f"list: {counted(scenes, 'scene')}" + (f", {mapped} of them mapped already" if mapped else "")


def workers(number: int, address: str) -> str:
    """Who maps, and where to look on."""
    there = counted(number, "worker") if number else "no worker yet, scenes wait for the first one"
    return f"scheduler: {address}, {there}"


def console() -> Console:
    """Standard output. Files get whole lines, however long."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDE)


def outcomes(rows: Sequence[Row], added: Mapping[tuple[str, str], int] | None) -> Table:
    """How many scenes ended how, with their landslides and the seconds that workers took.

    Args: added: numbers of landslides by the scene's status and one of KINDS; None without an inventory.
    """
    kinds = () if added is None else KINDS
    found = _table("scenes", numbers=("number", "landslides", *kinds, "seconds"))
    present = [status for status in (MAPPED, DAMAGED, FAILED) if any(row.status == status for row in rows)]
    for name, which in [*((status, (status,)) for status in present), *([("all", present)] if present[1:] else [])]:
        own = [row for row in rows if row.status in which]
        known = [(added or {}).get((status, kind), 0) for kind in kinds for status in which]
        sums = [sum(known[at : at + len(which)]) for at in range(0, len(known), len(which))]
        numbers = (len(own), sum(row.landslides or 0 for row in own), *sums)
        found.add_row(name, *map(str, numbers), f"{sum(row.seconds or 0.0 for row in own):.1f}")
    return found


def faults(rows: Sequence[Row]) -> Table | None:
    """The first scenes that failed, that have damaged ground or are not in the inventory, each with the reason."""
    wrong = [row for row in rows if row.error or row.status == DAMAGED]
    if not wrong:
        return None
    found = _table("scene", "outcome", "reason")
    for row in wrong[:_MOST]:
        reason = printable(row.error) or "a part of its images could not be read"
        found.add_row(Text(printable(row.name)), row.status, Text(reason, overflow="fold"))
    if len(wrong) > _MOST:
        found.add_row(f"and {len(wrong) - _MOST} more", "", f"see {TABLE}")
    return found


def sentences(rows: Sequence[Row], target: Path, inventory: Path | None, seconds: float) -> Iterator[str]:
    """What the tables do not say: how long all took, what to do about failed scenes, and where everything is."""
    failed, damaged = (sum(row.status == status for row in rows) for status in (FAILED, DAMAGED))
    outside = sum(row.status != FAILED and bool(row.error) for row in rows)
    more = f", {damaged} of them with ground that could not be read" if damaged else ""
    more += f", {outside} of them not in the inventory" if outside else ""
    more += f"; {failed} failed: the same command tries them again" if failed else ""
    yield f"{counted(len(rows) - failed, 'scene')} of {len(rows)} mapped in {duration(seconds)}{more}"
    found = sum(row.landslides or 0 for row in rows)
    yield f"{counted(found, 'landslide')} on all maps" + (f"; inventory: {inventory}" if inventory else "")
    yield f"table: {target / TABLE}"


def _table(*texts: str, numbers: Sequence[str] = ()) -> Table:
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in texts:
        found.add_column(title)
    for title in numbers:
        found.add_column(title, justify="right")
    return found
