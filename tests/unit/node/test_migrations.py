"""The migrated schema is the one the program works with, on both databases."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from mithaq.kernel.database import Database
from mithaq.node.migrations import DatabaseNewer, known_revisions, migrate, newest_revision, present_revision
from mithaq.node.schema import metadata


def test_a_migrated_database_is_the_one_the_program_works_with(db_url: str) -> None:
    migrate(db_url)
    database = Database.open(db_url)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    database.close()
    assert differences == []


def test_migrating_makes_every_column_default_and_constraint_under_its_own_name(db_url: str) -> None:
    """More than Alembic compares: primary keys, defaults, and the names a later migration will look for."""
    migrate(db_url)
    migrated = shape(db_url)
    database = Database.open(db_url)
    with database.engine.execution_options(mithaq_write=True).begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    database.close()
    assert migrated == shape(db_url)
    assert len(migrated) == len(metadata.tables)


def shape(url: str) -> dict[str, Any]:
    """Everything the database itself says of each table."""
    database = Database.open(url)
    found = inspect(database.engine)
    tables = {
        name: {
            "columns": {
                each["name"]: (str(each["type"]), each["nullable"], each["default"]) for each in found.get_columns(name)
            },
            "primary key": found.get_pk_constraint(name),
            "foreign keys": sorted(found.get_foreign_keys(name), key=str),
            "unique": sorted(found.get_unique_constraints(name), key=str),
            "indexes": sorted(map(index, found.get_indexes(name)), key=str),
        }
        for name in found.get_table_names()
        if name != "alembic_version"
    }
    database.close()
    return tables


def index(reflected: Any) -> dict[str, Any]:
    """An index with the text of its condition, which SQLAlchemy gives as an object."""
    options = {key: str(value) for key, value in (reflected.get("dialect_options") or {}).items()}
    return {**reflected, "dialect_options": options}


def test_a_database_of_a_newer_program_is_refused_and_left_alone(db_url: str) -> None:
    migrate(db_url)
    database = Database.open(db_url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(DatabaseNewer, match=f"revision 9999, this program knows none after {newest_revision()}"):
        migrate(db_url)
    assert present_revision(db_url) == "9999"


def test_revisions_follow_each_other_in_one_line(db_url: str) -> None:
    assert present_revision(db_url) is None
    for revision in reversed(known_revisions()):
        migrate(db_url, revision)
        assert present_revision(db_url) == revision
    assert present_revision(db_url) == newest_revision()
