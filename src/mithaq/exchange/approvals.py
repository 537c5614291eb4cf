"""Joint decisions: who approved that exactly this version of an object goes out under an agreement."""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Connection, select

from mithaq.exchange import store
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.database import Transaction, insert_ignore

Approved = Mapping[tuple[str, str, str], Mapping[str, set[str]]]
"""By object, lane and agreement: for the digest of each version, the persons who approved it."""


def all_of(connection: Connection) -> Approved:
    """Return every approval."""
    found: dict[tuple[str, str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in connection.execute(select(store.approvals)):
        found[row.object_id, row.lane, row.agreement_id][row.digest].add(row.person)
    return found


def persons(connection: Connection, stored: StoredObject, digest: str, agreement_id: str) -> frozenset[str]:
    """Return who has approved a version so far, and who instructed its release to every party."""
    table = store.approvals
    query = select(table.c.person).where(
        table.c.object_id == stored.stix.id,
        table.c.lane == str(stored.lane),
        table.c.agreement_id == agreement_id,
        table.c.digest == digest,
    )
    instructed = {
        each.by
        for each in stored.instructions
        if each.by and each.agreement_id == agreement_id and each.recipients is None
    }
    return frozenset(instructed.union(connection.scalars(query)))


def add(tx: Transaction, stored: StoredObject, digest: str, agreement_id: str, person: str) -> None:
    """Insert one person's approval."""
    row = {"object_id": stored.stix.id, "lane": str(stored.lane), "digest": digest, "agreement_id": agreement_id}
    insert_ignore(tx, store.approvals, [row | {"person": person, "at": tx.at}])
