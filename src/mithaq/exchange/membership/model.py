"""What a comparison of membership logs came to. Values alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from mithaq.exchange.log.attached import Attached
from mithaq.exchange.membership.difference import Difference
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason

State = Literal["agrees", "behind", "contradicts", "refused", "not-read"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a partner's log itself shows: fewer leaves than before, another history, or that it was begun anew.

    `seen` and `shown` count leaves: how many were known here, and how many there are now.
    """

    kind: Literal["rolled-back", "two-roots", "not-consistent", "begun-anew"]
    seen: int
    shown: int

    @property
    def is_refused(self) -> bool:
        """Tell whether nothing in such a log is worth comparing."""
        return self.kind != "begun-anew"


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of one partner's log; `trouble` says why it could not be read at all.

    `note` is its checkpoint as it was shown, with the cosignatures.
    """

    nation: NationId
    origin: str = ""
    size: int = 0
    findings: Sequence[Finding] = ()
    differences: Sequence[Difference] = ()
    evidence: Sequence[tuple[Attached, Attached]] = field(default=())
    trouble: Error | None = None
    note: bytes = b""

    @property
    def agrees(self) -> bool:
        """Tell whether the log was read and says the same."""
        return self.trouble is None and not self.differences and not any(each.is_refused for each in self.findings)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the newest comparison with one party's log of an agreement.

    `tried_at` is when it was last asked for, `read_at` when it was last read; `own` is this nation's log as it stood
    then (its number and leaves). `differs_since`: since when the two have not said the same. `trouble` says why it
    could not be read the last time; the rest is then of the time before.
    """

    agreement_id: str
    nation: NationId
    tried_at: datetime
    read_at: datetime | None
    own: tuple[int, int]
    origin: str
    size: int
    note: bytes
    findings: Sequence[Finding]
    differences: Sequence[Difference]
    differs_since: datetime | None
    trouble: Reason | None

    @property
    def contradictions(self) -> Sequence[Difference]:
        """Return the differences that cannot be because one log is behind."""
        return [each for each in self.differences if each.is_contradiction]

    @property
    def refused(self) -> Finding | None:
        """Return why nothing in the log was worth comparing, where that is so."""
        return next((each for each in self.findings if each.is_refused), None)

    @property
    def state(self) -> State:
        """Return how the two logs stand to each other, the gravest first."""
        if self.refused:
            return "refused"
        if self.contradictions:
            return "contradicts"
        if self.trouble or self.read_at is None:
            return "not-read"
        return "behind" if self.differences else "agrees"
