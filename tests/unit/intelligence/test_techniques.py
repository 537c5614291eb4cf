"""Which ATT&CK techniques an indicator speaks of, by itself and by what the holdings relate it to."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.techniques import techniques
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp

EXERCISE = Lane.parse("exercise--00000000-0000-4000-8000-000000000001")
INDICATOR = "indicator--00000000-0000-4000-8000-000000000001"
PATTERN = "attack-pattern--00000000-0000-4000-8000-000000000002"
RELATION = "relationship--00000000-0000-4000-8000-000000000003"
OWN = NationId("XA")


def made(stix_id: str, at: datetime, *, lane: Lane = ACTUAL, source: str = "own", **fields: Any) -> NewObject:
    body = {
        "type": stix_id.partition("--")[0],
        "spec_version": "2.1",
        "id": stix_id,
        "created": rfc3339(at),
        "modified": rfc3339(at),
        **fields,
    }
    text = json.dumps(body).encode()
    word = Provenance(source, OWN, None, None, None, None, Tlp.CLEAR, None, {}, at)  # type: ignore[arg-type]
    return NewObject(text, parse(text), lane, word)


def pointing(at: datetime, relation: str = "indicates", lane: Lane = ACTUAL) -> NewObject:
    ends = {"source_ref": INDICATOR, "target_ref": PATTERN, "relationship_type": relation}
    return made(RELATION, at, lane=lane, **ends)


def pattern(at: datetime, **more: Any) -> NewObject:
    reference = {"source_name": "mitre-attack", "external_id": "T1003.001"}
    return made(PATTERN, at, name="LSASS Memory", external_references=[reference], **more)


def indicator(at: datetime, lane: Lane = ACTUAL, **more: Any) -> NewObject:
    named = {"pattern": "[domain-name:value = 'evil.example']", "pattern_type": "stix", "valid_from": rfc3339(at)}
    return made(INDICATOR, at, lane=lane, **named, **more)


def told(db: Database, at: datetime, *objects: NewObject, lane: Lane = ACTUAL) -> tuple[str, ...]:
    holdings = Holdings(db)
    with db.write(at) as tx:
        holdings.store(tx, objects)
    with db.read() as connection:
        held = holdings.get(connection, INDICATOR, lane)
        return techniques(connection, held)[held[0].row]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"labels": ["attack.t1059.001", "attack.execution", "attack.s0002"]}, ("T1059.001",)),
        ({"external_references": [{"source_name": "mitre-attack", "external_id": "T1003"}]}, ("T1003",)),
        ({"kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "t1566"}]}, ("T1566",)),
        ({"kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "execution"}]}, ()),
        ({"kill_chain_phases": "none"}, ()),
    ],
)
def test_an_indicator_names_techniques_itself(
    db: Database, at: datetime, said: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert told(db, at, indicator(at, **said)) == expected


def test_a_relationship_that_indicates_leads_to_a_technique(db: Database, at: datetime) -> None:
    assert told(db, at, indicator(at), pattern(at), pointing(at)) == ("T1003.001",)


def test_another_relationship_leads_to_none(db: Database, at: datetime) -> None:
    assert told(db, at, indicator(at), pattern(at), pointing(at, "related-to")) == ()


def test_a_relationship_that_was_withdrawn_leads_to_none(db: Database, at: datetime) -> None:
    assert told(db, at, indicator(at), pattern(at), pointing(at)) == ("T1003.001",)
    with db.write(at) as tx:
        Holdings(db).withdraw(tx, RELATION, ACTUAL, OWN, "a mistake")
    assert told(db, at) == ()


def test_an_exercise_learns_what_is_published_and_nothing_else_of_the_real_world(db: Database, at: datetime) -> None:
    play = (indicator(at, EXERCISE), pointing(at, lane=EXERCISE))
    assert told(db, at, *play, pattern(at), lane=EXERCISE) == ()
    assert told(db, at, pattern(at, source="publisher"), lane=EXERCISE) == ("T1003.001",)
