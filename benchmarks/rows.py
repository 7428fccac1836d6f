"""Findings of a benchmark, as a table, as JSON, and beside recorded ones."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Measured

RECORDED = Path(__file__).with_name("recorded.json")
SLACK = 1.2  # a ratio may be worse by 20 % before it counts: two runs on one machine differ by about 10


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table. Less is better, of `ours` as of the ratio.

    Attributes:
      name: of the work, with all that the numbers depend on; the same in every run.
      unit: of `ours` and `peer`.
      ours: what was measured; None where it could not be.
      peer: what it is measured against, in the same run; None where there is nothing like it.
      against: what the peer is.
      target: the most that the ratio shall be.
      limit: the most that `ours` shall be, where the target is not a ratio.
      note: what a reader of the numbers has to know.
    """

    name: str
    unit: str
    ours: float | None
    peer: float | None = None
    against: str = ""
    target: float | None = None
    limit: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return None if self.ours is None or not self.peer else self.ours / self.peer

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none, or no number."""
        found, most = (self.ratio, self.target) if self.target is not None else (self.ours, self.limit)
        return None if found is None or most is None else found <= most


def beside(
    name: str, ours: Measured, peers: Sequence[Measured], *, target: float | None = None, per: float = 1.0
) -> list[Row]:
    """A row of `ours` beside each peer, and if there are several, one beside the best of them, which has the target.

    Args:
      per: what the seconds are divided by, so that they are seconds a pair.
    """
    present = [peer for peer in peers if not peer.missing]
    rows = []
    for peer in peers:
        best = len(present) > 0 and peer is min(present, key=lambda each: each.median)
        rows.append(
            Row(
                f"{name}, against {peer.name}",
                "s",
                ours.median / per,
                None if peer.missing else peer.median / per,
                against=peer.name,
                target=target if best else None,
                note=peer.missing or spread(ours, peer),
            )
        )
    return rows


def spread(*measured: Measured) -> str:
    """Fastest and slowest run of each, relative to its median: how far a ratio can be trusted."""
    ranges = (f"{min(m.seconds) / m.median:.2f}-{max(m.seconds) / m.median:.2f}" for m in measured)
    return "runs " + ", ".join(ranges)


def markdown(rows: Iterable[Row]) -> str:
    """The table."""
    lines = ["| work | ours | peer | against | ratio | target | met | |", "|---|---:|---:|---|---:|---:|---|---|"]
    for row in rows:
        target = f"{row.target:g} x" if row.target is not None else _number(row.limit, row.unit)
        met = {None: "", True: "yes", False: "no"}[row.met]
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        cells = [row.name, _number(row.ours, row.unit), _number(row.peer, row.unit), row.against or "-", ratio]
        lines.append(f"| {' | '.join([*cells, target, met, row.note.replace('|', '/')])} |")
    return "\n".join(lines)


def _number(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:.3g} {unit}".strip()


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The same as plain values."""
    return [dataclasses.asdict(row) | {"ratio": row.ratio, "met": row.met} for row in rows]


def regressions(rows: Iterable[Row], recorded: Path) -> list[str]:
    """One sentence for each ratio that is worse than the recorded one by more than SLACK allows.

    Below a tenth of its target a ratio may wander: a wait of microseconds is no regression of one of nanoseconds.
    """
    before = {entry["name"]: entry["ratio"] for entry in json.loads(recorded.read_text())} if recorded.exists() else {}
    return [
        f"{row.name}: ratio {row.ratio:.2f}, recorded {before[row.name]:.2f}"
        for row in rows
        if row.ratio is not None
        and before.get(row.name) is not None
        and row.ratio > SLACK * max(before[row.name], (row.target or 0.0) / 10)
    ]


def store(rows: Iterable[Row], recorded: Path) -> None:
    """Makes these rows what later ones are compared with; those of other work, and of what failed now, stay."""
    before = {entry["name"]: entry for entry in json.loads(recorded.read_text())} if recorded.exists() else {}
    known = {name for name, entry in before.items() if entry["ratio"] is not None}
    measured = [row for row in rows if row.ours is not None and (row.ratio is not None or row.name not in known)]
    entries = before | {entry["name"]: entry for entry in as_json(measured)}
    recorded.write_text(json.dumps(list(entries.values()), indent=1, allow_nan=False) + "\n")
