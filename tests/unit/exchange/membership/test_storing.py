"""Membership logs in SQLite and in PostgreSQL: as they are defined, and each fact once, whoever appends it."""

import threading
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from mithaq.exchange.log import store as log_store
from mithaq.exchange.membership.service import Membership
from mithaq.kernel.database import Database
from mithaq.kernel.database import journal as journal_table
from mithaq.kernel.tlog.tree import Edge, leaf_hash
from tests.country import Country
from tests.unit.exchange.membership.parties import abouts, publish_first, treaty_of
from tests.world import XA, XB, Treaty


def agreement_id(at: datetime) -> str:
    return treaty_of(at).agreement_id


def test_both_databases_keep_the_log_as_it_is_defined(db_url: str, tmp_path: Path, at: datetime) -> None:

    country = Country.found(XA, tmp_path / "node", db_url)
    country.befriend([], at)
    publish_first(country, at)
    country.context.agreements.receive(
        Treaty(at, nations=(XA, XB), signers=(XA,)).envelope.encode(), at=at, actor="person--1"
    )
    alone = Membership(country.context)
    with country.db.write(at) as tx:
        assert alone.catch_up(tx, agreement_id(at)) == []
    other = Country.found(XB, tmp_path / "other")
    country.befriend([other], at)
    country.context.agreements.receive(Treaty(at, nations=(XA, XB)).envelope.encode(), at=at, actor="nation:XB")
    for _ in range(2):
        with country.db.write(at) as tx:
            alone.catch_up(tx, agreement_id(at))
    with country.db.read() as connection:
        row = log_store.newest_log(connection, agreement=agreement_id(at))
        assert row is not None
        entries = log_store.read_entries(connection, row.log, 0, 99)
        assert row.edge == Edge().extended(map(leaf_hash, entries))
        kinds = connection.scalars(select(journal_table.c.kind)).all()
    assert sorted(abouts(country, at)) == [
        ("key-statement", "XA", 1), ("key-statement", "XB", 1), ("version", "", 1),
    ]  # fmt: skip
    assert list(kinds).count("exchange.membership") == 1
    with country.db.write(at) as tx:
        alone.begin_anew(tx)
    with country.db.read() as connection:
        again = log_store.newest_log(connection, agreement=agreement_id(at))
    assert again is not None
    assert again.origin.endswith(".2")
    assert again.edge.size == 3
    country.db.close()
    other.db.close()


def test_two_processes_append_a_fact_once(db: Database, tmp_path: Path, at: datetime) -> None:
    """On PostgreSQL both may read before either writes; the second waits for the log and finds the fact in it."""

    country = Country.over(XA, db)
    publish_first(country, at)
    other = Country.found(XB, tmp_path / "other")
    country.befriend([other], at)
    country.context.agreements.receive(Treaty(at, nations=(XA, XB)).envelope.encode(), at=at, actor="nation:XB")
    gate = threading.Barrier(2)
    twins = [Country.over(XA, Database(db.engine, db.waker)) for _ in range(2)]
    failed: list[BaseException] = []

    def work(twin: Country) -> None:
        try:
            gate.wait(10)
            with twin.db.write(at) as tx:
                twin.membership.catch_up(tx, agreement_id(at))
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=(twin,)) for twin in twins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failed == []
    assert len(abouts(country, at)) == len(set(abouts(country, at))) == 3
    other.db.close()
