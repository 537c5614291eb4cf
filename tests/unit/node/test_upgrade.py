"""A node of any earlier revision keeps everything it had when the program is newer than its database."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    inspect,
)

from mithaq.kernel.database import Database
from mithaq.node.migrations import known_revisions, migrate, newest_revision

ROWS = 3
REPLACED = {("objects", "words"), ("taxii_shelves", "filled_to"), ("taxii_shelves", "fill_to")}
"""What a later revision works out in another form, or anew: projections of bytes, and how far a shelf was filled."""

EARLIER = sorted(known_revisions())


@pytest.fixture
def opened(db_url: str) -> Iterator[Database]:
    database = Database.open(db_url)
    yield database
    database.close()


def test_nothing_a_node_had_at_an_earlier_revision_is_lost(db_url: str, opened: Database) -> None:
    known: dict[str, list[dict[str, Any]]] = {}
    for revision in EARLIER:
        migrate(db_url, revision)
        is_kept(known, everything(opened), revision)
        fill(opened)
        known = everything(opened)
        assert all(known.values())


def is_kept(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]], revision: str) -> None:
    for table, rows in before.items():
        if table != "alembic_version":
            columns = [column for column in rows[0] if (table, column) not in REPLACED]
            kept = [[row[column] for column in columns] for row in after[table]]
            assert kept == [[row[column] for column in columns] for row in rows], (table, revision)


def test_what_was_said_of_objects_is_found_and_kept_refusals_lose_what_they_quote(
    db_url: str, opened: Database
) -> None:
    migrate(db_url, "0009")
    about = "indicator--00000000-0000-4000-8000-000000000001"
    other = "malware--00000000-0000-4000-8000-000000000002"
    said = {
        "opinion": {"type": "opinion", "object_refs": [about, about, other, "malware--1", 7]},
        "sighting": {"type": "sighting", "sighting_of_ref": about, "where_sighted_refs": ["identity--1"]},
        "report": {"type": "report", "object_refs": [about]},
        "note": {"type": "note"},
    }
    reason = {"code": "bad-object", "message": "%(type)s of %(count)s", "params": {"type": "evil", "count": 2}}
    with opened.engine.execution_options(mithaq_write=True).begin() as connection:
        by_name = {table.name: table for table in tables(connection, ["objects", "exchange_sent"])}
        for number, (kind, body) in enumerate(said.items(), 1):
            new = row(by_name["objects"], number) | {"type": kind, "body": json.dumps(body).encode()}
            connection.execute(by_name["objects"].insert(), new)
        quoting = json.dumps([{"object": about, "reasons": [reason]}])
        for number, refused, envelope in ((1, None, b"1"), (2, "[]", b"2"), (3, quoting, b"3"), (4, quoting, None)):
            new = row(by_name["exchange_sent"], number) | {"refused": refused, "envelope": envelope, "receipt": b"r"}
            connection.execute(by_name["exchange_sent"].insert(), new)
    migrate(db_url)
    after = everything(opened)
    found = sorted((each["about"], each["object"]) for each in after["object_comments"])
    assert found == [(about, 1), (about, 2), (other, 1)]
    sent = after["exchange_sent"]
    assert [each["refused"] for each in sent[:2]] == [None, "[]"]
    bare = [{"object": about, "reasons": [reason | {"params": {"type": "…", "count": 2}}]}]
    assert [json.loads(each["refused"]) for each in sent[2:]] == [bare, bare]
    assert [each["receipt"] for each in sent] == [b"r", b"r", b"r", b""], "what is erased keeps no receipt that quotes"


def test_what_stands_on_a_shelf_in_several_versions_is_noted_there(db_url: str, opened: Database) -> None:
    migrate(db_url, "0032")
    names = ["objects", "taxii_collections", "constituents"]
    names += ["taxii_shelves", "taxii_partner_shelves", "taxii_shelved", "taxii_partner_shelved"]
    versions = {1: "one", 2: "two", 3: "one", 4: "three", 5: "three"}
    shelves = {"taxii_shelved": {1: (1, 2, 3, 4), 2: (1, 5)}, "taxii_partner_shelved": {1: (1, 4), 2: (4, 5)}}
    with opened.engine.execution_options(mithaq_write=True).begin() as connection:
        by_name = {table.name: table for table in tables(connection, names)}
        for number, name in versions.items():
            new = row(by_name["objects"], number) | {"stix_id": name, "lane": "actual"}
            connection.execute(by_name["objects"].insert(), new)
        for table, standing in shelves.items():
            of_shelves = by_name["taxii_shelves" if table == "taxii_shelved" else "taxii_partner_shelves"]
            if table == "taxii_shelved":
                of_others = [by_name["taxii_collections"], by_name["constituents"]]
                for other in of_others:
                    connection.execute(other.insert(), [row(other, number) for number in (1, 2)])
            connection.execute(of_shelves.insert(), [row(of_shelves, number) for number in (1, 2)])
            for shelf, numbers in standing.items():
                for number in numbers:
                    new = row(by_name[table], number) | {"shelf": shelf, "object": number}
                    connection.execute(by_name[table].insert(), new)
    migrate(db_url)
    after = everything(opened)
    noted = {
        table: sorted((each["shelf"], each["object"]) for each in after[table] if each["has_siblings"])
        for table in shelves
    }
    assert noted == {"taxii_shelved": [(1, 1), (1, 3)], "taxii_partner_shelved": [(2, 4), (2, 5)]}


def test_migrating_a_node_that_is_up_to_date_changes_nothing(db_url: str, opened: Database) -> None:
    migrate(db_url)
    fill(opened)
    before = everything(opened)
    migrate(db_url)
    assert everything(opened) == before
    assert before["alembic_version"] == [{"version_num": newest_revision()}]


def fill(database: Database) -> None:
    """Put rows into every table that is empty, as the database itself describes them."""
    with database.engine.execution_options(mithaq_write=True).begin() as connection:
        empty = [
            name
            for name in inspect(connection).get_table_names()
            if connection.exec_driver_sql(f'SELECT 1 FROM "{name}" LIMIT 1').first() is None
        ]
        for table in tables(connection, empty):
            if table.name in empty:
                connection.execute(table.insert(), [row(table, number) for number in range(1, ROWS + 1)])


def tables(connection: Connection, names: list[str]) -> list[Table]:
    """Describe these tables and those they refer to, each after what it refers to."""
    known = MetaData()
    known.reflect(connection, only=names)
    return known.sorted_tables


def row(table: Table, number: int) -> dict[str, Any]:
    return {column.name: value(column.type, number) for column in table.columns}


def value(kind: object, number: int) -> Any:
    match kind:
        case LargeBinary():
            return bytes([number, 0, 255])
        case Boolean():
            return number % 2 == 0
        case Integer() | BigInteger() | SmallInteger():
            return number
        case Text():
            return f'["{number} ميثاق"]'
    raise AssertionError(f"the first schema has no column of {kind!r}")


def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    with database.read() as connection:
        keys = {
            name: key["constrained_columns"] for (_, name), key in inspect(connection).get_multi_pk_constraint().items()
        }
        return {
            name: sorted(
                map(dict, connection.exec_driver_sql(f'SELECT * FROM "{name}"').mappings()),
                key=lambda found: [repr(found[column]) for column in keys[name]],
            )
            for name in keys
        }
