"""What was held before is found by what it refers to, by ATT&CK and by what its pattern means, as if it came today."""

import json
from typing import Any

from sqlalchemy import text

from mithaq.intelligence.comments import said_of
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.places import PART_ROWS
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL
from mithaq.node.migrations import known_revisions, migrate
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp
from tests.conftest import AT
from tests.unit.node.test_postings import tokens_of_rows

REVISION = "0017"
BEFORE = known_revisions()[known_revisions().index(REVISION) + 1]


def objects() -> list[NewObject]:
    given = Provenance("import", NationId("XA"), None, None, None, None, Tlp.GREEN, None, {}, AT)
    return [new(number, given) for number in range(PART_ROWS + 40)]


def new(number: int, given: Provenance) -> NewObject:
    kinds: list[dict[str, Any]] = [
        {"type": "indicator", "pattern": f"[domain-name:value = 'evil{number % 40}.example']", "pattern_type": "stix"},
        {"type": "relationship", "source_ref": stix_id("malware", number), "target_ref": stix_id("tool", number % 9)},
        {
            "type": "attack-pattern",
            "name": f"Technique {number}",
            "external_references": [{"source_name": "mitre-attack", "external_id": f"T{1000 + number}"}],
        },
    ]
    fields = kinds[number % 3]
    raw = json.dumps({**fields, "id": stix_id(fields["type"], number), "modified": "2026-01-01T00:00:00Z"}).encode()
    return NewObject(raw, parse(raw), ACTUAL, given)


def stix_id(kind: str, number: int) -> str:
    return f"{kind}--5b8f0b1e-1234-4abc-8def-{number:012x}"


def test_the_index_of_older_objects_is_the_one_they_would_have_today(db_url: str) -> None:
    migrate(db_url, REVISION)
    database = Database.open(db_url)
    with database.engine.execution_options(mithaq_write=True).begin() as connection:
        connection.execute(text("ALTER TABLE objects ADD COLUMN pattern_type TEXT"))  # later revisions'
        connection.execute(text("ALTER TABLE object_provenance ADD COLUMN labelled TEXT"))
    holdings = Holdings(database)
    about = stix_id("malware", 1)
    given = Provenance("import", NationId("XA"), None, None, None, None, Tlp.GREEN, None, {}, AT)
    note = json.dumps(
        {"type": "note", "id": stix_id("note", 1), "content": "x", "object_refs": [about, "odd", 7]}
    ).encode()
    with database.write(AT) as tx:
        holdings.store(tx, [*objects(), NewObject(note, parse(note), ACTUAL, given)])
    with database.read() as connection:
        today = tokens_of_rows(connection)
    with database.engine.execution_options(mithaq_write=True).begin() as connection:
        for prefix in (b"ref:", b"means:"):  # `attack:` stays: what is there already is no obstacle
            connection.execute(
                text("DELETE FROM object_postings WHERE token >= :low AND token < :high"),
                {"low": prefix, "high": prefix + b"\xff"},
            )
        connection.execute(text("DELETE FROM object_comments"))
        connection.execute(text("ALTER TABLE object_provenance DROP COLUMN admiralty"))
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": BEFORE})
    with database.read() as connection:
        assert tokens_of_rows(connection) != today
    migrate(db_url, REVISION)
    with database.read() as connection:
        assert tokens_of_rows(connection) == today
        assert [each.comment.explanation for each in said_of(connection, [about], ACTUAL)] == ["x"]
    database.close()
