"""The limits of YARA, with their units: what one foreign rule and one foreign file may cost."""

from dataclasses import dataclass
from typing import Final

REFUSED_MODULES: Final = frozenset({"console", "cuckoo", "vt"})
"""They print, or ask what nobody here answers."""
MAX_UNITS: Final = 20_000
"""Objects with rules that are asked of the files of one lane."""
MAX_WARNINGS: Final = 20
MAX_MATCHED_RULES: Final = 500
"""Of one file."""
MAX_STRINGS: Final = 20
"""Matched texts of one rule that are told, …"""
MAX_PLACES: Final = 5
"""… places of each, …"""
CONTEXT_BYTES: Final = 24
"""… and bytes at each place."""


@dataclass(frozen=True, slots=True)
class YaraLimits:
    """What compiling and scanning may take."""

    compile_memory_bytes: int = 2 << 30
    compile_cpu_s: int = 20
    """Of one object's rules, and of putting a set together."""

    scan_memory_bytes: int = 2 << 30
    scan_s: int = 10
    """Of one file by one set of rules; what does not end by then is halved, until the rule is found."""

    scan_bytes_a_second: int = 8 << 20
    """A large file has so much more time."""

    file_s: int = 300
    """Of one file by all sets; what was not asked by then is told."""

    grace_s: float = 5.0
    """A process that has not answered so long after its time is ended."""

    max_file_bytes: int = 256 << 20
    """A larger file is not scanned; it is told."""

    slow_files: int = 3
    """A rule that did not end on so many files is asked no more, until its next version."""

    tries: int = 3
    """A file whose reading fails is tried so often."""

    settle_s: float = 1.0
    """A file that changed more recently is still being written."""

    longest_settle_s: float = 60.0
    """One that never rests is scanned as it is after so long."""

    zeek_log_s: float = 15.0
    """How long a file waits for what Zeek's log says of it."""

    past_files: int = 10_000
    """Files of a source that new rules are asked of, newest first, where they are still there."""

    files_a_step: int = 16
    idle_s: float = 60.0
    """Processes that were not needed for so long are ended."""

    recovery_check_s: float = 5.0
    sets: int = 8
    """Sets of rules beside each other; small ones become one."""
