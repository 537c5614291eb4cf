"""Limits of every door through which objects come in, with their units."""

from dataclasses import dataclass

MIB = 1024 * 1024

CHUNK_OBJECTS = 1000
"""Objects in one transaction and one journal entry."""

MAX_SEARCH_LIMIT = 500
"""Objects in one page of a search."""

MAX_LOOKUP_LINES = 100_000
"""Lines of values looked up at once."""

MAX_QUERY_CHARS = 2000
MAX_TEXT_CHARS = 2_000_000
"""Characters of a pasted report; a book of a thousand pages has fewer."""


@dataclass(frozen=True, slots=True)
class Door:
    """Say how much one delivery through this door may hold."""

    name: str
    max_bytes: int
    max_object_bytes: int
    max_objects: int


PAGE_UPLOAD = Door("page-upload", 32 * MIB, 8 * MIB, 50_000)
TAXII_POST = Door("taxii-post", 16 * MIB, 8 * MIB, 10_000)
PARTNER_ENVELOPE = Door("partner-envelope", 16 * MIB, 8 * MIB, 1000)
CLI_FILE = Door("cli-file", 1024 * MIB, 8 * MIB, 2_000_000)

MISP_MAX_BYTES = 32 * MIB
"""A MISP file is converted as a whole, so it cannot be streamed."""

MISP_CPU_S = 300
MISP_MEMORY_BYTES = 3 * 1024 * MIB
MISP_WALL_S = 600

LIST_FILE = Door("list-file", 1024 * MIB, 64 * 1024, 10_000_000)
"""A list is streamed: `max_object_bytes` is what one line may hold, `max_objects` counts lines."""

REPORT_MAX_BYTES = 32 * MIB
"""A report or an e-mail, with everything that is attached to it."""

DOCUMENT_MEMORY_BYTES = 1024 * MIB
DOCUMENT_CPU_S = 120
DOCUMENT_WALL_S = 240
