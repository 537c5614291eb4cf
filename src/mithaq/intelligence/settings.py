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
KNOWLEDGE_FILE = Door("knowledge-file", 512 * MIB, 8 * MIB, 500_000)

MISP_MAX_BYTES = 32 * MIB
"""A MISP file is converted as a whole, so it cannot be streamed."""

MISP_CPU_S = 300
MISP_MEMORY_BYTES = 3 * 1024 * MIB
MISP_WALL_S = 600
MISP_OUTPUT_BYTES = 512 * MIB
NURSERY_IDLE_S = 120
"""After which a process that waits for files to read, its libraries imported (80 MB for MISP's), ends."""

AHEAD_FROM_BYTES = 8 * MIB
"""A bundle as large as this is read in a process of its own; a smaller one is done before that has started."""

BUNDLE_MEMORY_BYTES = 1024 * MIB
BUNDLE_CPU_S = 3_600

LIST_FILE = Door("list-file", 1024 * MIB, 64 * 1024, 10_000_000)
"""A list is streamed: `max_object_bytes` is what one line may hold, `max_objects` counts lines."""

REPORT_MAX_BYTES = 32 * MIB
"""A report or an e-mail, with everything that is attached to it."""

DOCUMENT_MEMORY_BYTES = 1024 * MIB
DOCUMENT_CPU_S = 120
DOCUMENT_WALL_S = 240

MAX_SHARING = 100
"""Objects that share one value or reference; beyond that it is told as frequent, and not expanded."""

MAX_SHARED_LOOKED_AT = 100
"""Values and references of one object that are looked at for what else has them."""


@dataclass(frozen=True, slots=True)
class DecayModel:
    """How an indicator loses its worth: nothing is left after the lifetime; a higher speed loses more of it early."""

    lifetime_days: int
    decay_speed: float


_NETWORK = DecayModel(lifetime_days=120, decay_speed=2)
"""MISP's "NIDS Simple Decaying Model": an address or a name changes hands."""

_FINGERPRINT = DecayModel(lifetime_days=365, decay_speed=1)
"""A client's fingerprint lasts as long as the library that makes it."""

_HASH = DecayModel(lifetime_days=1095, decay_speed=0.3)
"""A file never changes its hash; what ages is whether anybody still uses it."""

DECAY_BY_TYPE: dict[str, DecayModel] = {
    **dict.fromkeys(("ipv4", "ipv6", "cidr", "domain", "url", "email"), _NETWORK),
    **dict.fromkeys(("ja3", "ja4"), _FINGERPRINT),
    **dict.fromkeys(("md5", "sha1", "sha256", "sha512"), _HASH),
}
DECAY_DEFAULT = _NETWORK
DEFAULT_BASE_SCORE = 80
"""Where neither a rating nor a confidence is stated, as in MISP's models."""
