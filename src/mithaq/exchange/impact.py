"""What a stolen signing key may have touched: the releases of the time since, by their numbers and objects."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from mithaq.exchange import store
from mithaq.exchange.release_document import read_release
from mithaq.kernel import canonical
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import read_envelope

SENT, RECEIVED = "sent", "received"


@dataclass(frozen=True, slots=True)
class Touched:
    """One release that the thief of a key may have made or changed."""

    direction: str
    nation: NationId
    sequence: int
    release_id: str
    at: datetime
    objects: tuple[str, ...]


def received_since(connection: Connection, sender: NationId, since: datetime) -> list[Touched]:
    """Return what came from a partner since an instant: each is to be looked at with its people."""
    query = (
        select(store.received)
        .where(store.received.c.sender == sender, store.received.c.received_at >= since)
        .order_by(store.received.c.sequence)
    )
    found = []
    for row in connection.execute(query):
        names = _named_in(bytes(row.envelope)) if row.envelope else ()  # erased: nothing of it is held any more
        found.append(Touched(RECEIVED, sender, row.sequence, row.release_id, row.received_at, names))
    return found


def _named_in(envelope: bytes) -> tuple[str, ...]:
    release = read_release(read_envelope(envelope).payload)
    objects = [str(canonical.loads(each.body)["id"]) for each in release.objects]
    return tuple(dict.fromkeys([*objects, *release.withdrawn]))


def sent_since(connection: Connection, since: datetime) -> list[Touched]:
    """Return what this node gave to partners since an instant."""
    query = select(store.sent).where(store.sent.c.sent_at >= since).order_by(store.sent.c.sent_at)
    found = []
    for row in connection.execute(query).all():
        inside = select(store.sent_objects.c.object_id).where(
            store.sent_objects.c.recipient == row.recipient, store.sent_objects.c.sequence == row.sequence
        )
        names = tuple(dict.fromkeys(connection.scalars(inside)))
        found.append(Touched(SENT, NationId(row.recipient), row.sequence, row.release_id, row.sent_at, names))
    return found
