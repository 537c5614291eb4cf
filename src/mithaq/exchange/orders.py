"""What releasers and directors decide: standing orders, vetoes, and the question why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from mithaq.exchange import approvals, store
from mithaq.exchange.context import Context
from mithaq.exchange.errors import NotReleasable
from mithaq.exchange.items import digest_of
from mithaq.exchange.log.record import record_of_release
from mithaq.exchange.membership.service import Membership
from mithaq.exchange.protecting import versions_of
from mithaq.exchange.release_document import read_release
from mithaq.exchange.sending.record import LOST, last_sequence
from mithaq.intelligence.errors import NotHeld
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.signing import read_envelope
from mithaq.nations.people.rules import another_person
from mithaq.release.model import Verdict

_WAITING = select(store.sent).where(
    store.sent.c.frame == b"", store.sent.c.leaf.is_not(None), store.sent.c.envelope.is_not(None)
)


@dataclass(frozen=True, slots=True)
class Why:
    """The gate's answer about one object, one partner and one agreement.

    `protected_id`: the newest protected version that was made of the object for this agreement, if any was.
    """

    object_id: str
    partner: NationId
    agreement_id: str
    purpose: str
    verdict: Verdict
    already_has_it: bool
    approved_by: frozenset[str] = frozenset()
    protected_id: str = ""
    protected_went: bool = False

    @property
    def waits_for_a_person(self) -> bool:
        """Tell whether another person's approval is among what is missing."""
        return any(reason.code == "second-person" for reason in self.verdict.reasons)


