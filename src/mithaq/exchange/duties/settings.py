"""Limits of the duties, with their units."""

from datetime import timedelta

MAX_BECAUSE_CHARS = 500
"""How long the words may be in which a person says why a duty is settled."""

CHUNK_WORDS = 500
"""How many words are erased in one transaction."""

LONGEST_REST = timedelta(hours=1)
"""The worker sweeps at least this often, so that the instant it last believed is never old."""

BACK_TOLERANCE = timedelta(minutes=5)
AHEAD_TOLERANCE = timedelta(hours=48)
"""How far a clock may have gone on since it was last believed, without a partner or a person who confirms it."""

PARTNER_TOLERANCE = timedelta(minutes=10)
"""How near a partner's signed instant must be to confirm this node's clock."""

MAX_ATTESTATION_BYTES = 256 * 1024
ATTESTATIONS_AT_ONCE = 100
