"""The limits of detection, with their units."""

from dataclasses import dataclass

MAX_REASON_CHARS = 2_000
"""How much a person may write on why a hit was dismissed."""
MAX_EXPECTED_DAYS = 366
"""For how long a person may expect further hits; then somebody looks again."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When an object is stopped in a source: after so many hits within a window.

    A beacon of a whole ministry gives hundreds within ten minutes, and stands in one group; what gives ten thousand
    describes no attack alone.
    """

    hits_a_window: int = 10_000
    window_s: float = 600.0


@dataclass(frozen=True, slots=True)
class DetectionLimits:
    """How the detector paces itself; none of these lies on the path from an event to its hit."""

    recovery_check_s: float = 1.0
    hunt_linger_s: float = 0.5
    hunt_here_bytes: int = 8 << 20
    hunter_retry_s: float = 10.0
    primed_bytes: int = 32 << 20
    hunts_at_once: int = 10_000
    load_rows: int = 2_000
    hits_a_rule: int = 10_000
    hits_a_transaction: int = 500
    segments_a_hunt: int = 32
    segments_before_merge: int = 24
    merge_below_bytes: int = 256 << 20
    answer_rows: int = 10_000
    answer_bytes: int = 64 << 20
    answer_seconds: float = 120.0
    answer_memory_bytes: int = 512 << 20
    answer_days: int = 30
    """So long an answer is kept, and the newest `answers_kept` at most."""

    answers_kept: int = 200
    ask_turn_bytes: int = 1 << 20
    """An open segment of so much is sealed when something is asked, so that its lines are parsed once."""

    look_every_s: float = 60.0
    """How often the detector looks whether a segment's time is over or a saved hunt is due."""
    breaker: BreakerLimits = BreakerLimits()
