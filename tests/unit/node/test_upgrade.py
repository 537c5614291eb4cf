"""A node of any earlier revision keeps everything it had when the program is newer than its database."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, select

from mithaq.kernel.database import Database
from mithaq.node.migrations import known_revisions, migrate, newest_revision

ROWS = 3
REPLACED = {("objects", "words")}
"""Projections of an object's bytes that a later revision works out in another form."""

EARLIER = sorted(known_revisions())


@pytest.fixture
def opened(db_url: str) -> Iterator[Database]:
    database = Database.open(db_url)
    yield database
    database.close()


@pytest.mark.parametrize("revision", EARLIER)
def test_nothing_a_node_had_at_an_earlier_revision_is_lost(db_url: str, opened: Database, revision: str) -> None:
    migrate(db_url, revision)
    fill(opened)
    before = everything(opened)
    assert all(len(rows) == ROWS for name, rows in before.items() if name != "alembic_version")
    migrate(db_url)
    after = everything(opened)
    for table, rows in before.items():
        if table != "alembic_version":
            columns = [column for column in rows[0] if (table, column) not in REPLACED]
            kept = [[row[column] for column in columns] for row in after[table]]
            assert kept == [[row[column] for column in columns] for row in rows], table


def test_migrating_a_node_that_is_up_to_date_changes_nothing(db_url: str, opened: Database) -> None:
    migrate(db_url)
    fill(opened)
    before = everything(opened)
    migrate(db_url)
    assert everything(opened) == before
    assert before["alembic_version"] == [{"version_num": newest_revision()}]


def fill(database: Database) -> None:
    """Put rows into every table, as the database itself describes them."""
    with database.engine.execution_options(mithaq_write=True).begin() as connection:
        for table in tables(database):
            if table.name != "alembic_version":
                connection.execute(table.insert(), [row(table, number) for number in range(1, ROWS + 1)])


def tables(database: Database) -> list[Table]:
    known = MetaData()
    known.reflect(database.engine)
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
        return {
            table.name: sorted(
                (dict(found) for found in connection.execute(select(table)).mappings()),
                key=lambda found: [repr(found[column.name]) for column in table.primary_key.columns],
            )
            for table in tables(database)
        }
