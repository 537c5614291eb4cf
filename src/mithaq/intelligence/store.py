"""Write the holdings, with an index that follows in the same transaction."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    select,
    text,
    update,
)

from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, Standing
from mithaq.intelligence.postings import append, reindex
from mithaq.intelligence.reading import instruction_of
from mithaq.intelligence.rules import Identity, Plan, Version, Word, come_to, event_of, standing_again
from mithaq.intelligence.tables import anchors, instructions, objects, observables, originals, provenance, tombstones
from mithaq.intelligence.tokens import changing_tokens
from mithaq.kernel.bulk import Bulk
from mithaq.kernel.database import Transaction, among, insert_ignore
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_STORE_LOCK: Final = 0x686F6C64
_NAME_CHARS: Final = 500
_PATTERN_TYPE_CHARS: Final = 40

_OBJECTS: Final = Bulk(
    objects,
    *("row", "stix_id", "type", "lane", "modified", "revoked", "valid_until", "matchable", "name"),
    *("tlp", "pap", "stands", "stored_at", "digest", "body", "pattern_type"),
)
_PROVENANCE: Final = Bulk(
    provenance,
    *("object", "source", "nation", "agreement_id", "agreement_version", "release_id", "purpose"),
    *("tlp", "pap", "carried", "received_at", "original", "standing", "standing_reason", "admiralty", "labelled"),
)
_OBSERVABLES: Final = Bulk(observables, "type", "key", "object", "sufficient")
_ANCHORS: Final = Bulk(anchors, "type", "key", "object")
_INSTRUCTIONS: Final = Bulk(instructions, "object", "agreement_id", "recipients", "purpose", "at", "given_by")
_SUPERSEDE: Final = (
    update(provenance)
    .where(
        provenance.c.object == bindparam("of_row"),
        provenance.c.nation == bindparam("of_nation"),
        provenance.c.standing == "stands",
    )
    .values(standing="superseded", standing_reason="")
)
_REPLACE: Final = (
    update(provenance)
    .where(provenance.c.row.in_(bindparam("rows", expanding=True)))
    .values(standing="superseded", standing_reason="")
)
_GIVERS: Final = select(provenance.c.object, provenance.c.nation, provenance.c.received_at).where(
    provenance.c.object.in_(bindparam("rows", expanding=True))
)
_WORDS: Final = select(provenance).where(provenance.c.object.in_(bindparam("rows", expanding=True)))
_LABELS: Final = select(objects.c.row, objects.c.stands, objects.c.tlp, objects.c.pap).where(
    objects.c.row.in_(bindparam("rows", expanding=True))
)
_RELABEL: Final = (
    update(objects)
    .where(objects.c.row == bindparam("of_row"))
    .values(stands=bindparam("stands"), tlp=bindparam("tlp"), pap=bindparam("pap"))
)
_STATES: Final = select(objects.c.row, objects.c.stands, objects.c.tlp, objects.c.stored_at).where(
    objects.c.row.in_(bindparam("rows", expanding=True))
)
_IN_LANE: Final = select(objects.c.row, objects.c.lane, objects.c.stix_id, objects.c.digest, objects.c.modified).where(
    objects.c.lane == bindparam("lane")
)
_HELD: Final = {dialect: _IN_LANE.where(given) for dialect, given in among(objects.c.stix_id, "ids").items()}


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
    wanted: dict[str, dict[str, None]] = defaultdict(dict)
    for lane, stix_id in identities:
        wanted[lane][stix_id] = None
    by_row: dict[int, Version] = {}
    found: dict[Identity, list[Version]] = defaultdict(list)
    for lane, ids in wanted.items():
        for row in connection.execute(_HELD[connection.dialect.name], {"lane": lane, "ids": list(ids)}):
            by_row[row.row] = Version(row.row, bytes(row.digest), row.modified)
            found[(row.lane, row.stix_id)].append(by_row[row.row])
    if by_row:
        _load_words(connection, by_row)
    return found


def _load_words(connection: Connection, by_row: Mapping[int, Version]) -> None:
    for row in connection.execute(select(provenance).where(provenance.c.object.in_(list(by_row)))):
        by_row[row.object].words.append(_word_of(row))
    for row in connection.execute(select(instructions).where(instructions.c.object.in_(list(by_row)))):
        by_row[row.object].instructions.add(instruction_of(row))


def _word_of(row: Any) -> Word:
    pap = None if row.pap is None else Pap(row.pap)
    whose = (NationId(row.nation), row.source, row.agreement_id, row.release_id)
    return Word(*whose, Tlp(row.tlp), pap, row.labelled, row.standing, event_of(row.carried), row.row)


def write_plan(tx: Transaction, plan: Plan) -> None:
    """Write what was decided for a batch, a few statements whatever its size."""
    again = _to_refresh(plan)
    with following(tx, again):
        _OBJECTS.insert(tx, [_object_row(row, digest, new, tx.at) for row, digest, new in plan.versions])
        _OBSERVABLES.insert(
            tx,
            [
                (kind, key, row, sufficient)
                for row, _, new in plan.versions
                for kind, key, sufficient in new.indexed.named
            ],
        )
        _ANCHORS.insert(tx, [(*anchor, row) for row, _, new in plan.versions for anchor in new.indexed.anchors])
        _PROVENANCE.insert(tx, _word_rows(plan))
        _INSTRUCTIONS.insert(tx, [_instruction_row(row, given, tx.at) for row, given in plan.instructions])
        if plan.replaced:
            tx.execute(_REPLACE, {"rows": sorted(plan.replaced)})
        if plan.superseded:
            tx.execute(_SUPERSEDE, [{"of_row": row, "of_nation": nation} for row, nation in sorted(plan.superseded)])
        append(
            tx,
            [row for row, _, _ in plan.versions],
            [new.indexed.tokens for _, _, new in plan.versions],
            _changing_tokens(plan, frozenset(again), tx.at),
        )
        refresh(tx, again)


def _changing_tokens(plan: Plan, later: frozenset[int], at: datetime) -> list[frozenset[str]]:
    """Return the tokens of new rows that follow from the words for them, none where they are worked out later."""
    none: frozenset[str] = frozenset()
    shared: dict[int, frozenset[str]] = {}
    found: list[frozenset[str]] = []
    for row, _, new in plan.versions:
        given = new.provenance
        tokens = none if row in later else shared.get(id(given))
        if tokens is None:
            seen_at = max(at, given.received_at)
            tokens = shared[id(given)] = changing_tokens(True, given.tlp, (given.nation,), seen_at)
        found.append(tokens)
    return found


def _to_refresh(plan: Plan) -> list[int]:
    """Return the rows whose words do not come to what was inserted: all but new ones with one standing word."""
    words = Counter(row for row, _, _ in plan.words)
    superseded = {row for row, _ in plan.superseded}
    plain = {row for row, _, _ in plan.versions if words[row] == 1 and row not in superseded} - {
        row for row, _, standing in plan.words if standing != "stands"
    }
    return [row for row in plan.touched if row not in plain]


@contextmanager
def following(tx: Transaction, rows: Sequence[int]) -> Iterator[None]:
    """Let the index follow what is done to rows' words, and to the rows themselves, inside."""
    before = _changing(tx.connection, rows)
    yield
    reindex(tx, before, _changing(tx.connection, rows))


