"""Limits of the feeds, with their units."""

from typing import Final

THREADS: Final = 2
"""Threads in which feeds are worked out; a whole list is judged for each request."""

MAX_OPEN_REQUESTS: Final = 2
"""Requests of one account that are answered at the same time; one more gets 429."""

MAX_QUERY_CHARACTERS: Final = 1_000
PAGE_OBJECTS: Final = 1_000
"""Objects read from a shelf, and judged, at a time."""
