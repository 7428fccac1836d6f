"""What the command says of a list of scenes before, while and after it is mapped."""

from collections.abc import Sequence
from pathlib import Path

from tsmu_jax.many.output import DAMAGED, FAILED, TABLE, Row
from tsmu_jax.runs.progress import duration
from tsmu_jax.words import counted, printable

_MOST = 20  # scenes that are named


def announced(scenes: int, mapped: int) -> str:
    """The number of scenes, and how many of them an earlier run has left."""
    return f"list: {counted(scenes, 'scene')}" + (f", {mapped} of them mapped already" if mapped else "")


def workers(number: int, address: str) -> str:
    """Who maps, and where to look on."""
    there = counted(number, "worker") if number else "no worker yet, scenes wait for the first one"
    return f"scheduler: {address}, {there}"


def closing(rows: Sequence[Row], target: Path, inventory: Path | None, seconds: float) -> str:
    """How many scenes were mapped, which were not and why, and where everything is."""
    wrong = [row for row in rows if row.error or row.status == DAMAGED]
    lines = [f"{row.name}: {row.status}{f': {printable(row.error)}' if row.error else ''}" for row in wrong[:_MOST]]
    if len(wrong) > _MOST:
        lines.append(f"and {len(wrong) - _MOST} more")
    failed, damaged = (sum(row.status == status for row in rows) for status in (FAILED, DAMAGED))
    outside = sum(row.status != FAILED and bool(row.error) for row in rows)
    more = f", {damaged} of them with ground that could not be read" if damaged else ""
    more += f", {outside} of them not in the inventory" if outside else ""
    more += f"; {failed} failed: the same command tries them again" if failed else ""
    found = sum(row.landslides or 0 for row in rows)
    lines.append(f"{counted(len(rows) - failed, 'scene')} of {len(rows)} mapped in {duration(seconds)}{more}")
    lines.append(f"{counted(found, 'landslide')} on all maps" + (f"; inventory: {inventory}" if inventory else ""))
    return "\n".join([*lines, f"table: {target / TABLE}"])
