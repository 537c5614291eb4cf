"""Limits of the TAXII server, with their units."""

from typing import Final

MAX_PAGE_OBJECTS: Final = 1_000
"""Objects in one answer, whatever `limit` asks for."""

MAX_PAGE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of objects in one answer; it ends with the object that passes them."""

MAX_WAIT_S: Final = 60
EMPTY_STEP_S: Final = 0.5
"""An empty answer to a wait leaves at a whole step after it: how long the gate took is not to be read from a clock."""

RECOVERY_S: Final = 5.0
MAX_OPEN_REQUESTS: Final = 8
"""Requests of one account that are answered at the same time; one more gets 429."""

THREADS: Final = 8
"""Threads in which answers are worked out; the rest of the node has its own."""

MAX_QUERY_CHARACTERS: Final = 32 * 1024
MAX_MATCH_VALUES: Final = 500
CHUNK_ROWS: Final = 1_000
"""Held objects judged in one transaction when a shelf is filled."""

STATUS_KEPT_DAYS: Final = 7
KEPT_DAYS: Final = 365
"""For how long a constituent's word is held where its collection says nothing else."""
