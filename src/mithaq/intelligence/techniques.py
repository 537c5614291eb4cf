"""Which ATT&CK techniques an indicator speaks of: what it names itself, and what the holdings relate it to.

An indicator names techniques in its references, its labels (`attack.t1059`) and its kill chain phases; a relationship
`indicates` leads from it to an attack-pattern, which names its technique (STIX 2.1 §4.7, §4.1). Worked out when
somebody asks: a relationship often comes after the indicator, and may be withdrawn.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, select

from mithaq.intelligence import reading
from mithaq.intelligence.finding import newest_with
from mithaq.intelligence.knowledge import published
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.settings import MAX_SHARING
from mithaq.intelligence.tables import objects
from mithaq.intelligence.tokens import ref_token
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.stix import fields_of

_TECHNIQUE: Final = re.compile(r"[Tt][0-9]{4}(?:\.[0-9]{3})?")
_PATTERN: Final = "attack-pattern--"
_STANDING: Final = (
    select(objects.c.row, objects.c.stix_id)
    .where(
        objects.c.stix_id.in_(bindparam("ids", expanding=True)), objects.c.lane == bindparam("lane"), objects.c.stands
    )
    .order_by(objects.c.modified, objects.c.row)
)


def techniques(connection: Connection, indicators: Iterable[StoredObject]) -> dict[int, tuple[str, ...]]:
    """Return the techniques of each indicator, by its row; those that it names itself come first.

    Cost: one look at each segment of the index that has what refers to any of them, and at most `MAX_SHARING`
    relationships of each.
    """
    asked = list(indicators)
    related = _related(connection, asked)
    return {each.row: tuple(dict.fromkeys([*_named(each), *related.get(each.row, ())])) for each in asked}


def _named(stored: StoredObject) -> list[str]:
    phases = fields_of(stored.body).get("kill_chain_phases")
    names = [each.get("phase_name") for each in phases if isinstance(each, dict)] if isinstance(phases, list) else []
    found = [*stored.stix.attack_ids, *(name for name in names if isinstance(name, str))]
    return [each.upper() for each in found if _TECHNIQUE.fullmatch(each)]


def _related(connection: Connection, asked: Sequence[StoredObject]) -> dict[int, list[str]]:
    by_lane: dict[Lane, list[StoredObject]] = defaultdict(list)
    for each in asked:
        by_lane[each.lane].append(each)
    found: dict[int, list[str]] = {}
    for lane, indicators in by_lane.items():
        targets = _indicated(connection, {each.stix.id for each in indicators}, lane)
        named = _techniques_of(connection, {target for of in targets.values() for target in of}, lane)
        for each in indicators:
            of = sorted(targets.get(each.stix.id, ()))
            found[each.row] = [technique for target in of for technique in named.get(target, ())]
    return found


def _indicated(connection: Connection, ids: set[str], lane: Lane) -> dict[str, set[str]]:
    """Return the attack-patterns that each of these indicators indicates, as a relationship that stands says."""
    rows = newest_with(connection, map(ref_token, sorted(ids)), lane, MAX_SHARING)
    numbers = sorted({row for of in rows.values() for row in of})
    found: dict[str, set[str]] = defaultdict(set)
    for stored in reading.by_rows(connection, numbers):
        if stored.stix.type != "relationship" or stored.stix.revoked:
            continue
        fields = fields_of(stored.body)
        source, target = fields.get("source_ref"), fields.get("target_ref")
        is_pattern = isinstance(target, str) and target.startswith(_PATTERN)
        if fields.get("relationship_type") == "indicates" and source in ids and is_pattern:
            found[str(source)].add(str(target))
    return found


def _techniques_of(connection: Connection, targets: set[str], lane: Lane) -> Mapping[str, list[str]]:
    """Return the techniques of attack-patterns: those of this lane, or that a publisher tells everybody of."""
    found: dict[str, list[str]] = {}
    known = published(connection, targets) if lane != ACTUAL else frozenset()
    for of_lane, ids in ((ACTUAL, known), (lane, targets)):
        if not ids:
            continue
        rows = [row.row for row in connection.execute(_STANDING, {"ids": sorted(ids), "lane": str(of_lane)})]
        for stored in reading.by_rows(connection, rows):
            named = [each for each in stored.stix.attack_ids if _TECHNIQUE.fullmatch(each)]
            found[stored.stix.id] = named
    return found
