"""What people decide about landslides: every importer's decisions become rows of `decisions`, in one transaction.

The triggers of the inventory (`qgis/audit.sql`) do the rest, for these rows as for edits in QGIS: they change the
landslide's outline and the state of its review, which two reviewers who disagree leave `disputed`.
"""

import collections
import datetime
import hashlib
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tsmu_jax.errors import UserError
from tsmu_jax.inventory import geopackage, measures, schema

VERDICTS = ("accepted", "edited", "rejected", "unsure", "drawn", "undone")
STATUSES = ("unreviewed", "accepted", "edited", "rejected", "unsure", "disputed")
_NAMES = uuid.UUID("b7d2a5f4-5b3c-5d0e-8a55-1f6f0f3f9d21")  # namespace of the version 5 UUIDs that name decisions


class Decision(NamedTuple):
    """What somebody decided about a landslide.

    Attributes:
      landslide: its uuid.
      verdict: one of VERDICTS.
      decided_at: UTC with milliseconds, as `moment` writes it.
      source: "page" or "labelme".
      seen: the landslide's review_status as the reviewer saw it.
      before, after: outlines as a GeoPackage holds them, where the decision changes the outline.
    """

    landslide: str
    verdict: str
    reviewer: str
    decided_at: str
    source: str
    seen: str | None = None
    before: bytes | None = None
    after: bytes | None = None
    reason: str | None = None

    @property
    def uuid(self) -> str:
        """The same for the same decision: it comes into an inventory once."""
        outline = hashlib.sha256(self.after).hexdigest() if self.after else ""
        said = (self.landslide, self.verdict, self.reviewer, self.decided_at, self.source, outline)
        return str(uuid.uuid5(_NAMES, "\n".join(said)))


class Decided(NamedTuple):
    """What became of decisions.

    Attributes:
      new: by verdict, how many were written.
      known: how many the inventory had already.
      gone: landslides that the inventory no longer has; their decisions are left out.
      disputed: landslides among them that reviewers now disagree about.
      ground: pieces of reviewed ground that were written.
      notes: a line for each other thing that was left out.
    """

    new: Mapping[str, int]
    known: int
    gone: tuple[str, ...]
    disputed: int
    ground: int = 0
    notes: tuple[str, ...] = ()


def moment(when: datetime.datetime) -> str:
    """A time as decisions hold it. Texts of this form sort by time."""
    return when.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decide(inventory: Path, decisions: Sequence[Decision]) -> Decided:
    """Writes decisions into an inventory. Raises UserError where it cannot be changed; then it is as before."""
    with geopackage.transaction(inventory) as database:
        return write(database, decisions)


def write(database: sqlite3.Connection, decisions: Sequence[Decision]) -> Decided:
    """As `decide`, within a transaction that is open."""
    new: collections.Counter[str] = collections.Counter()
    gone: dict[str, None] = {}
    known, touched = 0, set()
    for one in sorted(decisions, key=lambda each: each.decided_at):
        touched.add(one.landslide)
        if database.execute("SELECT 1 FROM decisions WHERE uuid = ?", (one.uuid,)).fetchone():
            known += 1
            continue
        held = database.execute("SELECT geometry FROM landslides WHERE uuid = ?", (one.landslide,)).fetchone()
        if held is None:
            gone[one.landslide] = None
            continue
        before, after = _taken_back(database, one, held[0]) if one.verdict == "undone" else (one.before, one.after)
        row = {
            "uuid": one.uuid,
            "landslide": one.landslide,
            "verdict": one.verdict,
            "seen": one.seen,
            "reviewer": one.reviewer,
            "decided_at": one.decided_at,
            "source": one.source,
            "geometry_before": before,
            "geometry_after": after,
            "reason": one.reason,
        }
        geopackage.upsert(database, schema.DECISIONS, row)
        new[one.verdict] += 1
    measures.complete(database)
    disputed = database.execute("SELECT uuid FROM landslides WHERE review_status = 'disputed'").fetchall()
    return Decided(new, known, tuple(gone), len(touched & {name for (name,) in disputed}))


def refuse_gone(done: Decided, said: str) -> None:
    """Raises UserError where decisions are about landslides that are gone. Args: said: the flag that named them."""
    if done.gone:
        first, more = done.gone[0], f" and {len(done.gone) - 1} more" if len(done.gone) > 1 else ""
        raise UserError(f"{said}: landslide {first}{more} is no longer in the inventory; leave it out with --skip_gone")


def _taken_back(database: sqlite3.Connection, one: Decision, geometry: bytes) -> tuple[bytes | None, bytes | None]:
    """Outlines before and after an undoing: it gives back the outline that the same reviewer had changed last."""
    last = database.execute(
        "SELECT geometry_before, geometry_after FROM tsmu_votes "
        "WHERE landslide = ? AND coalesce(reviewer, '') = ? AND decided_at < ?",
        (one.landslide, one.reviewer, one.decided_at),
    ).fetchone()
    if last is None or last[0] is None or last[1] != geometry:
        return None, None
    return geometry, last[0]