class Orders:
    """Decisions of people about releases."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def stand(self, agreement_id: str, purpose: str, *, at: datetime, actor: str) -> None:
        """Order that new objects go to the parties of this agreement, for this purpose.

        Raises:
            UnknownAgreement: there is no such agreement here.
            NotReleasable: the agreement does not know the purpose.
        """
        with self._context.db.read() as connection:
            agreement = self._context.agreements.get(connection, agreement_id)
        if purpose not in agreement.document.terms.purposes:
            raise NotReleasable(
                "the agreement does not cover the purpose %(purpose)s", subject=agreement_id, purpose=purpose
            )
        with self._context.db.write(at) as tx:
            tx.execute(delete(store.standing_orders).where(store.standing_orders.c.agreement_id == agreement_id))
            tx.execute(
                store.standing_orders.insert().values(
                    agreement_id=agreement_id, purpose=purpose, ordered_by=actor, ordered_at=at
                )
            )
            _said(tx, agreement_id, actor, order="standing")

    def stop(self, agreement_id: str, *, at: datetime, actor: str) -> None:
        """End a standing order."""
        with self._context.db.write(at) as tx:
            tx.execute(delete(store.standing_orders).where(store.standing_orders.c.agreement_id == agreement_id))
            _said(tx, agreement_id, actor, order="ended")

    def standing(self, connection: Connection) -> list[tuple[str, str]]:
        """Return the agreements under which new objects are released, with the purpose."""
        rows = connection.execute(select(store.standing_orders).order_by(store.standing_orders.c.agreement_id))
        return [(row.agreement_id, row.purpose) for row in rows]

    def veto(self, object_id: str, recipient: NationId | None, *, at: datetime, actor: str) -> None:
        """Keep an object from one nation, or from everybody."""
        row = {"object_id": object_id, "recipient": recipient or "*", "by": actor, "at": at}
        with self._context.db.write(at) as tx:
            insert_ignore(tx, store.vetoes, [row])
            _said(tx, object_id, actor, order="veto")

    def lift_veto(self, object_id: str, recipient: NationId | None, *, at: datetime, actor: str) -> None:
        """Lift a veto."""
        table = store.vetoes
        with self._context.db.write(at) as tx:
            tx.execute(delete(table).where(table.c.object_id == object_id, table.c.recipient == (recipient or "*")))
            _said(tx, object_id, actor, order="veto lifted")

    def approve(
        self, object_id: str, agreement_id: str, *, lane: Lane = ACTUAL, digest: str = "", at: datetime, actor: str
    ) -> frozenset[str]:
        """Approve, as one of several persons, that the newest version of an object goes out under an agreement.

        Args:
            digest: the SHA-256 of the version that the person has read; the newest one where it is empty.

        Returns:
            Everybody who has approved this version by now; who instructed its release counts.

        Raises:
            NotHeld: there is no such object in this lane.
            UnknownAgreement: there is no such agreement here.
            NotReleasable: it has changed since it was read, or this person has approved it before.
        """
        with self._context.db.write(at) as tx:
            self._context.agreements.get(tx.connection, agreement_id)
            versions = self._context.holdings.get(tx.connection, object_id, lane)
            if not versions:
                raise NotHeld("this node holds no such object in this lane", subject=object_id[:120])
            newest = digest_of(versions[0])
            if digest not in ("", newest):
                raise NotReleasable("a newer version has come since it was read", subject=object_id)
            known = approvals.persons(tx.connection, versions[0], newest, agreement_id)
            if reason := another_person(actor, known):
                raise NotReleasable(reason.message, subject=object_id)
            approvals.add(tx, versions[0], newest, agreement_id, actor)
            detail = {"order": "approved", "agreement": agreement_id, "digest": newest}
            tx.append("exchange.orders", subject=object_id, lane=lane, actor=actor, detail=detail)
        return known | {actor}

    def resume(self, partner: NationId, *, at: datetime, actor: str) -> tuple[int, int]:
        """Go on with a partner that was sent more than this node remembers, as after the restore of a backup.

        The numbers in between count as used. Return the first and the last of them.

        Raises:
            NotReleasable: the partner claims no more than it was sent, so there is nothing to resume.
        """
        query = select(store.channels.c.asked_after).where(store.channels.c.partner == partner)
        with self._context.db.write(at) as tx:
            last = last_sequence(tx.connection, partner)
            claimed = tx.connection.execute(query).scalar_one_or_none() or 0
            if claimed <= last:
                raise NotReleasable("this partner claims no more than it was sent", subject=partner)
            tx.execute(store.sent.insert(), [_lost(partner, number, at) for number in range(last + 1, claimed + 1)])
            self._log_anew(tx)
            _said(tx, partner, actor, order="resume")
        return last + 1, claimed

    def begin_log_anew(self, *, at: datetime, actor: str) -> None:
        """Begin a new log this year: partners have cosigned more of the old one than is here.

        So it is after the restore of a backup. What still waits for witnesses goes into the new log.
        """
        with self._context.db.write(at) as tx:
            self._log_anew(tx)
            _said(tx, self._context.own, actor, order="log anew")

    def _log_anew(self, tx: Transaction) -> None:
        """Begin a new log, and put what still waits for witnesses into it: the old one has leaves unknown here."""
        self._context.log.begin_anew(tx)
        Membership(self._context).begin_anew(tx)
        for row in tx.connection.execute(_WAITING).all():
            document = read_release(read_envelope(bytes(row.envelope)).payload)
            (place,) = self._context.log.append(tx, [record_of_release(document, row.digest)])
            here = (store.sent.c.recipient == row.recipient, store.sent.c.sequence == row.sequence)
            tx.execute(update(store.sent).where(*here).values(log=place.log, leaf=place.leaf))

    def why(
        self, connection: Connection, stored: StoredObject, partner: NationId, purpose: str, at: datetime
    ) -> Sequence[Why]:
        """Answer for every agreement with a partner, or once without any when there is none."""
        gate = self._context.gatekeeper(connection, at)
        shared = [
            agreement.document.id
            for agreement in self._context.agreements.all(connection)
            if partner in agreement.parties and self._context.own in agreement.parties
        ]
        answers = []
        for agreement_id in dict.fromkeys(shared or [""]):
            made = versions_of(connection, stored.stix.id, stored.lane, agreement_id)
            answers.append(
                Why(
                    stored.stix.id,
                    partner,
                    agreement_id,
                    purpose,
                    gate.judge(stored, partner, agreement_id, purpose),
                    gate.knows(stored.stix.id, partner, stored.provenance),
                    gate.approved_by(stored, partner, agreement_id),
                    made[-1] if made else "",
                    bool(made) and gate.knows(made[-1], partner),
                )
            )
        return answers


def _lost(partner: NationId, number: int, at: datetime) -> dict[str, object]:
    return {
        "recipient": partner,
        "sequence": number,
        "release_id": f"release--lost-{number}",
        "action": LOST,
        "lane": str(ACTUAL),
        "agreement_id": "",
        "agreement_version": 0,
        "purpose": "",
        "digest": "",
        "frame": b"",
        "sent_at": at,
        "outcome": LOST,
        "receipt": b"",
        "receipted_at": at,
        "refused": [],
    }


def _said(tx: Transaction, subject: str, actor: str, *, order: str) -> None:
    tx.append("exchange.orders", subject=subject, lane=ACTUAL, actor=actor, detail={"order": order})