def _changing(connection: Connection, rows: Sequence[int]) -> dict[int, frozenset[str]]:
    """Return the tokens of rows that follow from the words for them; a row that is not there has none."""
    if not rows:
        return {}
    nations: dict[int, set[str]] = defaultdict(set)
    seen: dict[int, datetime] = {}
    for word in connection.execute(_GIVERS, {"rows": list(rows)}):
        nations[word.object].add(word.nation)
        seen[word.object] = max(word.received_at, seen.get(word.object, word.received_at))
    return {
        row.row: changing_tokens(
            bool(row.stands), Tlp(row.tlp), nations[row.row], max(row.stored_at, seen.get(row.row, row.stored_at))
        )
        for row in connection.execute(_STATES, {"rows": list(rows)})
    }


def refresh(tx: Transaction, rows: Sequence[int]) -> list[int]:
    """Work out again what rows' words come to; return the rows that still stand, under other labels than before."""
    if not rows:
        return []
    relabelled: list[int] = []
    changed: list[dict[str, object]] = []
    words: dict[int, list[Word]] = defaultdict(list)
    for word in tx.connection.execute(_WORDS, {"rows": list(rows)}):
        words[word.object].append(_word_of(word))
    for row in tx.connection.execute(_LABELS, {"rows": list(words)}):
        before = bool(row.stands), row.tlp, row.pap
        now = come_to(words[row.row])
        if now != before:
            changed.append({"of_row": row.row} | dict(zip(("stands", "tlp", "pap"), now, strict=True)))
        if now[0] and before[0] and now != before:
            relabelled.append(row.row)
    if changed:
        tx.execute(_RELABEL, changed)
    return relabelled


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The rows that no longer stand, and those that another word holds under other labels than before."""

    fallen: tuple[int, ...]
    relabelled: tuple[int, ...]


def withdraw(
    tx: Transaction, stix_id: str, lane: Lane, nation: NationId, reason: str, only: Sequence[int] | None = None
) -> Withdrawn:
    """Take back one nation's word for versions of an object, all by default."""
    of_object = (objects.c.stix_id == stix_id, objects.c.lane == str(lane))
    rows = list(tx.connection.scalars(select(objects.c.row).where(*of_object).order_by(objects.c.row)))
    rows = rows if only is None else [row for row in rows if row in only]
    standing = set(tx.connection.scalars(select(objects.c.row).where(objects.c.row.in_(rows), objects.c.stands)))
    with following(tx, rows):
        tx.execute(
            update(provenance)
            .where(provenance.c.object.in_(rows), provenance.c.nation == nation, provenance.c.standing != "withdrawn")
            .values(standing="withdrawn", standing_reason=reason)
        )
        relabelled = refresh(tx, rows)
    still = set(tx.connection.scalars(select(objects.c.row).where(objects.c.row.in_(rows), objects.c.stands)))
    return Withdrawn(tuple(row for row in rows if row in standing - still), tuple(sorted(relabelled)))


