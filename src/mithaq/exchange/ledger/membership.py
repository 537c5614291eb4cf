"""Every party's membership log of an agreement, for people: how far it has grown, who witnesses it, what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from mithaq.exchange.context import Context
from mithaq.exchange.ledger.conflicts import Conflict, conflicts
from mithaq.exchange.log import store
from mithaq.exchange.log.policy import keys_of
from mithaq.exchange.log.state import Cosigned, checkpoint_at, cosigned
from mithaq.exchange.membership.model import Outcome
from mithaq.exchange.membership.outcome import outcomes
from mithaq.exchange.membership.service import Membership
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.kernel.tlog.checkpoint import Checkpoint, verified
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.note import read_note
from mithaq.nations.model import Card

_LAST_S = 253_402_300_799
"""The last second of the year 9999; whoever signs for a later one has not looked at a clock."""


@dataclass(frozen=True, slots=True)
class OwnLog:
    """This nation's log. `refusals`: which partner has seen another log under its name, with what it answered."""

    origin: str
    size: int
    checkpoint_at: datetime | None
    cosigned: Sequence[Cosigned]
    refusals: Mapping[NationId, Reason]


@dataclass(frozen=True, slots=True)
class PartyLog:
    """Another party's log: what came of the newest comparison, None where there was none yet.

    `cosigned`: who had cosigned the checkpoint that it showed then; `broken`: in whose name there is a cosignature that
    does not hold. `is_trusted`: whether it is asked at all.
    """

    nation: NationId
    is_trusted: bool
    outcome: Outcome | None
    cosigned: Sequence[Cosigned] = ()
    broken: Sequence[NationId] = ()


@dataclass(frozen=True, slots=True)
class MembershipState:
    """The logs of one agreement; `own` is None before a version of it was concluded."""

    own: OwnLog | None
    others: Sequence[PartyLog]
    conflicts: Sequence[Conflict]


def membership_state(
    context: Context, connection: Connection, agreement_id: str, cards: Mapping[NationId, Card], at: datetime
) -> MembershipState:
    """Return how the logs of an agreement stand, the graver ones first; `cards` are those of possible witnesses."""
    members = Membership(context).members(connection, agreement_id, at)
    trusted = {each.nation for each in context.partners.all(connection) if each.is_trusted}
    known = {each.nation: each for each in outcomes(connection, agreement_id)}
    others = [
        _party(PartyLog(nation, nation in trusted, known.get(nation)), cards)
        for nation in sorted((members | known.keys()) - {context.own})
    ]
    return MembershipState(
        _own(context, connection, agreement_id),
        sorted(others, key=_gravity),
        conflicts(connection, agreement_id=agreement_id),
    )


def _own(context: Context, connection: Connection, agreement_id: str) -> OwnLog | None:
    row = store.newest_log(connection, agreement=agreement_id)
    if row is None:
        return None
    return OwnLog(
        row.origin,
        row.edge.size,
        checkpoint_at(connection, row.log),
        cosigned(connection, row.log),
        context.log.refusals(connection, row.log),
    )


def _party(party: PartyLog, cards: Mapping[NationId, Card]) -> PartyLog:
    if party.outcome is None or not party.outcome.note:
        return party
    note = read_note(party.outcome.note)
    size, found, broken = Checkpoint.of(note).size, [], []
    for witness, card in sorted(cards.items()):
        keys = keys_of(card)
        try:
            times = verified(note, keys)
        except BadNote:
            broken.append(witness)
            continue
        moment = max(times.values(), default=0)
        if moment > _LAST_S:
            broken.append(witness)
        elif set(times) == set(keys):  # it counts as a witness only where both of its keys have signed
            found.append(Cosigned(witness, size, datetime.fromtimestamp(moment, UTC)))
    return replace(party, cosigned=found, broken=broken)


def _gravity(party: PartyLog) -> tuple[int, str]:
    order = ("refused", "contradicts", "not-read", "behind", "agrees")
    return (order.index(party.outcome.state) if party.outcome else len(order), party.nation)
