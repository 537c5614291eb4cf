"""Ask an originator for consent, answer who asks this nation, and know what was consented to."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, update

from mithaq.exchange import store
from mithaq.exchange.consent import (
    CONSENT_TYPE,
    REQUEST_TYPE,
    Answer,
    Consent,
    ConsentRequest,
    Passage,
    payload_of,
    read_consent,
    read_request,
)
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadLetter, NotReleasable
from mithaq.exchange.items import digest_of, item_of, version_of
from mithaq.exchange.letters import Taker, queue
from mithaq.exchange.planning import keep_withheld
from mithaq.exchange.settings import MAX_OPEN_CONSENTS_PER_PARTNER
from mithaq.intelligence.errors import NotHeld
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.signing import VerifyKey

_OF_PASSAGE = ("object_id", "lane", "digest", "originator", "holder", "recipient", "agreement_id")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that this nation asked or was asked, and its answer: `asked`, `given` or `refused`."""

    row: int
    passage: Passage
    answer: str
    at: datetime
    until: datetime | None


class Consents:
    """Consents that this nation needs as a holder, and those it gives as an originator."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def ask(
        self,
        object_id: str,
        recipient: NationId,
        agreement_id: str,
        *,
        purpose: str = "defence",
        lane: Lane = ACTUAL,
        at: datetime,
        actor: str,
    ) -> Passage:
        """Ask the originator whether the newest version may go on to a nation; it leaves once that is consented to.

        Raises:
            NotHeld: there is no such object in this lane.
            NotReleasable: this nation is the originator itself.
        """
        own = self._context.own
        with self._context.db.read() as connection:
            versions = self._context.holdings.get(connection, object_id, lane)
        if not versions:
            raise NotHeld("this node holds no such object in this lane", subject=object_id[:120])
        stored, originator = versions[0], item_of(versions[0], own).originator
        if originator == own:
            raise NotReleasable("this nation is the originator; nobody has to consent", subject=object_id)
        passage = Passage(object_id, str(lane), digest_of(stored), originator, own, recipient, agreement_id)
        envelope = self._context.signer.sign(REQUEST_TYPE, payload_of(ConsentRequest(1, passage, rfc3339(at))))
        with self._context.db.write(at) as tx:
            gate = self._context.gatekeeper(tx.connection, at)
            verdict = gate.judge(stored, recipient, agreement_id, purpose)
            insert_ignore(tx, store.consents, [_row(passage, tx.at)])
            queue(tx, [originator], object_id, envelope, actor=actor)
            question = _question(stored, recipient, agreement_id, purpose)
            keep_withheld(tx, [question | {"reasons": [each.as_json() for each in verdict.reasons], "at": tx.at}])
            _said(tx, passage, actor, "asked")
        return passage

    def answer(self, row: int, answer: Answer, until: datetime, *, at: datetime, actor: str) -> Asked:
        """Answer a holder who asked this nation, the originator.

        Raises:
            NotReleasable: nobody has asked this nation under that number.
        """
        with self._context.db.read() as connection:
            asked = next((each for each in self.all(connection) if each.row == row), None)
        if asked is None or asked.passage.originator != self._context.own:
            raise NotReleasable("nobody has asked this nation under number %(number)s", number=row)
        consent = Consent(1, asked.passage, answer, rfc3339(at), rfc3339(until))
        envelope = self._context.signer.sign(CONSENT_TYPE, payload_of(consent))
        with self._context.db.write(at) as tx:
            _keep(tx, consent, envelope)
            queue(tx, [NationId(asked.passage.holder)], asked.passage.object, envelope, actor=actor)
            _said(tx, asked.passage, actor, answer)
        return Asked(row, asked.passage, answer, at, until)

    def all(self, connection: Connection) -> list[Asked]:
        """Return every question of both directions, oldest first."""
        rows = connection.execute(select(store.consents).order_by(store.consents.c.row))
        return [Asked(row.row, _passage(row), row.answer, row.at, row.until) for row in rows]

    def about(self, connection: Connection, object_id: str, lane: Lane) -> list[Asked]:
        """Return what was asked about the versions of one object, oldest first."""
        table = store.consents
        query = select(table).where(table.c.object_id == object_id, table.c.lane == str(lane)).order_by(table.c.row)
        return [Asked(row.row, _passage(row), row.answer, row.at, row.until) for row in connection.execute(query)]

    def may_be_asked(self, stored: StoredObject, recipient: NationId) -> bool:
        """Tell whether an originator's terms let an object go on to a nation where it consents."""
        return any(
            terms.onward == "originator-consent" and recipient not in terms.onward_parties
            for terms in item_of(stored, self._context.own).carried
        )

    def unanswered(self, connection: Connection) -> int:
        """Count the questions that this nation was asked and has not answered."""
        table = store.consents
        query = select(func.count()).where(table.c.originator == self._context.own, table.c.answer == "asked")
        return connection.scalar(query) or 0

    def take_request(self, sender: NationId, envelope: bytes, at: datetime) -> None:
        """Keep a holder's request about an object of this nation, for a person to answer.

        Raises:
            BadSignature, BadLetter: it is not signed by who sent it, or not about an object of this nation.
        """
        request = read_request(envelope, sender, self._key(sender))
        passage = request.passage
        count = select(func.count()).where(store.consents.c.holder == sender, store.consents.c.answer == "asked")
        with self._context.db.write(at) as tx:
            if passage.originator != self._context.own or not self._is_own(tx.connection, passage):
                raise BadLetter("this nation is not the originator of that version", subject=passage.object)
            if (tx.connection.scalar(count) or 0) >= MAX_OPEN_CONSENTS_PER_PARTNER:
                raise BadLetter("more requests of this nation wait to be answered than are kept")
            insert_ignore(tx, store.consents, [_row(passage, tx.at)])
            _said(tx, passage, f"nation:{sender}", "asked")

    def take_consent(self, sender: NationId, envelope: bytes, at: datetime) -> None:
        """Keep an originator's answer; where it consents, what waits for it leaves.

        Raises:
            BadSignature, BadLetter: it is not signed by the originator, or answers what this nation never asked.
        """
        consent = read_consent(envelope, sender, self._key(sender))
        if consent.passage.holder != self._context.own:
            raise BadLetter("it answers what this nation has not asked", subject=consent.passage.object)
        with self._context.db.write(at) as tx:
            if _keep(tx, consent, envelope):
                _said(tx, consent.passage, f"nation:{sender}", consent.answer)

    def _key(self, nation: NationId) -> VerifyKey:
        with self._context.db.read() as connection:
            return self._context.partners.get(connection, nation).card.verify_key

    def _is_own(self, connection: Connection, passage: Passage) -> bool:
        own, holdings = self._context.own, self._context.holdings
        return any(
            digest_of(stored) == passage.digest and item_of(stored, own).originator == own
            for stored in holdings.get(connection, passage.object, Lane.parse(passage.lane))
        )