def let_stand_again(tx: Transaction, stix_id: str, lane: Lane, nation: NationId) -> list[int]:
    """Let a nation's superseded word stand where its newer ones were taken back; return the rows."""
    identity = (str(lane), stix_id)
    rows = standing_again(held_versions(tx.connection, [identity])[identity], nation)
    if not rows:
        return []
    with following(tx, rows):
        tx.execute(
            update(provenance)
            .where(provenance.c.object.in_(rows), provenance.c.nation == nation, provenance.c.standing == "superseded")
            .values(standing="stands")
        )
        refresh(tx, rows)
    return rows


def name_of_original(body: bytes) -> str:
    """Return the digest by which a foreign file is named."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def keep_original(tx: Transaction, media_type: str, body: bytes) -> str:
    """Keep a foreign file from which objects are converted; return the digest that names it."""
    digest = name_of_original(body)
    insert_ignore(tx, originals, [{"digest": digest, "media_type": media_type, "body": body, "stored_at": tx.at}])
    return digest


def _object_row(row: int, digest: bytes, new: NewObject, at: datetime) -> tuple[Any, ...]:
    """Return the values of `_OBJECTS`."""
    stix, given = new.stix, new.provenance
    return (
        row,
        stix.id,
        stix.type,
        str(new.lane),
        stix.modified,
        stix.revoked,
        stix.valid_until,
        stix.type == "indicator" and bool(stix.observables),
        stix.name[:_NAME_CHARS],
        int(given.tlp),
        None if given.pap is None else int(given.pap),
        True,
        at,
        digest,
        new.body,
        stix.pattern_type[:_PATTERN_TYPE_CHARS] if stix.type == "indicator" and stix.pattern_type != "stix" else "",
    )


def _word_rows(plan: Plan) -> list[tuple[Any, ...]]:
    """Return the values of `_PROVENANCE`; what many rows share is put together once."""
    shared: dict[tuple[int, Standing], tuple[Any, ...]] = {}
    found = []
    for row, given, standing in plan.words:
        values = shared.get((id(given), standing))
        if values is None:
            values = shared[id(given), standing] = _word_values(given, standing)
        found.append((row, *values))
    return found


def _word_values(given: Provenance, standing: Standing) -> tuple[Any, ...]:
    return (
        given.source,
        given.nation,
        given.agreement_id,
        given.agreement_version,
        given.release_id,
        given.purpose,
        int(given.tlp),
        None if given.pap is None else int(given.pap),
        dict(given.carried),
        given.received_at,
        given.original,
        standing,
        "",
        None if given.admiralty is None else str(given.admiralty),
        given.labelled,
    )


def _instruction_row(row: int, given: ReleaseInstruction, at: datetime) -> tuple[Any, ...]:
    """Return the values of `_INSTRUCTIONS`."""
    recipients = None if given.recipients is None else list(given.recipients)
    return row, given.agreement_id, recipients, given.purpose, at, given.by or None
