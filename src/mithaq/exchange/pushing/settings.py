"""Limits of pushing, with their units."""

from typing import Final

EVENTS_AT_ONCE: Final = 500
"""Events about which one question asks whether they are wanted."""

SIGHTINGS_AT_ONCE: Final = 500
"""Sightings of an event that go together."""

MAX_FAILED_IN_A_ROW: Final = 5
"""Events in a row that a server fails on, after which it is left alone."""

MAX_LEFT: Final = 1_000
"""Events that are released no more and about which the server is asked in one push."""

ANSWER_BYTES: Final = 64 * 1024 * 1024
"""A MISP answers with the whole event that it took."""
