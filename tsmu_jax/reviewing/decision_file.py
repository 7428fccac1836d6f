"""The file that the page saves: decisions of one inventory's landslides, checked before any of them counts."""

import datetime
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsmu_jax import untrusted
from tsmu_jax.errors import UserError
from tsmu_jax.inventory import deciding, geopackage
from tsmu_jax.inventory.deciding import Decided, Decision

FORMAT = "tsmu_jax decisions"
SCHEMA = 1
SOURCE = "page"
_ON_PAGE = ("accepted", "rejected", "unsure", "undone")
_LONGEST = {"reviewer": 100, "reason": 1000}
_FIRST = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_AHEAD = datetime.timedelta(days=1)  # by which a reviewer's clock may be fast


def read(path: Path, now: datetime.datetime | None = None) -> tuple[str, list[Decision]]:
    """The name of the inventory, and the decisions, in the file's order.

    Args: now: the time; the machine's by default.

    Raises:
      UserError: it is no such file, of a newer release, or a decision makes no sense.
    """
    content = untrusted.read_or_refuse(path, "name a file that the page saved")
    said = f"--decisions={path}"
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{said}: holds no decisions; name a file that the page saved")
    schema = content.get("schema")
    if type(schema) is not int or schema < 1:
        raise UserError(f"{said}: does not say its schema; save it again from the page")
    if schema > SCHEMA:
        raise UserError(f"{said}: is of a newer release; update tsmu_jax")
    inventory, decisions = content.get("inventory"), content.get("decisions")
    if not isinstance(inventory, str) or not isinstance(decisions, list):
        raise UserError(f"{said}: names no inventory, or has no list of decisions; save it again from the page")
    latest = (now or datetime.datetime.now(datetime.UTC)) + _AHEAD
    found = []
    for number, one in enumerate(decisions, 1):
        try:
            found.append(_decision(one, latest))
        except ValueError as error:
            raise UserError(f"{said}: decision {number}: {error}; mend it, or save the file again") from error
    return inventory, found


def bring_in(inventory: Path, path: Path, *, skip_gone: bool = False) -> Decided:
    """Writes a file's decisions into the inventory that it names, in one transaction.

    Args: skip_gone: leave out decisions about landslides that people have deleted since.

    Raises:
      UserError: as `read`, the file is another inventory's, or one of its landslides is gone; nothing is changed.
    """
    name, decisions = read(path)
    with geopackage.transaction(inventory) as database:
        (own,) = database.execute("SELECT value FROM tsmu_about WHERE name = 'id'").fetchone()
        if name != own:
            raise UserError(f"--decisions={path}: is about another inventory than {inventory}; name that one")
        done = deciding.write(database, decisions)
        if not skip_gone:
            deciding.refuse_gone(done, f"--decisions={path}")
        return done


def _decision(one: Any, latest: datetime.datetime) -> Decision:
    """Checks a decision. Raises ValueError saying what makes no sense."""
    if not isinstance(one, dict):
        raise ValueError("is no object")
    texts = {name: _text(one, name) for name in ("landslide", "verdict", "seen", "reviewer", "decided_at", "reason")}
    if texts["verdict"] not in _ON_PAGE:
        raise ValueError(f"verdict {texts['verdict']!r:.50} is none of {', '.join(_ON_PAGE)}")
    if texts["seen"] and texts["seen"] not in deciding.STATUSES:
        raise ValueError(f"seen {texts['seen']!r:.50} is none of {', '.join(deciding.STATUSES)}")
    try:
        uuid.UUID(texts["landslide"])
    except ValueError:
        raise ValueError(f"landslide {texts['landslide']!r:.50} is no uuid") from None
    reviewer = " ".join(texts["reviewer"].split())
    if not reviewer:
        raise ValueError("says no reviewer")
    reason = texts["reason"].strip() or None
    return Decision(
        texts["landslide"],
        texts["verdict"],
        reviewer,
        _moment(texts["decided_at"], latest),
        SOURCE,
        seen=texts["seen"] or None,
        reason=reason,
    )


def _text(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name, "")
    value = "" if value is None else value
    if not isinstance(value, str) or len(value) > _LONGEST.get(name, 100):
        raise ValueError(f"{name} is no text of up to {_LONGEST.get(name, 100)} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half a character") from None
    return value


def _moment(text: str, latest: datetime.datetime) -> str:
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"decided_at {text!r:.50} is no time") from None
    if when.tzinfo is None:
        raise ValueError(f"decided_at {text!r:.50} names no time zone")
    if when > latest:
        raise ValueError(f"decided_at {text!r:.50} lies in the future")
    if when < _FIRST:
        raise ValueError(f"decided_at {text!r:.50} lies before {_FIRST.year}")
    return deciding.moment(when)
