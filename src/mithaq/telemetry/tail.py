"""The lines of one source, whatever its path names: a file that is followed, the spool of what is pushed, a folder."""

from collections.abc import Sequence
from pathlib import Path

from mithaq.telemetry.folder import Folder, is_pattern
from mithaq.telemetry.follow import Followed
from mithaq.telemetry.lines import Reader
from mithaq.telemetry.settings import TelemetryLimits
from mithaq.telemetry.store import Position


def reader_of(source: str, path: Path, positions: Sequence[Position], limits: TelemetryLimits) -> Reader:
    """Return what reads a source on from where it was left; `path` may end in a pattern, or be a spool's folder."""
    kind = Folder if is_pattern(path) else Followed
    return kind(source, path, positions, limits)