def _passage(row: Any) -> Passage:
    return Passage(row.object_id, row.lane, row.digest, row.originator, row.holder, row.recipient, row.agreement_id)


def _row(passage: Passage, at: datetime) -> dict[str, Any]:
    named = dict(zip(_OF_PASSAGE, msgspec.structs.astuple(passage), strict=True))
    return named | {"answer": "asked", "at": at, "until": None, "envelope": None}


def _keep(tx: Transaction, consent: Consent, envelope: bytes) -> bool:
    """Write down an answer; tell whether it was not known.

    Raises:
        BadLetter: the question is not here, or a later answer to it is.
    """
    table, named = store.consents, dict(zip(_OF_PASSAGE, msgspec.structs.astuple(consent.passage), strict=True))
    here = [table.c[name] == value for name, value in named.items()]
    known = tx.execute(select(table).where(*here).with_for_update()).one_or_none()
    if known is None:
        raise BadLetter("it answers what this nation has not asked", subject=consent.passage.object)
    at, until = from_rfc3339(consent.at), from_rfc3339(consent.until)
    if known.answer != "asked" and at <= known.at:
        if bytes(known.envelope) == envelope:
            return False
        raise BadLetter("a later answer to the same question is known", subject=consent.passage.object)
    values = {"answer": consent.answer, "until": until, "envelope": envelope, "at": at}
    tx.execute(update(table).where(*here).values(**values))
    return True


def _question(stored: StoredObject, recipient: NationId, agreement_id: str, purpose: str) -> dict[str, Any]:
    return {
        "recipient": recipient,
        "object_row": stored.row,
        "object_id": stored.stix.id,
        "version": version_of(stored),
        "lane": str(stored.lane),
        "agreement_id": agreement_id,
        "purpose": purpose,
    }


def _said(tx: Transaction, passage: Passage, actor: str, answer: str) -> None:
    detail = {"order": f"consent {answer}", "holder": passage.holder, "recipient": passage.recipient}
    tx.append("exchange.orders", subject=passage.object, lane=Lane.parse(passage.lane), actor=actor, detail=detail)


def takers(consents: Consents) -> dict[str, Taker]:
    """Return who takes the letters of a consent."""
    return {REQUEST_TYPE: consents.take_request, CONSENT_TYPE: consents.take_consent}
