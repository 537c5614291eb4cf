"""Limits of an archive, with their units."""

MAX_ARCHIVE_BYTES = 512 * 1024 * 1024
MAX_EXPORT_BYTES = 256 * 1024 * 1024
MAX_FRAMES = 10_000
MAX_PAPERS_BYTES = 16 * 1024 * 1024
ROOM_FOR_PAPERS_BYTES = 12 * 1024 * 1024
"""No further paper is put in beyond this; what is left goes with the next archive."""

MAX_RECEIPTS = 2000
ARCHIVES_REMEMBERED = 50
"""Of how many archives of a partner an export confirms the letters again."""
