"""Time as an argument: only faces and processes hold a clock, everything below takes `at`."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Anything that tells the time."""

    def now(self) -> datetime:
        """Return the aware UTC instant."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the aware UTC instant."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved, for rehearsals and tests."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the instant it was set to."""
        return self.at


def rfc3339(at: datetime) -> str:
    """Write an aware instant as STIX does: UTC, milliseconds, `Z` (STIX 2.1 §3.2)."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def from_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 timestamp into an aware UTC instant.

    Raises:
        ValueError: the text is no timestamp, names no offset, or lies beyond the calendar in UTC.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is UTC:
        return at
    if at.tzinfo is None:
        raise ValueError(f"no UTC offset in {text!r}")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"beyond the calendar: {text!r}") from error
