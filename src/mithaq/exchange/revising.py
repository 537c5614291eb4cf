"""A nation thinks again of its own indicator: a new version, on the same way to everybody who got the old one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, or_, select

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.protecting import versions_of
from mithaq.intelligence.errors import NotHeld
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, StoredObject
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.stix import fields_of, parse

_TICK: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Revised:
    """The new version, and whom it was asked to go to; the gate decides on each."""

    stix_id: str
    modified: datetime
    recipients: tuple[NationId, ...]


def revise(
    context: Context, object_id: str, lane: Lane, at: datetime, by: str, *, confidence: int | None = None
) -> Revised:
    """Give an own indicator a new version: with another confidence, from 0 to 100, or with none given, revoked.

    It is asked to go to each nation that got the object from here, under the agreement and for the purpose of that
    release; where nobody got it, it goes as a new object would.

    Raises:
        NotHeld: this nation's own word stands for no such indicator.
    """
    with context.db.read() as connection:
        versions = context.holdings.get(connection, object_id, lane)
        own = next((each for each in versions if _is_own(each)), None)
        if own is None or own.stix.type != "indicator" or own.stix.revoked:
            raise NotHeld("this nation stands by no such indicator of its own", subject=object_id[:120])
        asked = _given(connection, object_id, lane, by)
    change: dict[str, Any] = {"revoked": True} if confidence is None else {"confidence": confidence}
    modified = max(at, own.stix.modified + _TICK) if own.stix.modified else at
    body = canonical.dumps(fields_of(own.body) | change | {"modified": rfc3339(modified)})
    stix = parse(body)
    mine = next(word for word in own.provenance if word.source == "own")
    word = Provenance.own(mine.nation, at, own.tlp, own.pap, purpose=mine.purpose)
    wanted: Sequence[ReleaseInstruction | None] = asked or (None,)
    new = [NewObject(body, stix, lane, word, each) for each in wanted]
    with context.db.write(at) as tx:
        context.holdings.store(tx, new)
    return Revised(stix.id, modified, tuple(sorted({nation for each in asked for nation in each.recipients or ()})))


def _is_own(stored: StoredObject) -> bool:
    return stored.made_for is None and any(
        word.source == "own" and word.standing == "stands" for word in stored.provenance
    )


def _given(connection: Connection, object_id: str, lane: Lane, by: str) -> list[ReleaseInstruction]:
    """Return the releases by which others got an object from here, or a protected version of it."""
    names = (object_id, *versions_of(connection, object_id, lane))
    inside, sent = store.sent_objects, store.sent
    query = (
        select(sent.c.agreement_id, sent.c.recipient, sent.c.purpose)
        .join(inside, (inside.c.recipient == sent.c.recipient) & (inside.c.sequence == sent.c.sequence))
        .where(inside.c.object_id.in_(names), inside.c.lane == str(lane), sent.c.action == "release")
        .where(or_(sent.c.outcome.is_(None), sent.c.outcome != "quarantined"))
        .distinct()
        .order_by(sent.c.agreement_id, sent.c.recipient, sent.c.purpose)
    )
    rows = connection.execute(query).all()
    return [ReleaseInstruction(row.agreement_id, (NationId(row.recipient),), row.purpose, by) for row in rows]
