"""Limits of the doors of MISP, with their units."""

from typing import Final

MISP_VERSION: Final = "2.5.34"
"""What the node says of itself where an account names no version: peers compare major and minor."""

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
MAX_OPEN_REQUESTS: Final = 8
"""Requests of one account that are answered at the same time; one more gets 429."""

THREADS: Final = 4
"""Threads in which answers are worked out; the rest of the node has its own."""

SHELVES_WAIT_S: Final = 2.0
"""How long the answer to a change waits for the shelves to follow it, so that what is read next shows it."""

SHELVES_LOOK_S: Final = 0.02
"""How often it is looked meanwhile."""

MAX_FOUND: Final = 1_000
"""Events or attributes in one answer to a search, whatever `limit` asks for."""

INDEX_ATTRIBUTES: Final = 60
"""Attributes on a page of their index, as MISP has it, unless `limit` asks for more."""

PAGE_SIGHTINGS: Final = 1_000
"""Sightings on a page, unless `limit` asks for more."""

MAX_SIGHTINGS: Final = 50_000
"""Sightings in one answer; where there are more they are asked for page by page."""

MAX_TOLD: Final = 1_000
"""Parts of a request of which an answer says one by one why they were not taken; of the rest it says how many."""

MAX_VALUES: Final = 1_000
"""Values in one question to the warning lists, uuids in one question about events."""

CHUNK_ROWS: Final = 1_000

MAX_TRIES: Final = 5
"""Times that a change is made anew because somebody else changed the event meanwhile."""

MAX_ANSWER_ATTRIBUTES: Final = 200_000
"""Attributes in one answer to a search of events; one more and the client is asked for a smaller `limit`."""

GZIP_FROM_BYTES: Final = 1_000
