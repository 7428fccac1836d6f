"""When the images of a scene were taken: as the user says, or as the paper's names do."""

import datetime
from pathlib import Path

from tsmu_jax.data import names
from tsmu_jax.errors import UserError
from tsmu_jax.inventory.rows import Dates


def read(pre_date: str | None, post_date: str | None, *, pre: str | None, post: str | None) -> Dates:
    """The dates of a scene, in UTC.

    Args:
      pre_date, post_date: ISO 8601, a day or a time; a time without a zone is in UTC.
      pre, post: the files, whose names may hold dates that were not given.

    Raises:
      UserError: one is no date, or the earlier image is not earlier.
    """
    before = _utc("pre_date", pre_date) or _of_name(pre)
    after = _utc("post_date", post_date) or _of_name(post)
    if before and after and before >= after:
        raise UserError(f"--pre_date={before}: is not before --post_date={after}; give the earlier image as --pre")
    return Dates(before, after)


def _utc(flag: str, text: str | None) -> str | None:
    if not text:
        return None
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"--{flag}={text}: is no date; give it as 2024-05-01 or 2024-05-01T10:30Z") from error
    zoned = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return zoned.astimezone(datetime.UTC).isoformat(timespec="seconds")


def _of_name(path: str | None) -> str | None:
    """The date in a name of the paper's; None where there is none, or it is no date."""
    try:
        named = names.parse(Path(path).name) if path else None
        if named and named.date:
            return datetime.datetime.strptime(f"{named.date}+0000", "%Y%m%d%z").isoformat(timespec="seconds")
    except ValueError:
        pass
    return None
