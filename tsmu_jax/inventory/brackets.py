"""When a landslide happened, as catalogues write it: a day, a month, a year, a range, or nothing that can be read."""

import calendar
import datetime
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%m-%d-%Y", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y")
_MONTHS = ("%Y-%m", "%m/%Y", "%B %Y", "%b %Y")
_UNKNOWN = {"", "-", "?", "0", "-9999", "na", "n/a", "nan", "nat", "none", "null", "unknown", "undated", "unk"}
_YEARS = (1500, 2200)  # others are no years of landslides, but codes
_TIME = re.compile(r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AP]M)?( ?(Z|[+-]\d{2}:?\d{2}))?$", re.IGNORECASE)
_RANGE = re.compile(r"(.+?)(?: - | to |–|(?<=\d-\d\d)/(?=\d{4}-\d\d)|(?<=\d{4})-(?=\d{4}$)|(?<=/\d{4})-)(.+)")
_BEFORE = re.compile(r"(?:before|pre|prior to|<)[ -]?(.+)", re.IGNORECASE)
_AFTER = re.compile(r"(?:after|since|post|>)[ -]?(.+)", re.IGNORECASE)
_DAY = datetime.timedelta(days=1)


class Bracket(NamedTuple):
    """The event lies between two days, both included; None where there is no bound."""

    first: datetime.date | None
    last: datetime.date | None

    @property
    def known(self) -> bool:
        """Whether there is a bound at all."""
        return self.first is not None or self.last is not None


OPEN = Bracket(None, None)


def is_unknown(text: str) -> bool:
    """Whether a text says that no date is known, as an empty one does."""
    return text.strip().lower() in _UNKNOWN


def parse(text: str) -> Bracket | None:
    """Reads a date: numbers between slashes are month, day and year, as the USGS writes them.

    Returns:
      None where nothing is known, and where the text can be read in no way or in several.
    """
    text = " ".join(text.split())
    if is_unknown(text):
        return None
    if found := _single(text):
        return found
    if (parts := _RANGE.fullmatch(text)) and (first := _single(parts[1])) and (last := _single(parts[2])):
        return Bracket(first.first, last.last) if first.first <= last.last else None  # type: ignore[operator]
    if (parts := _BEFORE.fullmatch(text)) and (found := _single(parts[1])):
        return Bracket(None, found.last)
    if (parts := _AFTER.fullmatch(text)) and (found := _single(parts[1])):
        return Bracket(found.first, None)
    return None


def between(first: Any, last: Any) -> Bracket:
    """The bracket of two texts, such as the dates of two images; one that cannot be read is no bound."""
    early, late = (parse(str(value)) if value is not None else None for value in (first, last))
    return Bracket(early.first if early else None, late.last if late else None)


def of_landslide(date: str | None, first: Any, last: Any) -> Bracket:
    """The date of the event where somebody gave one that can be read, else that of the images."""
    return parse(date or "") or between(first, last)


def meet(one: Bracket, other: Bracket) -> bool:
    """Whether one event can lie in both: a day is allowed for, since catalogues name days of local time, images UTC."""
    return _not_after(one.first, other.last) and _not_after(other.first, one.last)


def _not_after(first: datetime.date | None, last: datetime.date | None) -> bool:
    return first is None or last is None or first <= last + _DAY


def _single(text: str) -> Bracket | None:
    text = _TIME.sub("", text.strip())
    if re.fullmatch(r"\d{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if re.fullmatch(r"\d{4}s", text):
        return _plausible(datetime.date(int(text[:4]), 1, 1), datetime.date(int(text[:4]) + 9, 12, 31))
    for day in _read(text, _DAYS):
        return _plausible(day, day)
    for month in _read(text, _MONTHS):
        return _plausible(month, month.replace(day=calendar.monthrange(month.year, month.month)[1]))
    for year in _read(text, ("%Y",)):
        return _plausible(year, year.replace(month=12, day=31))
    return None


def _read(text: str, forms: tuple[str, ...]) -> Iterator[datetime.date]:
    for form in forms:
        try:
            yield datetime.datetime.strptime(f"{text} +0000", f"{form} %z").date()
        except ValueError:
            continue


def _plausible(first: datetime.date, last: datetime.date) -> Bracket | None:
    return Bracket(first, last) if _YEARS[0] <= first.year and last.year <= _YEARS[1] else None
