"""Why a constituent does or does not read an object in a collection: for people here, and for nobody else."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, select

from mithaq.exchange.columns import COLUMNS
from mithaq.exchange.taxii import store
from mithaq.exchange.taxii.judging import Judge
from mithaq.exchange.taxii.model import Collection, Shelf
from mithaq.exchange.taxii.shelving import carries, posted_to
from mithaq.intelligence.tables import objects
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.standards.stix import parse

NOT_CARRIED: Final = Reason(
    "not-carried",
    "the types and labels of the collection leave it out, or it was posted elsewhere",
    remedy="make another collection: mithaq collection add",
)
_NEWEST: Final = (
    select(*COLUMNS)
    .where(objects.c.stix_id == bindparam("stix_id"), objects.c.lane == str(ACTUAL))
    .order_by(objects.c.stands.desc(), objects.c.modified.desc(), objects.c.row.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Why:
    """What stands against it that a constituent reads an object; nothing where it may."""

    constituent: str
    reasons: tuple[Reason, ...]


def why(connection: Connection, own: NationId, collection: Collection, object_id: str, at: datetime) -> list[Why]:
    """Judge the newest version of an object for everybody who sees a collection; nothing where none is held."""
    row = connection.execute(_NEWEST, {"stix_id": object_id}).one_or_none()
    if row is None:
        return []
    judge, parsed = Judge(connection, own, at), parse(bytes(row.body))
    (item,) = judge.items([row])
    posted = posted_to(connection, [row], [item])

    def against(shelf: Shelf) -> tuple[Reason, ...]:
        reasons = judge.against(row, shelf)
        return reasons if carries(shelf, row, item, parsed, posted) else (NOT_CARRIED, *reasons)

    shelves = [shelf for shelf in store.open_shelves(connection) if shelf.collection.id == collection.id]
    return [Why(shelf.constituent, against(shelf)) for shelf in shelves]
