"""The clocks of an agreement: what comes by itself, and by when somebody has to act."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mithaq.agreements.model import Agreement
from mithaq.agreements.statements import term_ends
from mithaq.kernel.ids import NationId
from mithaq.node.language import msgid


@dataclass(frozen=True, slots=True)
class Clock:
    """One instant that an agreement names, with the words for it; `nation` is whom it is about, where it is one."""

    title: str
    at: datetime
    nation: NationId | None = None

    def seconds_left(self, at: datetime) -> float:
        """Return how long it is until then; negative where it is past."""
        return (self.at - at).total_seconds()


def clocks_of(agreement: Agreement, at: datetime) -> Sequence[Clock]:
    """Return the clocks that still say something at an instant, the next one first."""
    return sorted(_clocks(agreement, at), key=lambda clock: clock.at)


def _clocks(agreement: Agreement, at: datetime) -> Iterator[Clock]:
    if at < agreement.not_before:
        yield Clock(msgid("Enters into force"), agreement.not_before)
    yield from _renewal(agreement, at)
    yield Clock(msgid("Ends, as things stand"), agreement.not_after)
    for nation, leaves_at in agreement.leaving.items():
        yield Clock(msgid("The withdrawal counts"), leaves_at, nation)


def _renewal(agreement: Agreement, at: datetime) -> Iterator[Clock]:
    """Yield the next renewal that is ahead, and the last day on which a party can object to it."""
    renewal = agreement.document.renewal
    ahead = [end for end in term_ends(agreement)[:-1] if at < end < agreement.not_after]
    if renewal is None or not ahead:
        return
    yield Clock(msgid("Goes on by itself for another term"), ahead[0])
    if (last_day := ahead[0] - timedelta(days=renewal.notice_days)) > at:
        yield Clock(msgid("Last day to object to the renewal"), last_day)
