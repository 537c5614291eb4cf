"""What a database does with a statement that never ends."""

from datetime import datetime

import pytest
from sqlalchemy import text

from mithaq.kernel.database import Database, DatabaseFailed


def test_postgresql_ends_a_statement_that_takes_too_long_and_the_next_one_is_answered(postgres_url: str) -> None:
    database = Database.open(postgres_url, statement_s=0.2)
    for _ in range(2):
        with pytest.raises(DatabaseFailed) as caught, database.read() as connection:
            connection.execute(text("SELECT pg_sleep(30)"))
        assert "statement timeout" in str(caught.value.private)
    with database.read() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    database.close()


def test_a_writer_that_waits_too_long_for_a_lock_is_told_so_and_nothing_is_changed(
    postgres_url: str, at: datetime
) -> None:
    holder, waiting = Database.open(postgres_url), Database.open(postgres_url, statement_s=0.2)
    lock = text("SELECT pg_advisory_xact_lock(7)")
    with holder.write(at) as first:
        first.execute(lock)
        with pytest.raises(DatabaseFailed, match="nothing was changed"), waiting.write(at) as second:
            second.execute(lock)
    with waiting.write(at) as second:
        second.execute(lock)
    for database in (holder, waiting):
        database.close()
