"""What a comparison of two inventories says: a file of all pairs, a table and sentences on the terminal."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from tsmu_jax import cells
from tsmu_jax.inventory import writing
from tsmu_jax.inventory.brackets import Bracket
from tsmu_jax.inventory.comparing import Comparison

COLUMNS = (
    "what",
    "objectid",
    "uuid",
    "other_id",
    "distance_m",
    "dates",
    "date_min",
    "date_max",
    "other_date_min",
    "other_date_max",
    "nearest_of_ours",
    "nearest_of_theirs",
    "tie",
    "longitude",
    "latitude",
)


def write(comparison: Comparison, output: Path, *, overwrite: bool) -> None:
    """Writes CSV: every pair, then the landslides of ours and of theirs without a match.

    Raises:
      UserError: the file is there and may not be replaced, or cannot be written.
    """
    with (
        writing.whole(output, overwrite=overwrite) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in _rows(comparison):
            writer.writerow([cells.safe(value) if isinstance(value, str) else value for value in row])


def _rows(known: Comparison) -> list[list[Any]]:
    matches, other = known.matches, known.other
    found = []
    for pair in matches.pairs:
        tie = pair.is_match and (pair.ours in matches.our_ties or pair.theirs in matches.their_ties)
        found.append(
            [
                "match" if pair.is_match else "dates apart",
                known.fids[pair.ours],
                known.uuids[pair.ours],
                other.ids[pair.theirs],
                f"{pair.distance_m:.2f}",
                pair.dates,
                *_days(known.dates[pair.ours]),
                *_days(other.dates[pair.theirs]),
                int(matches.our_best.get(pair.ours) == pair),
                int(matches.their_best.get(pair.theirs) == pair),
                int(tie),
                *_place(known.geometries[pair.ours]),
            ]
        )
    none: list[Any] = ["", "", ""]
    for index, (fid, uuid) in enumerate(zip(known.fids, known.uuids, strict=True)):
        if index not in matches.our_best:
            shape, days = known.geometries[index], _days(known.dates[index])
            found.append(["unmatched of ours", fid, uuid, "", "", "", *days, "", "", *none, *_place(shape)])
    for index, name in enumerate(other.ids):
        if index not in matches.their_best:
            what = "unmatched of theirs" if known.on_observed[index] else "not observed"
            days, shape = _days(other.dates[index]), other.geometries[index]
            found.append([what, "", "", name, "", "", "", "", *days, *none, *_place(shape)])
    return found


def _days(bracket: Bracket) -> list[str]:
    return [day.isoformat() if day else "" for day in bracket]


def _place(shape: Any) -> list[str]:
    inside = shape.representative_point()
    return [f"{(inside.x + 180) % 360 - 180:.6f}", f"{inside.y:.6f}"]


def table(known: Comparison) -> Table:
    """How many landslides match, both ways, for the terminal."""
    matches, other = known.matches, known.other
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("", no_wrap=True)
    for title in ("number", "matched", "share", "dates fit", "ties", "unmatched", "unobserved"):
        found.add_column(title, justify="right")
    ours, theirs = len(known.uuids), len(other.ids)
    for name, count, best, ties, outside in (
        ("ours", ours, matches.our_best, matches.our_ties, 0),
        ("theirs", theirs, matches.their_best, matches.their_ties, _outside(known)),
    ):
        share = f"{len(best) / count:.1%}" if count else "-"
        fit = sum(pair.dates == "meet" for pair in best.values())
        numbers = (count, len(best), share, fit, len(ties), count - len(best) - outside, outside)
        found.add_row(name, *map(str, numbers))
    return found


def _outside(known: Comparison) -> int:
    """Number of theirs without a match that lie where the inventory has observed nothing."""
    return sum(index not in known.matches.their_best for index in np.flatnonzero(~known.on_observed))


def sentences(known: Comparison) -> list[str]:
    """What the table does not say."""
    other, area = known.other, known.area
    found = []
    if apart := sum(not pair.is_match for pair in known.matches.pairs):
        found.append(f"Pairs that lie close enough, but whose dates exclude each other: {apart}.")
    if area and area.together_m2:
        share = area.shared_m2 / area.together_m2
        found.append(
            f"Degree of matching by area (intersection over union): {share:.1%}; {area.shared_m2:,.0f} m2 of "
            f"{area.ours_m2:,.0f} m2 here and {area.theirs_m2:,.0f} m2 there."
        )
    if undated := sum(not bracket.known for bracket in other.dates):
        found.append(
            f"Without a known date in the other: {undated}, of which {other.unreadable_dates} have one that cannot be "
            "read; they match by distance alone."
        )
    if undated := sum(not bracket.known for bracket in known.dates):
        found.append(f"Without a known date in this inventory: {undated}; they match by distance alone.")
    if other.left_out:
        found.append(f"Left out, without usable coordinates in the other: {other.left_out}.")
    return found
