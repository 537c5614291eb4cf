"""One object and each partner: may it go, what went already, what became of it, on whose word."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from mithaq.exchange import ledger
from mithaq.exchange.consents import Asked
from mithaq.exchange.ledger.became import Approval, StandingOrder, Went, approvals, standing_orders, went
from mithaq.exchange.ledger.proof_state import Proof
from mithaq.exchange.orders import Why
from mithaq.intelligence.model import StoredObject
from mithaq.nations.model import Partner
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Visit

DEFAULT_PURPOSE = "defence"


@dataclass(frozen=True, slots=True)
class Rests:
    """What a release under one agreement rests on: approvals of versions, an order, a consent for this partner."""

    approvals: Sequence[Approval]
    order: StandingOrder | None
    consents: Sequence[Asked]

    def __bool__(self) -> bool:
        return bool(self.approvals or self.order or self.consents)


class Has(StrEnum):
    """Whether a partner has an object: the first that holds."""

    HAS = "has"
    SENT = "sent"
    WAITS = "waits"
    TAKEN_BACK = "taken-back"
    NOT_ADMITTED = "not-admitted"
    MAY = "may"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Share:
    """One partner: what the gate says under each agreement, what went, and which versions were withheld.

    `gave_it`: the object came from there. `may_ask`: an originator's terms let the object go on where it consents.
    """

    partner: Partner
    gave_it: bool
    answers: Sequence[Why]
    went: Sequence[Went]
    withheld: Sequence[ledger.Refusal]
    rests: dict[str, Rests]
    may_ask: bool

    @property
    def may(self) -> bool:
        """Tell whether some agreement allows it."""
        return any(answer.verdict.allowed for answer in self.answers)

    @property
    def has(self) -> Has:
        """Return whether the partner has the object itself; a protected version is another object."""
        return Has.HAS if self.gave_it else self._by_what_went() or (Has.MAY if self.may else Has.WITHHELD)

    @property
    def has_it(self) -> bool:
        """Tell whether the partner has the object."""
        return self.has is Has.HAS

    def _by_what_went(self) -> Has | None:
        """Return what the newest release says that counted: one that came back void says nothing."""
        names = {answer.object_id for answer in self.answers}
        gone = [each for each in self.went if each.object_id in names and each.action in ("release", "withdraw")]
        if not gone:
            return None
        newest = max(gone, key=lambda each: each.sequence)
        if newest.action == "withdraw":
            return Has.TAKEN_BACK
        if newest.refused or newest.outcome == "quarantined":
            return Has.NOT_ADMITTED
        if newest.proof.stage is Proof.WAITING:
            return Has.WAITS
        return Has.HAS if newest.outcome else Has.SENT


def shares(visit: Visit, connection: Connection, stored: StoredObject) -> list[Share]:
    """Return what stands between an object and every partner; what went is told to who may read releases."""
    node, told = visit.site.node, visit.may(Verb.RELEASE_READ)
    name, lane = stored.stix.id, stored.lane
    gone = went(node.channel, connection, name, lane) if told else []
    kept = ledger.withheld(connection, object_id=name) if told else []
    approved = approvals(connection, name, lane)
    orders = standing_orders(connection)
    consents = node.consents.about(connection, name, lane)
    found = []
    for partner in node.partners.all(connection):
        nation = partner.nation
        answers = node.exchange.why(connection, stored, nation, DEFAULT_PURPOSE, visit.at)
        asked = [each for each in consents if each.passage.recipient == nation and each.passage.holder == node.nation]
        rests = {
            answer.agreement_id: Rests(
                [each for each in approved if each.agreement_id == answer.agreement_id],
                orders.get(answer.agreement_id),
                [each for each in asked if each.passage.agreement == answer.agreement_id],
            )
            for answer in answers
        }
        found.append(
            Share(
                partner,
                any(word.source == "partner" and word.nation == nation for word in stored.provenance),
                answers,
                [each for each in gone if each.recipient == nation],
                [each for each in kept if each.nation == nation and each.lane == str(lane)],
                rests,
                node.consents.may_be_asked(stored, nation),
            )
        )
    return found
