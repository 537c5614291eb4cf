"""Make the protected versions of own objects that an agreement asks for, and keep which is of which.

A version is stored as this nation's own word made for that agreement, and is judged and released like any other object.
What it refers to is protected with it. The secret of an agreement is drawn at random when it is first needed; without
its row no pseudonym can be made again.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from mithaq.exchange import store
from mithaq.exchange.gatekeeping import Gatekeeper
from mithaq.exchange.items import item_of
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.release.model import Verdict
from mithaq.release.transforms import SECRET_BYTES, Protected, against_protecting, derived_id, protect

_MENDED = frozenset({"unprotected", "withheld-reference"})
_MAX_OBJECTS = 200
_TOO_MANY = Reason("protect-too-much", "the object shows too much for a protected version")


@dataclass
class _Making:
    """One object's protected version with those of what it refers to; `None` marks one that is being made."""

    gate: Gatekeeper
    agreement_id: str
    secret: bytes
    made: dict[str, tuple[StoredObject, Protected] | None] = field(default_factory=dict)


class Protecting:
    """Protected versions, over one node's holdings."""

    def __init__(self, own: NationId, holdings: Holdings) -> None:
        self._own = own
        self._holdings = holdings

    def is_called_for(self, gate: Gatekeeper, stored: StoredObject, agreement_id: str, verdict: Verdict) -> bool:
        """Tell whether only what an object shows stands against its release, and the agreement names a treatment."""
        codes = {reason.code for reason in verdict.reasons}
        return (
            bool(codes)
            and codes <= _MENDED
            and stored.made_for is None
            and stored.stands
            and bool(gate.policy(agreement_id).operations)
        )

    def version(
        self, connection: Connection, gate: Gatekeeper, stored: StoredObject, agreement_id: str, secret: bytes
    ) -> Protected | Reason:
        """Return an object's protected version without keeping it, or why there is none."""
        return self._make(connection, _Making(gate, agreement_id, secret), stored)

    def keep(
        self, tx: Transaction, gate: Gatekeeper, stored: StoredObject, asked: ReleaseInstruction
    ) -> tuple[Reason, ...]:
        """Make a version, and those of what it refers to, for a recipient; return why not, or nothing.

        A version that is held already is only asked for again.
        """
        making = _Making(gate, asked.agreement_id, secret_of(tx, asked.agreement_id))
        version = self._make(tx.connection, making, stored)
        if isinstance(version, Reason):
            return (version,)
        made = {one: each for one, each in making.made.items() if each is not None and each[1].id != one}
        if stored.stix.id not in made:
            return ()  # it shows nothing and refers to nothing that does: there is no other version
        insert_ignore(
            tx, store.protected, [_link(stored.lane, asked, one, each.id, tx) for one, (_, each) in made.items()]
        )
        agreement = gate.agreement(asked.agreement_id)
        version_number = agreement.document.version if agreement else None
        new = [
            NewObject(
                each.body,
                each.stix,
                of.lane,
                self._word(of, asked.agreement_id, version_number, tx),
                asked if one == stored.stix.id else None,
            )
            for one, (of, each) in made.items()
        ]
        report = self._holdings.store(tx, new)
        return tuple(reason for one, reason in report.refused if one == version.id)

    def _word(self, of: StoredObject, agreement_id: str, agreement_version: int | None, tx: Transaction) -> Provenance:
        word = Provenance.own(self._own, tx.at, of.tlp, of.pap)
        return replace(word, agreement_id=agreement_id, agreement_version=agreement_version)

    def withdraw(self, tx: Transaction, held: Iterable[StoredObject]) -> None:
        """Take back the protected versions of what was taken back; who has one is told by its own withdrawal."""
        for stored in held:
            for protected_id in versions_of(tx.connection, stored.stix.id, stored.lane):
                self._holdings.withdraw(tx, protected_id, stored.lane, self._own, "the original was withdrawn")

    def _make(self, connection: Connection, making: _Making, stored: StoredObject) -> Protected | Reason:
        against = against_protecting(item_of(stored, self._own), self._own)
        if against is not None:
            return against
        if len(making.made) >= _MAX_OBJECTS:
            return _TOO_MANY
        making.made[stored.stix.id] = None
        policy = making.gate.policy(making.agreement_id)
        renamed: dict[str, str] = {}
        for reference in stored.stix.refs:
            new_id = self._new_id(connection, making, reference, stored.lane)
            if new_id != reference:
                renamed[reference] = new_id
        version = protect(stored.body, policy, making.secret, renamed)
        if isinstance(version, Protected):
            making.made[stored.stix.id] = (stored, version)
        return version

    def _new_id(self, connection: Connection, making: _Making, reference: str, lane: Lane) -> str:
        """Return by which id a recipient knows an object: its own where it shows nothing, or cannot be changed."""
        policy = making.gate.policy(making.agreement_id)
        if reference in making.made:
            known = making.made[reference]
            if known is not None:
                return known[1].id
        held = self._holdings.get(connection, reference, lane)
        if not held or not held[0].stands or held[0].made_for is not None:
            return reference
        if reference in making.made:  # it refers back to what refers to it, or could not be made
            shows = making.gate.exposes(held[0], making.agreement_id) & policy.operations.keys()
            return derived_id(reference, policy, making.secret) if shows else reference
        version = self._make(connection, making, held[0])
        return version.id if isinstance(version, Protected) else reference


def _link(
    lane: Lane, asked: ReleaseInstruction, object_id: str, protected_id: str, tx: Transaction
) -> dict[str, object]:
    return {
        "object_id": object_id,
        "agreement_id": asked.agreement_id,
        "lane": str(lane),
        "protected_id": protected_id,
        "made_at": tx.at,
    }


def secret_of(tx: Transaction, agreement_id: str) -> bytes:
    """Return the secret of an agreement's pseudonyms, drawn now if there is none yet."""
    row = {"agreement_id": agreement_id, "secret": os.urandom(SECRET_BYTES), "made_at": tx.at}
    insert_ignore(tx, store.protection_secrets, [row])
    table = store.protection_secrets
    return bytes(tx.connection.execute(select(table.c.secret).where(table.c.agreement_id == agreement_id)).scalar_one())


def versions_of(connection: Connection, object_id: str, lane: Lane, agreement_id: str | None = None) -> Sequence[str]:
    """Return the ids of an object's protected versions, all or those made for one agreement."""
    table = store.protected
    query = select(table.c.protected_id).where(table.c.object_id == object_id, table.c.lane == str(lane))
    if agreement_id is not None:
        query = query.where(table.c.agreement_id == agreement_id)
    return connection.scalars(query.order_by(table.c.made_at, table.c.protected_id)).all()


def original_of(connection: Connection, protected_id: str, lane: Lane) -> str:
    """Return the id of the own object of which this is a protected version; its own where it is none."""
    table = store.protected
    query = select(table.c.object_id).where(table.c.protected_id == protected_id, table.c.lane == str(lane))
    return connection.scalar(query.limit(1)) or protected_id
