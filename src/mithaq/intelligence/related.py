"""What else in the holdings has to do with an object, worked out when somebody looks and never stored as pairs.

A value or a reference that more objects share than `MAX_SHARING` says little: it is told as that, and not expanded. So
the cost of one look is bounded by the object looked at, whatever else is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Integer, bindparam, select

from mithaq.intelligence import reading
from mithaq.intelligence.finding import newest_with
from mithaq.intelligence.lookup import Brief, briefs
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.settings import MAX_SHARED_LOOKED_AT, MAX_SHARING
from mithaq.intelligence.tables import objects, observables
from mithaq.intelligence.tokens import meaning_token, named_observables, ref_token
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.stix import fields_of
from mithaq.standards.stix.comment import COMMENTING

_SHARING: Final = (
    select(observables.c.object)
    .join(objects, objects.c.row == observables.c.object)
    .where(
        observables.c.type == bindparam("type"),
        observables.c.key == bindparam("key"),
        objects.c.lane == bindparam("lane"),
        objects.c.stands,
        objects.c.stix_id != bindparam("but"),
    )
    .order_by(observables.c.object.desc())
    .limit(bindparam("count", type_=Integer))
)
_NAMES: Final = (
    select(objects.c.stix_id, objects.c.name)
    .where(objects.c.stix_id.in_(bindparam("ids", expanding=True)), objects.c.lane == bindparam("lane"))
    .order_by(objects.c.row)
)


@dataclass(frozen=True, slots=True)
class Shared:
    """One value that an object names, or one object that it refers to, with the others that do, newest first.

    `frequent`: more than `MAX_SHARING` others do; then none of them is told.
    """

    kind: Literal["value", "reference"]
    type: str
    value: str
    frequent: bool
    objects: tuple[Brief, ...]


@dataclass(frozen=True, slots=True)
class Referring:
    """One object that refers to the one looked at; of a relationship what it is, and the object at its other end."""

    brief: Brief
    relation: str = ""
    other: str = ""
    other_name: str = ""
    is_source: bool = False


@dataclass(frozen=True, slots=True)
class Related:
    """What has to do with an object; opinions, notes and sightings of it are told elsewhere.

    `left_out`: its values and references beyond those looked at.
    """

    shared: tuple[Shared, ...]
    left_out: int
    referring: tuple[Referring, ...]
    more_referring: bool


@dataclass(frozen=True, slots=True)
class Alike:
    """Another indicator whose pattern means the same, with the nations whose word for it stands."""

    brief: Brief
    pattern: str
    nations: tuple[NationId, ...]


def related(connection: Connection, stored: StoredObject) -> Related:
    """Return what else names the same values or refers to the same objects, and what refers to this one.

    Cost: at most `MAX_SHARED_LOOKED_AT` look-ups of at most `MAX_SHARING` + 1 rows.
    """
    named = named_observables(stored.stix)
    refs = stored.stix.refs
    values = [(kind, key) for kind, key, _ in named[:MAX_SHARED_LOOKED_AT]]
    looked_at = refs[: MAX_SHARED_LOOKED_AT - len(values)]
    sharing = {key: _naming(connection, stored, *key) for key in values}
    tokens = {ref_token(ref): ref for ref in (*looked_at, stored.stix.id)}
    referring = newest_with(connection, tokens, stored.lane, MAX_SHARING + 2)
    told = briefs(connection, sorted({row for rows in (*sharing.values(), *referring.values()) for row in _few(rows)}))
    found = [Shared("value", *key, *_told(rows, told, stored)) for key, rows in sharing.items()]
    found += [Shared("reference", "", ref, *_told(referring[ref_token(ref)], told, stored)) for ref in looked_at]
    own = referring[ref_token(stored.stix.id)]
    return Related(
        tuple(each for each in found if each.frequent or each.objects),
        len(named) - len(values) + len(refs) - len(looked_at),
        tuple(_referring(connection, stored, own[:MAX_SHARING], told)),
        len(own) > MAX_SHARING,
    )


def _few(rows: Sequence[int]) -> Sequence[int]:
    return rows[: MAX_SHARING + 1]


def _naming(connection: Connection, stored: StoredObject, kind: str, key: str) -> list[int]:
    asked = {"type": kind, "key": key, "lane": str(stored.lane), "but": stored.stix.id, "count": MAX_SHARING + 1}
    return list(connection.scalars(_SHARING, asked))


def _told(rows: Sequence[int], told: dict[int, Brief], stored: StoredObject) -> tuple[bool, tuple[Brief, ...]]:
    others = [told[row] for row in _few(rows) if row in told and told[row].id != stored.stix.id]
    if len(others) > MAX_SHARING:
        return True, ()
    return False, tuple({each.id: each for each in reversed(others)}.values())[::-1]


def _referring(
    connection: Connection, stored: StoredObject, rows: Sequence[int], told: dict[int, Brief]
) -> Iterable[Referring]:
    ends = {}
    for each in reading.by_rows(connection, [row for row in rows if told[row].type == "relationship"]):
        fields = fields_of(each.body)
        source, target = str(fields.get("source_ref")), str(fields.get("target_ref"))
        is_source = source == stored.stix.id
        ends[each.row] = (str(fields.get("relationship_type", "")), target if is_source else source, is_source)
    names = names_of(connection, [other for _, other, _ in ends.values()], stored.lane)
    for row in rows:
        if told[row].type in COMMENTING:
            continue
        relation, other, is_source = ends.get(row, ("", "", False))
        yield Referring(told[row], relation, other, names.get(other, ""), is_source)


def names_of(connection: Connection, ids: Sequence[str], lane: Lane) -> dict[str, str]:
    """Return the names of objects by their ids."""
    if not ids:
        return {}
    rows = connection.execute(_NAMES, {"ids": list(dict.fromkeys(ids)), "lane": str(lane)})
    return {row.stix_id: row.name for row in rows}


def alike(connection: Connection, stored: StoredObject) -> list[Alike]:
    """Return other indicators whose patterns mean the same, newest first, at most `MAX_SHARING`.

    Cost: one look at one token in each segment.
    """
    token = meaning_token(stored.stix)
    if token is None:
        return []
    rows = newest_with(connection, [token], stored.lane, MAX_SHARING + 1)[token]
    found: dict[str, Alike] = {}
    for each in reversed(reading.by_rows(connection, sorted(rows))):
        if each.stix.id == stored.stix.id:
            continue
        nations = [word.nation for word in each.provenance if word.standing == "stands"]
        known = found.get(each.stix.id)
        if known is not None:
            nations = [*known.nations, *nations]
        brief = Brief(each.row, each.stix.id, each.stix.type, each.stix.name, each.tlp, each.stored_at)
        found[each.stix.id] = Alike(known.brief if known else brief, each.stix.pattern, tuple(dict.fromkeys(nations)))
    return list(found.values())[:MAX_SHARING]


def as_json(found: Related) -> dict[str, Any]:
    """Return what is related as JSON values, for `--json` and the API."""
    return {
        "shared": [
            {
                "kind": each.kind,
                "type": each.type or None,
                "value": each.value,
                "more_than": MAX_SHARING if each.frequent else None,
                "objects": [brief.as_json() for brief in each.objects],
            }
            for each in found.shared
        ],
        "left_out": found.left_out,
        "referring": [
            each.brief.as_json()
            | ({"relation": each.relation, "other": each.other, "other_name": each.other_name} if each.other else {})
            for each in found.referring
        ],
        "more_referring": found.more_referring,
    }


def alike_as_json(found: Iterable[Alike]) -> list[dict[str, Any]]:
    """Return indicators of the same meaning as JSON values."""
    return [each.brief.as_json() | {"pattern": each.pattern, "nations": list(each.nations)} for each in found]
