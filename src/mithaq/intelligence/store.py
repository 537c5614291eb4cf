"""Queries of the holdings."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
    tuple_,
    update,
)

from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, Standing, StoredObject
from mithaq.intelligence.rules import Identity, Plan, Version, Word
from mithaq.intelligence.search import Query, indexed_text
from mithaq.intelligence.tables import instructions, objects, observables, originals, provenance, tombstones
from mithaq.kernel.database import Transaction, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.standards.pap import Pap
from mithaq.standards.stix import StixObject, parse
from mithaq.standards.tlp import Tlp

_STORE_LOCK: Final = 0x686F6C64
_NAME_CHARS: Final = 500
_KEY_CHARS: Final = 600
"""Longer values are indexed by their digest: a PostgreSQL index entry has room for about 2,700 bytes."""


_BY_ROWS = select(objects).where(objects.c.row.in_(bindparam("rows", expanding=True))).order_by(objects.c.row)
_VERSIONS = (
    select(objects)
    .where(objects.c.stix_id == bindparam("stix_id"), objects.c.lane == bindparam("lane"))
    .order_by(objects.c.modified.desc(), objects.c.row.desc())
)
_WORDS = select(provenance).where(provenance.c.object.in_(bindparam("rows", expanding=True))).order_by(provenance.c.row)
_GIVEN = (
    select(instructions)
    .where(instructions.c.object.in_(bindparam("rows", expanding=True)))
    .order_by(instructions.c.row)
)


def lock(tx: Transaction) -> None:
    """Let one process at a time add objects; SQLite's single writer already does."""
    if tx.connection.dialect.name == "postgresql":
        tx.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _STORE_LOCK})


def next_row(connection: Connection) -> int:
    """Return the row number of the next object."""
    held = connection.scalar(select(func.max(objects.c.row))) or 0
    erased = connection.scalar(select(func.max(tombstones.c.row))) or 0
    return int(max(held, erased)) + 1


def held_versions(connection: Connection, identities: Iterable[Identity]) -> dict[Identity, list[Version]]:
    """Return the versions already held of the given objects, with who said them."""
    wanted = list(dict.fromkeys(identities))
    columns = (objects.c.row, objects.c.lane, objects.c.stix_id, objects.c.digest, objects.c.modified)
    by_row: dict[int, Version] = {}
    found: dict[Identity, list[Version]] = defaultdict(list)
    lanes = {lane for lane, _ in wanted}
    for lane in lanes:
        ids = [stix_id for wanted_lane, stix_id in wanted if wanted_lane == lane]
        for row in connection.execute(select(*columns).where(objects.c.lane == lane, objects.c.stix_id.in_(ids))):
            by_row[row.row] = Version(row.row, bytes(row.digest), row.modified)
            found[(row.lane, row.stix_id)].append(by_row[row.row])
    if by_row:
        _load_words(connection, by_row)
    return found


def _load_words(connection: Connection, by_row: Mapping[int, Version]) -> None:
    for row in connection.execute(select(provenance).where(provenance.c.object.in_(list(by_row)))):
        word = Word(NationId(row.nation), row.source, row.agreement_id, row.release_id, row.standing)
        by_row[row.object].words.append(word)
    for row in connection.execute(select(instructions).where(instructions.c.object.in_(list(by_row)))):
        by_row[row.object].instructions.add(_instruction(row))


def write_plan(tx: Transaction, plan: Plan) -> None:
    """Write what was decided for a batch, a few statements whatever its size."""
    if plan.versions:
        tx.execute(objects.insert(), [_object_row(row, digest, new, tx.at) for row, digest, new in plan.versions])
        found = [entry for row, _, new in plan.versions for entry in observable_rows(row, new.stix)]
        if found:
            tx.execute(observables.insert(), found)
    if plan.words:
        tx.execute(provenance.insert(), [_word_row(row, given, standing) for row, given, standing in plan.words])
    if plan.instructions:
        tx.execute(instructions.insert(), [_instruction_row(row, given, tx.at) for row, given in plan.instructions])
    if plan.superseded:
        tx.execute(
            update(provenance)
            .where(
                tuple_(provenance.c.object, provenance.c.nation).in_(sorted(plan.superseded)),
                provenance.c.standing == "stands",
            )
            .values(standing="superseded", standing_reason="")
        )
    refresh(tx, _to_refresh(plan))


