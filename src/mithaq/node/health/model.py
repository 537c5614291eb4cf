"""A finding: what was looked at, how it is, and what would mend it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason


class Level(IntEnum):
    """How a thing is; the worst comes first."""

    WRONG = 0
    WARNING = 1
    FINE = 2

    @property
    def label(self) -> str:
        """Return the stable word for programs."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check has found; the reason's code is stable, its remedy says what to do."""

    level: Level
    reason: Reason

    @property
    def code(self) -> str:
        """Return the check's stable code."""
        return self.reason.code


def of_error(code: str, error: Error, remedy: str) -> Finding:
    """Return the finding that something raised an error; its sentence is the error's."""
    return Finding(Level.WRONG, Reason(code, error.message, error.params, remedy))


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong; warnings are no faults yet."""
    return all(finding.level is not Level.WRONG for finding in findings)
