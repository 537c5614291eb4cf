"""The time that a record names: RFC 3339, epoch seconds or finer, and the clocks of text logs.

A time without a zone is read as UTC. An unreadable one is None: it must not cost the event.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from mithaq.telemetry.parsers.paths import value_at

_MICROSECONDS: Final = 1e14
_NANOSECONDS: Final = 1e17
_MILLISECONDS: Final = 1e11
"""Seconds reach this number in the year 5138; a larger number counts milliseconds, and so on."""

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_AHEAD: Final = timedelta(days=2)
"""A log's clock without a year is at most so far ahead of its reader's."""


def first_time(record: Mapping[str, object], paths: Iterable[str]) -> datetime | None:
    """Return the first of these fields that holds a time; one that is there and unreadable ends the search."""
    for path in paths:
        value = record[path] if path in record else value_at(record, path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return from_epoch(value)
        if isinstance(value, str) and value:
            return from_text(value)
    return None


def from_epoch(value: float) -> datetime | None:
    """Read seconds, milliseconds, microseconds or nanoseconds since 1970, by their size."""
    if value > _MILLISECONDS:
        value /= 1e9 if value > _NANOSECONDS else 1e6 if value > _MICROSECONDS else 1e3
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def from_text(value: str) -> datetime | None:
    """Read ISO 8601 in any of its spellings, or a number."""
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is UTC:
            return at
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        return from_epoch(float(value))
    except ValueError:
        return None


def from_clf(value: str) -> datetime | None:
    """Read the clock of web servers.

    >>> from_clf("10/Oct/2000:13:55:36 -0700")
    datetime.datetime(2000, 10, 10, 20, 55, 36, tzinfo=datetime.timezone.utc)
    """
    date, _, rest = value.partition(":")
    day, _, month_year = date.partition("/")
    month, _, year = month_year.partition("/")
    if month not in _MONTHS:
        return None
    clock, _, zone = rest.partition(" ")
    return from_text(f"{year}-{_MONTHS[month]:02}-{day}T{clock}{zone}")


def from_bind(value: str) -> datetime | None:
    """Read the clock of BIND.

    >>> from_bind("28-Nov-2026 01:39:47.123")
    datetime.datetime(2026, 11, 28, 1, 39, 47, 123000, tzinfo=datetime.timezone.utc)
    """
    date, _, clock = value.partition(" ")
    day, _, month_year = date.partition("-")
    month, _, year = month_year.partition("-")
    return from_text(f"{year}-{_MONTHS[month]:02}-{day}T{clock}") if month in _MONTHS else None


def from_syslog(value: str, received_at: datetime) -> datetime | None:
    """Read the clock of RFC 3164 (`Nov 28 01:39:47`): the year is the one that brings it nearest before its arrival."""
    month, _, rest = value.partition(" ")
    day, _, clock = rest.strip().partition(" ")
    if month not in _MONTHS or not day.isdecimal() or len(day) > 2:
        return None
    for year in (received_at.year + 1, received_at.year, received_at.year - 1):
        at = from_text(f"{year}-{_MONTHS[month]:02}-{int(day):02}T{clock}")
        if at is not None and at <= received_at + _AHEAD:
            return at
    return None
