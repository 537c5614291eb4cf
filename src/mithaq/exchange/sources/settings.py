"""Limits of what is fetched, with their units."""

from typing import Final

MIB: Final = 1024 * 1024

RUN_S: Final = 600.0
RUN_BYTES: Final = 1024 * MIB
RUN_OBJECTS: Final = 1_000_000
"""What one run may take. A source that has more goes on when the others have had their turn."""

PAGE_BYTES: Final = 32 * MIB
MANIFEST_BYTES: Final = 128 * MIB
OBJECT_BYTES: Final = 8 * MIB
CONNECT_S: Final = 10.0
SILENCE_S: Final = 30.0
"""How long an answer may stop before the connection is given up; a run's time holds for all of it together."""

MAX_REDIRECTS: Final = 4
MAX_ADDRESS_CHARACTERS: Final = 2_000
MIN_EVERY_S: Final = 10
MAX_EVERY_S: Final = 30 * 24 * 3600
DEFAULT_EVERY_S: Final = 3600

FIRST_RETRY_S: Final = 60.0
LONGEST_RETRY_S: Final = 6 * 3600.0
LONGEST_RETRY_AFTER_S: Final = 24 * 3600.0

PAGE_OBJECTS: Final = 1_000
FEWEST_PAGE_OBJECTS: Final = 10
MOST_PAGE_OBJECTS: Final = 10_000
TRIES: Final = 5
"""How often one page is asked for, each time smaller, before the run ends."""

MAX_IDLE_PAGES: Final = 10
"""Pages in a row that bring nothing that the page before had not brought."""

SERVER_DATE_OVERLAP_S: Final = 3600
MAX_NEXT_CHARACTERS: Final = 4096

QUARANTINE_ROWS: Final = 10_000
QUARANTINE_BYTES: Final = 64 * MIB
QUARANTINE_BODY_BYTES: Final = MIB
"""Kept of one source; what is larger is kept by its id and reason alone, what comes beyond is only counted."""

MAX_EVENTS: Final = 1_000_000
"""Entries of a MISP manifest."""

SIGHTING_EVENTS: Final = 50
"""Of how many events sightings are asked for at once."""

SIGHTINGS_PAGE: Final = 1_000
MAX_LOST_SIGHTINGS: Final = 20
"""Events in a row of which a server knows no sightings, though its index says so."""

LIST_BYTES: Final = 64 * MIB
MAX_LISTED: Final = 500_000
"""Values of one list."""

MAX_VANISHED_PERCENT: Final = 50
"""A list from which more than this share of its values has gone at once is taken for half a file."""

LONGEST_REST_S: Final = 300.0
RETRY_S: Final = 1.0
BUSY_S: Final = 5.0
"""When a source is looked at again that another process of this machine was running."""
