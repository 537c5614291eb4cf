"""Read the holdings: objects by row, by id, by what they name, each with everyone who said it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Integer, Select, bindparam, or_, select, tuple_

from mithaq.intelligence.model import Provenance, ReleaseInstruction, StoredObject
from mithaq.intelligence.tables import instructions, objects, observables, originals, provenance
from mithaq.intelligence.tokens import index_key
from mithaq.kernel.database import among
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.admiralty import Admiralty
from mithaq.standards.observable import Observable
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp

_NAMING: Final = (
    select(observables.c.object)
    .join(objects, objects.c.row == observables.c.object)
    .where(
        observables.c.type == bindparam("type"),
        observables.c.key == bindparam("key"),
        objects.c.lane == bindparam("lane"),
        objects.c.stands,
    )
    .order_by(observables.c.object)
)
IN_FORCE: Final = (
    objects.c.type == "indicator",
    objects.c.stands,
    objects.c.revoked.is_(False),
    or_(objects.c.valid_until.is_(None), objects.c.valid_until > bindparam("at", type_=objects.c.valid_until.type)),
)
"""An indicator that counts at the instant `at`."""

ACTIVE: Final = (*IN_FORCE, objects.c.matchable)
"""One that single observables make true, and that is to be looked for at the instant `at`."""

_ACTIVE_INDICATORS: Final = (
    select(objects)
    .where(objects.c.row > bindparam("after"), *ACTIVE)
    .order_by(objects.c.row)
    .limit(bindparam("limit", type_=Integer))
)
_BY_ROWS = {
    dialect: select(objects).where(given).order_by(objects.c.row)
    for dialect, given in among(objects.c.row, "rows").items()
}
_VERSIONS = (
    select(objects)
    .where(objects.c.stix_id == bindparam("stix_id"), objects.c.lane == bindparam("lane"))
    .order_by(objects.c.modified.desc(), objects.c.row.desc())
)
_WORDS = {
    dialect: select(provenance).where(given).order_by(provenance.c.row)
    for dialect, given in among(provenance.c.object, "rows").items()
}
_GIVEN = {
    dialect: select(instructions).where(given).order_by(instructions.c.row)
    for dialect, given in among(instructions.c.object, "rows").items()
}


def original(connection: Connection, digest: str) -> bytes | None:
    """Return a foreign file by its digest."""
    body = connection.scalar(select(originals.c.body).where(originals.c.digest == digest))
    return None if body is None else bytes(body)


def versions(connection: Connection, stix_id: str, lane: Lane) -> list[StoredObject]:
    """Return every version of an object, newest first."""
    return load(connection, _VERSIONS, {"stix_id": stix_id, "lane": str(lane)})


def by_rows(connection: Connection, rows: Sequence[int]) -> list[StoredObject]:
    """Return objects by their rows, in row order."""
    return load(connection, _BY_ROWS[connection.dialect.name], {"rows": list(rows)})


def since(connection: Connection, at: datetime, after_row: int, limit: int) -> list[StoredObject]:
    """Return objects stored at `at` or later, in row order after `after_row`."""
    query = select(objects).where(objects.c.row > after_row, objects.c.stored_at >= at)
    return load(connection, query.order_by(objects.c.row).limit(limit))


def names(connection: Connection, object_type: str) -> frozenset[str]:
    """Return the names of the standing objects of a type."""
    query = select(objects.c.name).where(objects.c.type == object_type, objects.c.stands, objects.c.name != "")
    return frozenset(connection.scalars(query.distinct()))


def active_indicators(connection: Connection, at: datetime, after_row: int, limit: int) -> list[StoredObject]:
    """Return the indicators that stand, can be matched, and have not expired, in row order."""
    return load(connection, _ACTIVE_INDICATORS, {"at": at, "after": after_row, "limit": limit})


def known(connection: Connection, wanted: Sequence[Observable], lane: Lane) -> dict[Observable, list[int]]:
    """Return, for each observable that any standing object names, the rows of those objects."""
    keys = {(item.type, index_key(item)): item for item in wanted}
    found: dict[Observable, list[int]] = {}
    if not keys:
        return found
    query = (
        select(observables.c.type, observables.c.key, observables.c.object)
        .join(objects, objects.c.row == observables.c.object)
        .where(
            tuple_(observables.c.type, observables.c.key).in_(list(keys)),
            objects.c.lane == str(lane),
            objects.c.stands,
        )
        .order_by(observables.c.object)
    )
    for row in connection.execute(query):
        found.setdefault(keys[(row.type, row.key)], []).append(row.object)
    return found


def naming(connection: Connection, kind: str, key: str, lane: Lane) -> list[int]:
    """Return the rows of every standing object that names one value, by its type and key."""
    return list(connection.scalars(_NAMING, {"type": kind, "key": key, "lane": str(lane)}))


def load(connection: Connection, query: Select[Any], named: Mapping[str, Any] | None = None) -> list[StoredObject]:
    """Run a query over `objects` and put each row's words and instructions beside it."""
    rows = connection.execute(query, named).all()
    numbers = [row.row for row in rows]
    words: dict[int, list[Provenance]] = defaultdict(list)
    if numbers:
        for word in connection.execute(_WORDS[connection.dialect.name], {"rows": numbers}):
            words[word.object].append(_provenance(word))
    given = instructions_of(connection, numbers)
    return [_stored(row, words[row.row], given[row.row]) for row in rows]


def instructions_of(connection: Connection, rows: Sequence[int]) -> defaultdict[int, list[ReleaseInstruction]]:
    """Return what releasers asked for about each of these rows, oldest first; nothing for most."""
    given: defaultdict[int, list[ReleaseInstruction]] = defaultdict(list)
    if rows:
        for row in connection.execute(_GIVEN[connection.dialect.name], {"rows": list(rows)}):
            given[row.object].append(instruction_of(row))
    return given


def instruction_of(row: Any) -> ReleaseInstruction:
    """Return a row of `instructions` as what the releaser asked for."""
    recipients = None if row.recipients is None else tuple(NationId(nation) for nation in row.recipients)
    return ReleaseInstruction(row.agreement_id, recipients, row.purpose, row.given_by or "")


def _provenance(row: Any) -> Provenance:
    return Provenance(
        source=row.source,
        nation=NationId(row.nation),
        agreement_id=row.agreement_id,
        agreement_version=row.agreement_version,
        release_id=row.release_id,
        purpose=row.purpose,
        tlp=Tlp(row.tlp),
        pap=None if row.pap is None else Pap(row.pap),
        carried=row.carried,
        received_at=row.received_at,
        original=row.original,
        standing=row.standing,
        standing_reason=row.standing_reason,
        admiralty=Admiralty.parse(row.admiralty) if row.admiralty else None,
        labelled=row.labelled,
    )


def _stored(row: Any, words: Sequence[Provenance], given: Sequence[ReleaseInstruction]) -> StoredObject:
    body = bytes(row.body)
    return StoredObject(
        row=row.row,
        body=body,
        stix=parse(body),
        lane=Lane.parse(row.lane),
        tlp=Tlp(row.tlp),
        pap=None if row.pap is None else Pap(row.pap),
        stored_at=row.stored_at,
        stands=bool(row.stands),
        provenance=tuple(words),
        instructions=tuple(given),
    )
