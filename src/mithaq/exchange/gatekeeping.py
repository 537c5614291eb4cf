"""Put a question to the gate: gather the facts about one held object and one recipient."""

from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime, timedelta
from typing import NamedTuple, get_args

from sqlalchemy import Connection, select

from mithaq.agreements.model import AGREEMENT_TYPE, Agreement, Document, State
from mithaq.agreements.rules import payload_of
from mithaq.agreements.service import Agreements
from mithaq.agreements.vocabulary import Sector
from mithaq.exchange import approvals, store
from mithaq.exchange.consent import Passage
from mithaq.exchange.items import Subject, subject_of
from mithaq.exchange.references import References
from mithaq.exchange.settings import PROTOCOL_VERSION
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import Provenance, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope
from mithaq.nations.model import Partner
from mithaq.nations.service import Partners
from mithaq.release.exposure import Policy, exposed, policy_of
from mithaq.release.facts import AgreementFacts, agreement_facts
from mithaq.release.model import FIELD_CLASSES, Item, Recipient, Released, Request, Verdict, Withheld
from mithaq.release.rules import decide_many, judge

_MAX_CLOSURE = 200
_MOMENT = timedelta(seconds=1)
_SECTORS = frozenset(get_args(Sector))

NAMED_BY_TERMS = frozenset({"source-identity"})
"""What a foreign object shows by its very terms: they name the originator."""


class _Asked(NamedTuple):
    """What is the same for all objects that are asked about at once."""

    recipient: Recipient
    nation: NationId
    partner: Partner | None
    agreement_id: str
    agreement: Agreement | None
    agreed: AgreementFacts | None
    purpose: str
    references: References


