"""The limits of telemetry, with their units."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TelemetryLimits:
    """How much is taken at once; a line or body beyond it is refused, never cut."""

    max_line_bytes: int = 1 << 20
    max_push_bytes: int = 32 << 20
    max_spool_bytes: int = 4 << 30
    spool_segment_bytes: int = 256 << 20
    read_bytes: int = 2 << 20  # above max_line_bytes, so that a line of that length fits
    check_bytes: int = 64 << 10  # a larger chunk is scanned and kept; its broken lines are told when it is sealed
    segment_bytes: int = 256 << 20
    segment_age_s: int = 3600
    broken_lines_kept: int = 1000
    rotated_grace_s: int = 10