def _to_refresh(plan: Plan) -> list[int]:
    """Return the rows whose words do not come to what was inserted: all but new ones with one standing word."""
    words = Counter(row for row, _, _ in plan.words)
    superseded = {row for row, _ in plan.superseded}
    plain = {row for row, _, _ in plan.versions if words[row] == 1 and row not in superseded} - {
        row for row, _, standing in plan.words if standing != "stands"
    }
    return [row for row in plan.touched if row not in plain]


def refresh(tx: Transaction, rows: Sequence[int]) -> None:
    """Work out again what rows' words come to: whether they stand, and the strictest label."""
    if not rows:
        return
    words = provenance.alias()
    of_row = words.c.object == objects.c.row
    strictest_tlp = select(func.max(words.c.tlp)).where(of_row).scalar_subquery()
    strictest_pap = select(func.max(words.c.pap)).where(of_row).scalar_subquery()
    tx.execute(
        update(objects)
        .where(objects.c.row.in_(list(rows)))
        .values(
            stands=exists(select(words.c.row).where(of_row, words.c.standing == "stands")),
            tlp=strictest_tlp,
            pap=strictest_pap,
        )
    )


def withdraw(
    tx: Transaction, stix_id: str, lane: Lane, nation: NationId, reason: str, only: Sequence[int] | None = None
) -> list[int]:
    """Take back one nation's word for versions of an object, all by default; return the rows that no longer stand."""
    of_object = (objects.c.stix_id == stix_id, objects.c.lane == str(lane))
    rows = list(tx.connection.scalars(select(objects.c.row).where(*of_object).order_by(objects.c.row)))
    rows = rows if only is None else [row for row in rows if row in only]
    standing = set(tx.connection.scalars(select(objects.c.row).where(objects.c.row.in_(rows), objects.c.stands)))
    tx.execute(
        update(provenance)
        .where(provenance.c.object.in_(rows), provenance.c.nation == nation, provenance.c.standing != "withdrawn")
        .values(standing="withdrawn", standing_reason=reason)
    )
    refresh(tx, rows)
    still = set(tx.connection.scalars(select(objects.c.row).where(objects.c.row.in_(rows), objects.c.stands)))
    return [row for row in rows if row in standing - still]


def keep_original(tx: Transaction, media_type: str, body: bytes) -> str:
    """Keep a foreign file from which objects are converted; return the digest that names it."""
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    insert_ignore(tx, originals, [{"digest": digest, "media_type": media_type, "body": body, "stored_at": tx.at}])
    return digest


def original(connection: Connection, digest: str) -> bytes | None:
    """Return a foreign file by its digest."""
    body = connection.scalar(select(originals.c.body).where(originals.c.digest == digest))
    return None if body is None else bytes(body)


def versions(connection: Connection, stix_id: str, lane: Lane) -> list[StoredObject]:
    """Return every version of an object, newest first."""
    return load(connection, _VERSIONS, {"stix_id": stix_id, "lane": str(lane)})


def by_rows(connection: Connection, rows: Sequence[int]) -> list[StoredObject]:
    """Return objects by their rows, in row order."""
    return load(connection, _BY_ROWS, {"rows": list(rows)})


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
    query = (
        select(objects)
        .where(
            objects.c.row > after_row,
            objects.c.type == "indicator",
            objects.c.stands,
            objects.c.matchable,
            objects.c.revoked.is_(False),
            or_(objects.c.valid_until.is_(None), objects.c.valid_until > at),
        )
        .order_by(objects.c.row)
        .limit(limit)
    )
    return load(connection, query)


def search(connection: Connection, query: Query, lane: Lane, after: int | None, limit: int) -> list[StoredObject]:
    """Return at most `limit` matching objects with a row below `after`, newest first."""
    conditions = [objects.c.lane == str(lane), *_conditions(query)]
    if after is not None:
        conditions.append(objects.c.row < after)
    return load(connection, select(objects).where(and_(*conditions)).order_by(objects.c.row.desc()).limit(limit))


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


