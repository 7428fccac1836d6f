"""Dates as catalogues write them become brackets; what can be read in no way, or in several, is unknown."""

import datetime

import pytest

from tsmu_jax.inventory import brackets
from tsmu_jax.inventory.brackets import OPEN, Bracket


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1997", "1997-01-01", "1997-12-31"),
        ("3/2/1998", "1998-03-02", "1998-03-02"),
        ("02/15/2018 03:51:00 PM", "2018-02-15", "2018-02-15"),
        ("1998-03-02T10:00:00+00:00", "1998-03-02", "1998-03-02"),
        ("1998-03-02 00:00:00", "1998-03-02", "1998-03-02"),
        ("1998/03/02", "1998-03-02", "1998-03-02"),
        ("19980302", "1998-03-02", "1998-03-02"),
        ("February 1996", "1996-02-01", "1996-02-29"),
        ("03/1998", "1998-03-01", "1998-03-31"),
        ("2 Mar 1998", "1998-03-02", "1998-03-02"),
        ("March 2, 1998", "1998-03-02", "1998-03-02"),
        ("1997-1998", "1997-01-01", "1998-12-31"),
        ("12/30/1996 - 1/5/1997", "1996-12-30", "1997-01-05"),
        ("12/30/1996-1/5/1997", "1996-12-30", "1997-01-05"),
        ("2024-05-01/2024-06-01", "2024-05-01", "2024-06-01"),
        ("May 2023 to 2024", "2023-05-01", "2024-12-31"),
        ("1990s", "1990-01-01", "1999-12-31"),
        ("before 1998", None, "1998-12-31"),
        ("since 3/2/1998", "1998-03-02", None),
    ],
)
def test_dates_that_can_be_read(text: str, first: str | None, last: str | None) -> None:
    found = brackets.parse(f" {text} ")
    assert found is not None and found.known
    assert tuple(day and day.isoformat() for day in found) == (first, last)


@pytest.mark.parametrize(
    "text",
    ["circa 1997", "25/3/1998", "3/2/98", "winter 1996", "1998-1997", "12", "10000", "9999", "13/1998", "1996/1997"],
)
def test_dates_that_cannot_be_read_are_not_guessed(text: str) -> None:
    assert brackets.parse(text) is None and not brackets.is_unknown(text)


@pytest.mark.parametrize("text", ["", "Unknown", " N/A ", "0", "-9999", "null"])
def test_what_says_that_nothing_is_known(text: str) -> None:
    assert brackets.parse(text) is None and brackets.is_unknown(text)


def day(number: int) -> datetime.date:
    return datetime.date(2024, 5, number)


def test_brackets_meet_with_a_day_to_spare() -> None:
    images = Bracket(day(10), day(20))
    assert brackets.meet(images, Bracket(day(20), day(25))) and brackets.meet(Bracket(day(1), day(10)), images)
    assert brackets.meet(images, Bracket(day(21), day(21)))  # local time there is not UTC
    assert not brackets.meet(images, Bracket(day(22), day(22))) and not brackets.meet(Bracket(day(8), day(8)), images)
    assert brackets.meet(images, Bracket(None, day(12))) and not brackets.meet(images, Bracket(None, day(8)))
    assert brackets.meet(images, OPEN) and not OPEN.known


def test_the_bracket_of_two_images() -> None:
    times = ("2024-05-01T00:00:00+00:00", "2024-06-01T10:00:00+00:00")
    assert brackets.between(*times) == Bracket(day(1), datetime.date(2024, 6, 1))
    assert brackets.between(None, times[1]) == Bracket(None, datetime.date(2024, 6, 1))
    assert brackets.between("soon", None) == OPEN
