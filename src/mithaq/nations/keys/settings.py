"""Limits and periods of a nation's keys, with their units."""

from datetime import timedelta

STATUS_MAX_AGE_DAYS = 30
"""How old a partner's newest statement may be before its status is stale, where no agreement says otherwise."""

STATEMENT_VALID_DAYS = 90
STATEMENT_WARNING = timedelta(days=7)
"""How long before a statement gets stale its own nation is warned."""

FUTURE_TOLERANCE = timedelta(minutes=5)
SUB_KEY_AGE = timedelta(days=7)
SUB_KEY_VALID = timedelta(days=14)
SUB_KEY_KEPT = timedelta(days=30)
"""How long the private half of a sealing key outlives its successor's birth."""

MAX_ROOTS = 20
MAX_REVOKED = 200
MAX_STATEMENT_BYTES = 512 * 1024
MAX_CHAIN_BYTES = 8 * 1024 * 1024
MAX_STATEMENTS_AT_ONCE = 500
MAX_ROOT_FILE_BYTES = 64 * 1024
