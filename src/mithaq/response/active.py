"""The indicators that are active, with the values they name, made from columns: no pattern is read.

What a value is stands in an index, which the matcher looks in too; a value that is too long for it is read from its
object.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Integer, bindparam, case, func, select
from sqlalchemy.sql import exists

from mithaq.exchange import columns
from mithaq.exchange.columns import COLUMNS
from mithaq.intelligence.reading import ACTIVE
from mithaq.intelligence.tables import objects, observables, provenance
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import Item
from mithaq.standards.observable import Observable
from mithaq.standards.stix import StixObject, parse, valid_from

_PAGE: Final = 1_000
_HASHED: Final = "sha256:"
_OWN_AGREEMENT: Final = case((provenance.c.source == "own", provenance.c.agreement_id))
_IS_PROTECTED: Final = exists(
    select(provenance.c.object)
    .where(provenance.c.object == objects.c.row)
    .group_by(provenance.c.object)
    .having(
        func.count() == func.count(_OWN_AGREEMENT),
        func.min(provenance.c.agreement_id) == func.max(provenance.c.agreement_id),
    )
)
"""As `StoredObject.made_for` says: every word is this nation's own, for one and the same agreement."""

_ACTIVE: Final = (
    select(*COLUMNS, objects.c.valid_until)
    .where(objects.c.row > bindparam("after"), objects.c.lane == str(ACTUAL), ~_IS_PROTECTED, *ACTIVE)
    .order_by(objects.c.row)
    .limit(bindparam("limit", type_=Integer))
)
_NAMED: Final = select(observables.c.object, observables.c.type, observables.c.key).where(
    observables.c.object.in_(bindparam("rows", expanding=True)), observables.c.sufficient
)


class Naming(NamedTuple):
    """One object as a list looks at it: as the gate sees it, when it counts, and the values it names."""

    item: Item
    revoked: bool
    valid_from: datetime | None
    valid_until: datetime | None
    observables: Sequence[Observable]


def naming_of(item: Item, stix: StixObject) -> Naming:
    """Return one object as a list looks at it."""
    return Naming(item, stix.revoked, stix.valid_from, stix.valid_until, stix.observables)


def active_pages(connection: Connection, own: NationId, at: datetime) -> Iterator[list[Naming]]:
    """Yield the indicators of the lane `actual` that count at an instant, a thousand at a time.

    A protected version is for a partner, and here its original counts.
    """
    after = 0
    while rows := connection.execute(_ACTIVE, {"after": after, "at": at, "limit": _PAGE}).all():
        after = rows[-1].row
        named = _named(connection, rows)
        yield [
            Naming(item, False, valid_from(bytes(row.body)), row.valid_until, named[row.row])
            for row, item in zip(rows, columns.items(connection, own, rows), strict=True)
        ]


def _named(connection: Connection, rows: Sequence[Any]) -> dict[int, Sequence[Observable]]:
    """Return what each indicator names that alone makes it true."""
    found: dict[int, list[Observable]] = {row.row: [] for row in rows}
    hashed: set[int] = set()
    for number, kind, key in connection.execute(_NAMED, {"rows": list(found)}):
        if key.startswith(_HASHED):
            hashed.add(number)
        found[number].append(Observable(kind, key))
    whole = {row.row: parse(bytes(row.body)).observables for row in rows if row.row in hashed}
    return {**found, **whole}
