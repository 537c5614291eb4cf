"""Put a question to the gate: gather the facts about one held object and one recipient."""

import hashlib
from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, get_args

import msgspec
from sqlalchemy import Connection, select

from mithaq.agreements.model import AGREEMENT_TYPE, Agreement, Document, State
from mithaq.agreements.rules import payload_of
from mithaq.agreements.service import Agreements
from mithaq.agreements.vocabulary import Sector
from mithaq.exchange import approvals, store
from mithaq.exchange.consent import Passage
from mithaq.exchange.settings import PROTOCOL_VERSION
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import Provenance, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope
from mithaq.nations.model import Partner
from mithaq.nations.service import Partners
from mithaq.release.exposure import Policy, exposed, policy_of
from mithaq.release.facts import AgreementFacts, agreement_facts
from mithaq.release.model import Carried, Item, Recipient, Released, Request, Verdict, Withheld
from mithaq.release.rules import Gate
from mithaq.release.scope import scope_of
from mithaq.standards.tlp import Tlp, tlp_of

_MAX_CLOSURE = 200
_MOMENT = timedelta(seconds=1)
_SECTORS = frozenset(get_args(Sector))
_NOT_OURS = frozenset({"constituent", "publisher"})
"""Words that are not this nation's: a constituent's leaves under its terms, a publisher's has none, and stays."""

NAMED_BY_TERMS = frozenset({"source-identity"})
"""What a foreign object shows by its very terms: they name the originator."""


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
        self._identity = identity_id(own)
        self._holdings = holdings
        self._at = at
        self._partners = {partner.nation: partner for partner in partners.all(connection)}
        self._agreements = _newest(agreements.all(connection), at)
        self._agreed: dict[tuple[str, str], AgreementFacts] = {}
        self._gate = Gate(at)
        self._item: tuple[StoredObject, Item] | None = None
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
        if self._item is None or self._item[0] is not stored:
            self._item = (stored, item_of(stored, self._own))
        return self._item[1]

    def decide(
        self, stored: StoredObject, recipient: NationId, agreement_id: str, purpose: str
    ) -> Released[Item] | Withheld:
        """Judge one object for one nation and hand out what may leave."""
        request = self._request(stored, recipient, agreement_id, purpose, {stored.stix.id})
        return self._gate.decide(request, self._facts(request))

    def judge(self, stored: StoredObject, recipient: NationId, agreement_id: str, purpose: str) -> Verdict:
        """Say why an object may or may not go to a nation."""
        request = self._request(stored, recipient, agreement_id, purpose, {stored.stix.id})
        return self._gate.judge(request, self._facts(request))

    def approved_by(self, stored: StoredObject, recipient: NationId, agreement_id: str) -> frozenset[str]:
        """Return who approved, or instructed, that exactly this version goes to a nation under an agreement."""
        approved = self._approvals.get((stored.stix.id, str(stored.lane), agreement_id), {})
        instructed = {
            asked.by
            for asked in stored.instructions
            if asked.by
            and asked.agreement_id == agreement_id
            and (asked.recipients is None or recipient in asked.recipients)
        }
        return frozenset(instructed | approved.get(digest_of(stored), set())) if approved else frozenset(instructed)

    def consent(self, stored: StoredObject, recipient: NationId, agreement_id: str, originator: NationId) -> bytes:
        """Return an originator's signed consent to pass exactly this version on, empty where there is none."""
        passage = Passage(
            stored.stix.id, str(stored.lane), digest_of(stored), originator, self._own, recipient, agreement_id
        )
        return self._consents.get(passage, b"") if self._consents else b""

    def _is_consented(self, stored: StoredObject, recipient: NationId, agreement_id: str) -> bool:
        """Tell whether every originator who asks for it has consented."""
        asking = {
            terms.originator
            for terms in item_of(stored, self._own).carried
            if terms.onward == "originator-consent" and recipient not in terms.onward_parties
        } if self._consents else set()  # fmt: skip
        return bool(asking) and all(self.consent(stored, recipient, agreement_id, each) for each in asking)

    def knows(self, object_id: str, recipient: NationId, provenance: Sequence[Provenance] = ()) -> bool:
        """Tell whether a nation has an object already, because it sent it or was sent it."""
        if any(each.source == "partner" and each.nation == recipient for each in provenance):
            return True
        had = select(store.sent_objects.c.sequence).where(
            store.sent_objects.c.object_id == object_id, store.sent_objects.c.recipient == recipient
        )
        return self._connection.execute(had.limit(1)).first() is not None

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
        key = (agreement_id, stored.row)
        if key not in self._exposed:
            self._exposed[key] = exposed(stored.body, self.policy(agreement_id))
        return self._exposed[key]

    def _request(
        self, stored: StoredObject, recipient: NationId, agreement_id: str, purpose: str, seen: set[str]
    ) -> Request:
        partner = self._partners.get(recipient)
        request = Request(
            item=self.item(stored),
            holder=self._own,
            recipient=Recipient("nation", recipient),
            recipient_trusted=partner is not None and partner.is_trusted,
            agreement=self._agreements.get(agreement_id),
            purpose=purpose,
            withheld_refs=self._withheld_refs(stored, recipient, agreement_id, purpose, seen),
            vetoed=self._vetoes.holds(stored.stix.id, recipient),
            status_at=partner.status_at if partner else None,
            consented=self._is_consented(stored, recipient, agreement_id),
            approvals=len(self.approved_by(stored, recipient, agreement_id)),
            protocol=PROTOCOL_VERSION,
        )
        agreed = self._facts(request)
        if agreed is None or not agreed.protected:
            return request
        shown = self.exposes(stored, agreement_id)
        return msgspec.structs.replace(request, exposes=shown | NAMED_BY_TERMS if request.item.carried else shown)

    def _facts(self, request: Request) -> AgreementFacts | None:
        if request.agreement is None:
            return None
        direction = (request.agreement.document.id, request.recipient.id)
        known = self._agreed.get(direction)
        if known is None:
            known = self._agreed[direction] = agreement_facts(request.agreement, self._own, request.recipient)
        return known

    def _withheld_refs(
        self, stored: StoredObject, recipient: NationId, agreement_id: str, purpose: str, seen: set[str]
    ) -> int:
        """Count references to objects held here that the recipient may not know of."""
        count = 0
        for reference in stored.stix.refs:
            if reference in seen or reference.startswith("marking-definition--") or reference == self._identity:
                continue
            if len(seen) > _MAX_CLOSURE:
                return count + 1
            seen.add(reference)
            versions = self._holdings.get(self._connection, reference, stored.lane)
            if not versions or _is_published(versions) or self.knows(reference, recipient, versions[0].provenance):
                continue
            request = self._request(versions[0], recipient, agreement_id, purpose, seen)
            count += not self._gate.judge(request, self._facts(request)).allowed
        return count