class Gatekeeper:
    """The gate at one instant over one view of the database; short-lived."""

    def __init__(
        self,
        connection: Connection,
        own: NationId,
        holdings: Holdings,
        agreements: Agreements,
        partners: Partners,
        at: datetime,
    ) -> None:
        self._connection = connection
        self._own = own
        self._holdings = holdings
        self._at = at
        self._partners = {partner.nation: partner for partner in partners.all(connection)}
        self._agreements = _newest(agreements.all(connection), at)
        self._agreed: dict[tuple[str, str], AgreementFacts] = {}
        self._subject: tuple[StoredObject, Subject] | None = None
        self._policies: dict[str, Policy] = {}
        self._exposed: dict[tuple[str, int], frozenset[str]] = {}
        self._vetoes = store.Vetoes(connection)
        self._approvals = approvals.all_of(connection)
        self._consents = _given(connection, own, at)

    def as_if_in_force(self, document: Document) -> Callable[[StoredObject, NationId, str], Verdict]:
        """Return how this gate would judge if every party had signed a draft and it were in force now.

        The answer is a verdict and nothing else: what the supposition allows cannot be handed to a transport.
        """
        everybody = frozenset(NationId(party.nation) for party in document.parties)
        unsigned = Envelope(AGREEMENT_TYPE, payload_of(document), ())
        supposed = Agreement(document, unsigned, everybody, self._at - _MOMENT, self._at + _MOMENT)
        twin = copy(self)
        twin._agreements, twin._agreed = {document.id: supposed}, {}  # noqa: SLF001  # its own class
        twin._policies, twin._exposed = {}, {}  # noqa: SLF001
        return lambda stored, recipient, purpose: twin.judge(stored, recipient, document.id, purpose)

    def agreement(self, agreement_id: str) -> Agreement | None:
        """Return the version in force, else the newest, else nothing."""
        return self._agreements.get(agreement_id)

    def partner(self, nation: NationId) -> Partner | None:
        """Return a partner by its code."""
        return self._partners.get(nation)

    def parties(self, agreement_id: str) -> frozenset[NationId]:
        """Return the other parties of an agreement, none where it is unknown."""
        agreement = self._agreements.get(agreement_id)
        return agreement.parties - {self._own} if agreement else frozenset()

    def item(self, stored: StoredObject) -> Item:
        """Return a held object as the gate sees it; asked for many recipients in turn, it is put together once."""
        return self._subject_of(stored).item

    def decide(
        self, stored: StoredObject, recipient: NationId, agreement_id: str, purpose: str
    ) -> Released[Item] | Withheld:
        """Judge one object for one nation and hand out what may leave."""
        return self.decide_many([self._subject_of(stored)], recipient, agreement_id, purpose)[0]

    def decide_many(
        self, subjects: Sequence[Subject], recipient: NationId, agreement_id: str, purpose: str
    ) -> list[Released[Item] | Withheld]:
        """Judge many objects for one nation, each as `decide` does, in their order.

        Cost: a few statements for all that they refer to; see `release.rules.decide_many`.
        """
        asked = self._asked(recipient, agreement_id, purpose)
        asked.references.read_ahead(subjects)
        requests = (self._request(each, asked, {each.item.id}) for each in subjects)
        return decide_many(requests, self._at, asked.agreed)

    def decide_each(
        self, stored: Sequence[StoredObject], recipient: NationId, agreement_id: str, purpose: str
    ) -> list[Released[Item] | Withheld]:
        """Judge many objects that were read whole."""
        return self.decide_many([self._subject_of(each) for each in stored], recipient, agreement_id, purpose)

    def judge(self, stored: StoredObject, recipient: NationId, agreement_id: str, purpose: str) -> Verdict:
        """Say why an object may or may not go to a nation."""
        asked = self._asked(recipient, agreement_id, purpose)
        return self._judge(self._subject_of(stored), asked, {stored.stix.id})

    def approved_by(self, stored: StoredObject, recipient: NationId, agreement_id: str) -> frozenset[str]:
        """Return who approved, or instructed, that exactly this version goes to a nation under an agreement."""
        return self._approved_by(self._subject_of(stored), recipient, agreement_id)

    def _approved_by(self, subject: Subject, recipient: NationId, agreement_id: str) -> frozenset[str]:
        instructed = {
            asked.by
            for asked in subject.instructions
            if asked.by
            and asked.agreement_id == agreement_id
            and (asked.recipients is None or recipient in asked.recipients)
        }
        item = subject.item
        approved = self._approvals.get((item.id, str(item.lane), agreement_id)) if self._approvals else None
        return frozenset(instructed | approved.get(item.digest, set())) if approved else frozenset(instructed)

    def consent(self, stored: StoredObject, recipient: NationId, agreement_id: str, originator: NationId) -> bytes:
        """Return an originator's signed consent to pass exactly this version on, empty where there is none."""
        return self._consent(self.item(stored), recipient, agreement_id, originator)

    def _consent(self, item: Item, recipient: NationId, agreement_id: str, originator: NationId) -> bytes:
        passage = Passage(item.id, str(item.lane), item.digest, originator, self._own, recipient, agreement_id)
        return self._consents.get(passage, b"") if self._consents else b""

    def _is_consented(self, item: Item, recipient: NationId, agreement_id: str) -> bool:
        """Tell whether every originator who asks for it has consented."""
        asking = {
            terms.originator
            for terms in item.carried
            if terms.onward == "originator-consent" and recipient not in terms.onward_parties
        } if self._consents else set()  # fmt: skip
        return bool(asking) and all(self._consent(item, recipient, agreement_id, each) for each in asking)

    def knows(self, object_id: str, recipient: NationId, provenance: Sequence[Provenance] = ()) -> bool:
        """Tell whether a nation has an object already, because it sent it or was sent it."""
        if any(each.source == "partner" and each.nation == recipient for each in provenance):
            return True
        return References(self._connection, self._own, recipient).was_sent(object_id)

    def policy(self, agreement_id: str) -> Policy:
        """Return what an agreement protects and how, with the names that are known here."""
        if agreement_id not in self._policies:
            agreement, policy = self._agreements.get(agreement_id), Policy()
            if agreement is not None:
                policy = policy_for(agreement.document, self._own)
                if "victim-identity" in policy.operations:
                    victims = self._holdings.names(self._connection, "identity") - _SECTORS
                    policy = Policy(policy.operations, {**policy.known, "victim-identity": victims})
            self._policies[agreement_id] = policy
        return self._policies[agreement_id]

    def exposes(self, stored: StoredObject, agreement_id: str) -> frozenset[str]:
        """Return which classes of fields an object shows, as an agreement protects them."""
        return self._exposes(stored.row, stored.body, agreement_id)

    def _exposes(self, row: int, body: bytes, agreement_id: str) -> frozenset[str]:
        key = (agreement_id, row)
        if key not in self._exposed:
            self._exposed[key] = exposed(body, self.policy(agreement_id))
        return self._exposed[key]

    def _subject_of(self, stored: StoredObject) -> Subject:
        if self._subject is None or self._subject[0] is not stored:
            self._subject = (stored, subject_of(stored, self._own))
        return self._subject[1]

    def _asked(self, recipient: NationId, agreement_id: str, purpose: str) -> _Asked:
        agreement = self._agreements.get(agreement_id)
        agreed = self._agreed.get((agreement_id, recipient))
        if agreed is None and agreement is not None:
            agreed = agreement_facts(agreement, self._own, Recipient("nation", recipient))
            self._agreed[agreement_id, recipient] = agreed
        return _Asked(
            Recipient("nation", recipient),
            recipient,
            self._partners.get(recipient),
            agreement_id,
            agreement,
            agreed,
            purpose,
            References(self._connection, self._own, recipient),
        )

    def _judge(self, subject: Subject, asked: _Asked, seen: set[str]) -> Verdict:
        return judge(self._request(subject, asked, seen), self._at, asked.agreed)

    def _request(self, subject: Subject, asked: _Asked, seen: set[str]) -> Request:
        item, partner = subject.item, asked.partner
        return Request(
            item=item,
            holder=self._own,
            recipient=asked.recipient,
            recipient_trusted=partner is not None and partner.is_trusted,
            agreement=asked.agreement,
            purpose=asked.purpose,
            withheld_refs=self._withheld_refs(subject, asked, seen) if subject.refs else 0,
            vetoed=self._vetoes.holds(item.id, asked.nation),
            status_at=partner.status_at if partner else None,
            consented=self._is_consented(item, asked.nation, asked.agreement_id),
            approvals=len(self._approved_by(subject, asked.nation, asked.agreement_id)),
            exposes=self._shown(subject, asked),
            protocol=PROTOCOL_VERSION,
        )

    def _shown(self, subject: Subject, asked: _Asked) -> frozenset[str]:
        """Return what an object shows; where its agreement protects nothing, nobody looks."""
        if asked.agreed is None or not asked.agreed.protected:
            return FIELD_CLASSES
        shown = self._exposes(subject.row, subject.body, asked.agreement_id)
        return shown | NAMED_BY_TERMS if subject.item.carried else shown

    def _withheld_refs(self, subject: Subject, asked: _Asked, seen: set[str]) -> int:
        """Count references to objects held here that the recipient may not know of."""
        count = 0
        for reference in asked.references.of(subject):
            if reference in seen:
                continue
            if len(seen) > _MAX_CLOSURE:
                return count + 1
            seen.add(reference)
            found = asked.references.unknown(reference, subject.item.lane)
            if found is not None:
                count += not self._judge(found, asked, seen).allowed
        return count


def _given(connection: Connection, own: NationId, at: datetime) -> dict[Passage, bytes]:
    """Return the consents that this nation holds and may still use."""
    table = store.consents
    query = select(table).where(table.c.holder == own, table.c.answer == "given", table.c.until > at)
    return {
        Passage(
            row.object_id, row.lane, row.digest, row.originator, row.holder, row.recipient, row.agreement_id
        ): bytes(row.envelope)
        for row in connection.execute(query)
    }


def _newest(agreements: Sequence[Agreement], at: datetime) -> dict[str, Agreement]:
    chosen: dict[str, Agreement] = {}
    for agreement in agreements:
        known = chosen.get(agreement.document.id)
        if known is None or (known.state(at) is not State.IN_FORCE and agreement.state(at) is State.IN_FORCE):
            chosen[agreement.document.id] = agreement
    return chosen


def policy_for(document: Document, sender: NationId) -> Policy:
    """Return what is done to what a nation gives under an agreement; it is known by its names and its identity."""
    names = {name for party in document.parties if party.nation == sender for name in party.names.values()}
    return policy_of(document.terms, {"source-identity": frozenset({identity_id(sender), *names})})
