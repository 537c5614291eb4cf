"""What was held before there was an index is found after the migration as if it came in today."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from mithaq.intelligence.model import NewObject, Provenance
from mithaq.intelligence.places import PART_ROWS, places_of
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.tables import postings
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST
from mithaq.node.migrations import known_revisions, migrate
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp
from tests.conftest import AT

REVISION = "0012"
BEFORE = known_revisions()[known_revisions().index(REVISION) + 1]


def objects(at: datetime) -> list[NewObject]:
    found = []
    for number in range(PART_ROWS + 40):
        fields = {
            "type": "report" if number % 3 else "malware",
            "name": f"هجوم number {number % 50}",
            "modified": at.isoformat(),
            "labels": ["énergie"],
            "confidence": number % 101,
        }
        raw = json.dumps({**fields, "id": f"{fields['type']}--5b8f0b1e-1234-4abc-8def-{number:012x}"}).encode()
        nation, tlp = NationId("XB" if number % 2 else "XA"), Tlp(number % 5)
        received = at + timedelta(minutes=number % 7)
        given = Provenance("import", nation, None, None, None, None, tlp, None, {}, received)
        found.append(NewObject(raw, parse(raw), TEST if number % 11 == 0 else ACTUAL, given))
    return found


def tokens_of_rows(connection: Connection) -> dict[int, set[bytes]]:
    from mithaq.intelligence.postings import decode

    found: dict[int, set[bytes]] = {}
    for posting in connection.execute(postings.select()):
        for place in places_of(decode(bytes(posting.rows))):
            found.setdefault(posting.part + place, set()).add(bytes(posting.token))
    return found


def test_the_index_of_older_objects_is_the_one_they_would_have_today(db_url: str) -> None:
    migrate(db_url, REVISION)
    database = Database.open(db_url)
    with database.engine.execution_options(mithaq_write=True).begin() as connection:
        connection.execute(text("ALTER TABLE object_provenance ADD COLUMN admiralty TEXT"))  # later revisions'
        connection.execute(text("ALTER TABLE objects ADD COLUMN pattern_type TEXT"))
        connection.execute(text("ALTER TABLE object_provenance ADD COLUMN labelled TEXT"))
    holdings = Holdings(database)
    new = objects(AT)
    with database.write(AT) as tx:
        holdings.store(tx, new)
    with database.write(AT) as tx:
        holdings.withdraw(tx, new[5].stix.id, new[5].lane, NationId("XB"), "taken back")
        holdings.store(tx, [another_word(new[6])])
    with database.read() as connection:
        today = tokens_of_rows(connection)
    go_back(database)
    migrate(db_url, REVISION)
    with database.read() as connection:
        assert tokens_of_rows(connection) == today
        page = holdings.search(connection, "الهجوم label:energie confidence>99", ACTUAL, None, 500, at=AT)
    database.close()
    expected = [n for n, each in enumerate(new) if n % 101 == 100 and each.lane == ACTUAL]
    assert [int(item.stix.id[-12:], 16) for item in page.objects] == expected[::-1]
    assert len(today) == len(new)


def another_word(new: NewObject) -> NewObject:
    given: dict[str, Any] = {"source": "import", "nation": NationId("XC"), "tlp": Tlp.RED}
    rest: dict[str, Any] = dict.fromkeys(("agreement_id", "agreement_version", "release_id", "purpose", "pap"))
    word = Provenance(**given, **rest, carried={}, received_at=AT + timedelta(days=1))
    return NewObject(new.body, new.stix, new.lane, word)


def go_back(database: Database) -> None:
    """Make the tables what they were at the revision before."""
    with database.engine.execution_options(mithaq_write=True).begin() as connection:
        connection.execute(text("DROP TABLE object_postings"))
        connection.execute(text("ALTER TABLE objects ADD COLUMN words TEXT NOT NULL DEFAULT ''"))
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": BEFORE})