def _is_published(versions: Sequence[StoredObject]) -> bool:
    """Tell whether a publisher's word stands for an object, so that anybody may know of it."""
    return any(w.source == "publisher" and w.standing == "stands" for each in versions for w in each.provenance)


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


def item_of(stored: StoredObject, own: NationId) -> Item:
    """Return a held object as the gate sees it.

    Where this nation itself stands behind the object, it is the originator. Else the standing word of every partner
    counts, and terms that cannot be read are terms that allow nothing. A version for which nobody stands any more
    stays whose it was, under the terms that it came with. What only a constituent said is the constituent's, until a
    person instructs its release and so makes it this nation's word. What only a publisher said goes to nobody: who
    wants it reads it where it is published.
    """
    is_instructed = any(asked.by for asked in stored.instructions)
    originator, carried = whose(stored.provenance, own, is_instructed=is_instructed)
    unlabelled = tlp_of(stored.stix.object_marking_refs) is None and stored.tlp is Tlp.RED
    return Item(
        id=stored.stix.id,
        version=version_of(stored),
        kind=stored.stix.type,
        digest=digest_of(stored),
        tlp=None if unlabelled else stored.tlp,
        pap=stored.pap,
        lane=stored.lane,
        originator=originator,
        carried=carried,
        is_withdrawn=not stored.stands,
        scope=scope_of(stored.stix),
    )


class SaidBy(Protocol):
    """What of a word says whose an object is."""

    @property
    def source(self) -> str:
        """Return `own`, `import`, `partner`, `constituent` or `publisher`."""
        ...

    @property
    def nation(self) -> NationId:
        """Return who said it."""
        ...

    @property
    def standing(self) -> str:
        """Return whether it still holds."""
        ...

    @property
    def carried(self) -> Any:
        """Return the terms that came with it."""
        ...


S = TypeVar("S", bound=SaidBy)


def whose(
    words: Sequence[S],
    own: NationId,
    *,
    is_instructed: bool,
    read: Callable[[S], Carried] = lambda word: Carried.of_json(dict(word.carried)),
) -> tuple[NationId, tuple[Carried, ...]]:
    """Return the originator of a version with these words, and the terms under which it came; see `item_of`."""
    counting = _counting(words)
    foreign = [each for each in counting if each.source == "partner"]
    given = [each for each in counting if each.source in _NOT_OURS]
    if len(foreign) + len(given) < len(counting) or not counting or (is_instructed and not foreign):
        return own, ()
    return _carried(foreign or given, read)


def _counting(words: Sequence[S]) -> Sequence[S]:
    """Return the words that say whose a version is: those that stand, else superseded ones, else partners' first."""
    for standing in ("stands", "superseded"):
        if found := [each for each in words if each.standing == standing]:
            return found
    return [each for each in words if each.source == "partner"] or words


def version_of(stored: StoredObject) -> str:
    """Return the text that names a version of an object: `modified`, or its digest where it has none."""
    return rfc3339(stored.stix.modified) if stored.stix.modified else digest_of(stored)[:16]


def digest_of(stored: StoredObject) -> str:
    """Return the SHA-256 of an object's original bytes."""
    return hashlib.sha256(stored.body).hexdigest()


def _carried(foreign: Sequence[S], read: Callable[[S], Carried]) -> tuple[NationId, tuple[Carried, ...]]:
    try:
        terms = tuple(map(read, foreign))
    except (KeyError, TypeError, ValueError):
        return foreign[0].nation, ()
    return terms[0].originator, terms