def _conditions(query: Query) -> list[Any]:
    conditions: list[Any] = []
    if query.standing != "any":
        conditions.append(objects.c.stands.is_(query.standing == "stands"))
    if query.types:
        conditions.append(objects.c.type.in_(query.types))
    if query.tlps:
        conditions.append(objects.c.tlp.in_([int(tlp) for tlp in query.tlps]))
    if query.ids:
        conditions.append(objects.c.stix_id.in_(query.ids))
    if query.nations:
        from_them = and_(provenance.c.object == objects.c.row, provenance.c.nation.in_(query.nations))
        conditions.append(exists(select(provenance.c.row).where(from_them)))
    for observable in query.observables:
        naming = select(observables.c.object).where(
            observables.c.type == observable.type, observables.c.key == index_key(observable)
        )
        conditions.append(objects.c.row.in_(naming))
    conditions += [objects.c.words.contains(word, autoescape=True) for word in query.words]
    return conditions


def load(connection: Connection, query: Select[Any], named: Mapping[str, Any] | None = None) -> list[StoredObject]:
    """Run a query over `objects` and put each row's words and instructions beside it."""
    rows = connection.execute(query, named).all()
    numbers = [row.row for row in rows]
    words: dict[int, list[Provenance]] = defaultdict(list)
    given: dict[int, list[ReleaseInstruction]] = defaultdict(list)
    if numbers:
        for word in connection.execute(_WORDS, {"rows": numbers}):
            words[word.object].append(_provenance(word))
        for row in connection.execute(_GIVEN, {"rows": numbers}):
            given[row.object].append(_instruction(row))
    return [_stored(row, words[row.row], given[row.row]) for row in rows]


def observable_rows(row: int, stix: StixObject) -> list[dict[str, Any]]:
    """Return the index entries of an object: what it names, and the hosts inside its URLs and addresses."""
    entries: dict[tuple[str, str], bool] = {}
    for item in stix.mentions:
        host = _host(item)
        if host is not None:
            entries.setdefault((host.type, index_key(host)), False)
        entries.setdefault((item.type, index_key(item)), False)
    for item in stix.observables:
        entries[(item.type, index_key(item))] = True
    return [
        {"type": kind, "key": key, "object": row, "sufficient": sufficient}
        for (kind, key), sufficient in entries.items()
    ]


def index_key(observable: Observable) -> str:
    """Return the value under which an observable is indexed."""
    if len(observable.value) <= _KEY_CHARS:
        return observable.value
    return f"sha256:{hashlib.sha256(observable.value.encode()).hexdigest()}"


def _host(item: Observable) -> Observable | None:
    if item.type == "email":
        return canonical_observable("domain", item.value.rpartition("@")[2])
    if item.type != "url":
        return None
    authority = item.value.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = authority.partition("]")[0] + "]" if authority.startswith("[") else authority.partition(":")[0]
    return canonical_observable("ipv4", host) or canonical_observable("domain", host)


def _object_row(row: int, digest: bytes, new: NewObject, at: datetime) -> dict[str, Any]:
    stix = new.stix
    return {
        "row": row,
        "stix_id": stix.id,
        "type": stix.type,
        "lane": str(new.lane),
        "modified": stix.modified,
        "revoked": stix.revoked,
        "valid_until": stix.valid_until,
        "matchable": stix.type == "indicator" and bool(stix.observables),
        "name": stix.name[:_NAME_CHARS],
        "words": indexed_text(stix),
        "tlp": int(new.provenance.tlp),
        "pap": None if new.provenance.pap is None else int(new.provenance.pap),
        "stands": True,
        "stored_at": at,
        "digest": digest,
        "body": new.body,
    }


def _word_row(row: int, given: Provenance, standing: Standing) -> dict[str, Any]:
    return {
        "object": row,
        "source": given.source,
        "nation": given.nation,
        "agreement_id": given.agreement_id,
        "agreement_version": given.agreement_version,
        "release_id": given.release_id,
        "purpose": given.purpose,
        "tlp": int(given.tlp),
        "pap": None if given.pap is None else int(given.pap),
        "carried": dict(given.carried),
        "received_at": given.received_at,
        "original": given.original,
        "standing": standing,
        "standing_reason": "",
    }


def _instruction_row(row: int, given: ReleaseInstruction, at: datetime) -> dict[str, Any]:
    recipients = None if given.recipients is None else list(given.recipients)
    return {
        "object": row,
        "agreement_id": given.agreement_id,
        "recipients": recipients,
        "purpose": given.purpose,
        "at": at,
        "given_by": given.by or None,
    }


def _instruction(row: Any) -> ReleaseInstruction:
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
