"""Signed papers between nations that are no intelligence: agreements and statements about them.

A letter is a DSSE envelope as its nation signed it. It is posted to each party's node until that node has taken it, and
what comes in is stored or refused with the reason. Nothing is signed by itself: a proposal that arrives waits for a
person. Where no link exists the same envelopes travel as files.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, select, update

from mithaq.agreements.errors import NotAParty
from mithaq.agreements.model import AGREEMENT_TYPE
from mithaq.agreements.speaking import Statements
from mithaq.agreements.statement import STATEMENT_TYPE
from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadLetter
from mithaq.exchange.settings import (
    FIRST_LETTER_RETRY_S,
    LONGEST_LETTER_RETRY_S,
    MAX_LETTER_BYTES,
    MAX_OPEN_PROPOSALS_PER_PARTNER,
)
from mithaq.kernel.database import Transaction, upsert
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.journal import Entry, Reader
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.signing import read_envelope

READER = "exchange.letters"
_AT_ONCE = 20

Taker = Callable[[NationId, bytes, datetime], None]


@dataclass(frozen=True, slots=True)
class Letter:
    """One paper on its way to one nation; `about` is the id of the agreement or object it speaks of."""

    row: int
    recipient: NationId
    about: str
    envelope: bytes
    queued_at: datetime
    tried: int
    refusal: str
    delivered_at: datetime | None


class Letters:
    """What waits for each partner, and what to do with what a partner posts."""

    def __init__(self, context: Context, further: Mapping[str, Taker] = MappingProxyType({})) -> None:
        """Read agreements and statements, and the `further` kinds of letter that somebody else takes."""
        self._context = context
        self._statements = Statements(context.db, context.own, context.agreements)
        own = {AGREEMENT_TYPE: self._take_agreement, STATEMENT_TYPE: self._take_statement}
        self._takers: Mapping[str, Taker] = {**own, **further}

    def reader(self) -> Reader:
        """Return the journal reader that posts this nation's statements to the other parties."""
        return Reader(READER, frozenset({"agreements.changed"}), self.handle)

    def handle(self, tx: Transaction, entries: Sequence[Entry]) -> None:
        """Queue the statements that the entries tell of, in the transaction that moves the cursor."""
        for entry in entries:
            if entry.detail.get("nation") != self._context.own or "statement" not in entry.detail:
                continue
            agreement = self._context.agreements.get(tx.connection, entry.subject)
            for heard in self._statements.all(tx.connection, entry.subject):
                said = heard.statement
                if (said.nation, said.sequence) == (self._context.own, entry.detail["sequence"]):
                    queue(tx, agreement.parties - {self._context.own}, entry.subject, heard.envelope)

    def send_agreement(self, agreement_id: str, *, at: datetime, actor: str) -> list[NationId]:
        """Post the newest version, with the signatures held here, to every other party; return these.

        Raises:
            UnknownAgreement: there is no such agreement here.
            NotAParty: this nation has not signed it, so that it is not this nation's to propose.
        """
        with self._context.db.write(at) as tx:
            agreement = self._context.agreements.get(tx.connection, agreement_id)
            if self._context.own not in agreement.signed_by:
                raise NotAParty("this nation has not signed the agreement", subject=agreement_id)
            others = agreement.parties - {self._context.own}
            queue(tx, others, agreement_id, agreement.envelope.encode(), actor=actor)
        return sorted(others)

    def due(self, recipient: NationId, at: datetime) -> list[Letter]:
        """Return what is to be posted to a partner now, oldest first."""
        table = store.letters
        query = (
            select(table)
            .where(table.c.recipient == recipient, table.c.delivered_at.is_(None), table.c.next_at <= at)
            .order_by(table.c.row)
            .limit(_AT_ONCE)
        )
        with self._context.db.read() as connection:
            return [_letter(row) for row in connection.execute(query)]

    def delivered(self, letter: Letter, at: datetime) -> None:
        """Note that a partner's node has taken a letter."""
        self._note(letter, at, delivered_at=at, refusal="")

    def refused(self, letter: Letter, error: Error, at: datetime) -> None:
        """Note that a partner's node refused a letter; it is tried again, each time after a longer wait."""
        wait_s = min(FIRST_LETTER_RETRY_S * 2 ** min(letter.tried, 20), LONGEST_LETTER_RETRY_S)
        again_at = at + timedelta(seconds=wait_s)
        self._note(letter, at, next_at=again_at, tried=letter.tried + 1, refusal=str(error)[:500])

    def on_the_way(self, connection: Connection, about: str | None = None) -> list[Letter]:
        """Return the letters that have not arrived, oldest first."""
        table = store.letters
        query = select(table).where(table.c.delivered_at.is_(None)).order_by(table.c.row)
        if about is not None:
            query = query.where(table.c.about == about)
        return [_letter(row) for row in connection.execute(query)]

    def take(self, sender: NationId, envelope: bytes, at: datetime) -> str:
        """Store what a partner posted, or refuse it; return its media type. The same letter twice is one.

        Raises:
            Error: it is no letter of a kind that is read here, or what it holds is refused.
        """
        kind = read_envelope(envelope, subject="letter", max_bytes=MAX_LETTER_BYTES).payload_type
        taker = self._takers.get(kind)
        if taker is None:
            raise BadLetter("%(found)s is no kind of letter that is read here", found=ascii(kind[:80])[1:-1])
        taker(sender, envelope, at)
        return kind

    def _take_agreement(self, sender: NationId, envelope: bytes, at: datetime) -> None:
        with self._context.db.read() as connection:
            known = self._context.agreements.all(connection)
        payload = read_envelope(envelope, subject="agreement").payload
        is_new = all(each.envelope.payload != payload for each in known)
        proposed = [each for each in known if self._context.own not in each.signed_by and sender in each.signed_by]
        if is_new and len(proposed) >= MAX_OPEN_PROPOSALS_PER_PARTNER:
            raise BadLetter("%(count)s proposals of this nation wait to be read already", count=len(proposed))
        self._context.agreements.receive(envelope, at=at, actor=f"nation:{sender}", sender=sender)

    def _take_statement(self, sender: NationId, envelope: bytes, at: datetime) -> None:
        self._statements.receive(envelope, at=at, actor=f"nation:{sender}", sender=sender)

    def _note(self, letter: Letter, at: datetime, **values: Any) -> None:
        with self._context.db.write(at) as tx:
            tx.execute(update(store.letters).where(store.letters.c.row == letter.row).values(**values))


def queue(tx: Transaction, recipients: Iterable[NationId], about: str, envelope: bytes, *, actor: str = "node") -> None:
    """Put a letter on its way to nations; one that arrived before is posted again."""
    rows = [
        {
            "recipient": recipient,
            "digest": hashlib.sha256(envelope).hexdigest(),
            "about": about,
            "envelope": envelope,
            "queued_at": tx.at,
            "next_at": tx.at,
            "tried": 0,
            "refusal": "",
            "delivered_at": None,
        }
        for recipient in sorted(recipients)
    ]
    changed = ("queued_at", "next_at", "tried", "refusal", "delivered_at")
    upsert(tx, store.letters, rows, keys=("recipient", "digest"), changed=changed)
    if rows:
        detail = {"recipients": [row["recipient"] for row in rows]}
        tx.append("exchange.letter", subject=about, lane=ACTUAL, actor=actor, detail=detail)


def _letter(row: Any) -> Letter:
    return Letter(
        row.row,
        NationId(row.recipient),
        row.about,
        bytes(row.envelope),
        row.queued_at,
        row.tried,
        row.refusal,
        row.delivered_at,
    )
