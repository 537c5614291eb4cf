"""The database: SQLAlchemy Core on SQLite (WAL) or PostgreSQL, with one way to write.

Every write is a `Transaction`. Its journal entries are numbered as the last statements before the commit, so that
sequence numbers follow the order of commits: SQLite has one writer, PostgreSQL takes an advisory lock.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Dialect,
    Engine,
    Executable,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    func,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.types import TypeDecorator

from mithaq.kernel.errors import Error
from mithaq.kernel.lane import Lane
from mithaq.kernel.wake import Waker

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
"""Every constraint has a name that is the same on both databases, so that a later migration can change it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JOURNAL_LOCK = 0x6D697468
_BUSY_TIMEOUT_MS = 10_000
_CACHE_KIB = 16 * 1024
"""Of pages a connection to SQLite: the thousand objects of an import's transaction fit, and are written once."""

NOTIFY_CHANNEL = "mithaq_journal"
STATEMENT_S = 120.0
"""So long may one statement take on PostgreSQL, waiting for another's lock included, before it is ended."""


class DatabaseFailed(Error):
    """The database cannot be reached, or could not take a write, of which nothing was kept."""

    code = "database-failed"


class UnfitValue(Error):
    """A value that no database can look for or keep, such as a text with a zero byte."""

    code = "unfit-value"


class Timestamp(TypeDecorator[datetime]):
    """An aware UTC instant, stored as whole microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Store the instant as microseconds."""
        del dialect
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the aware instant."""
        del dialect
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Json(TypeDecorator[Any]):
    """A JSON value, stored as text with sorted keys."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        """Store the value as text."""
        del dialect
        return None if value is None else msgspec.json.encode(value, order="sorted").decode()

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:
        """Return the value."""
        del dialect
        return None if value is None else msgspec.json.decode(value)


def row_id(name: str = "row") -> Column[int]:
    """Return an ever-growing integer primary key."""
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


journal = Table(
    "journal",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", Timestamp, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("detail", Json, nullable=False),
)
cursors = Table(
    "journal_cursors",
    metadata,
    Column("reader", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)


class Transaction:
    """One write: statements and the journal entries that tell of them."""

    def __init__(self, connection: Connection, at: datetime, origin: str = "") -> None:
        self.connection = connection
        self.at = at
        self._origin = origin
        self._entries: list[dict[str, Any]] = []

    def execute(
        self, statement: Executable, rows: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None
    ) -> CursorResult[Any]:
        """Run one statement, with one row or many."""
        result = self.connection.execute(statement, rows)
        if not isinstance(result, CursorResult):  # pragma: no cover - Core always gives a cursor
            raise TypeError("the statement gave no cursor")
        return result

    def append(
        self, kind: str, *, subject: str, lane: Lane, actor: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Say in the journal what this transaction changes; `detail` holds ids, never values."""
        self._entries.append(
            {
                "at": self.at,
                "kind": kind,
                "subject": subject,
                "lane": str(lane),
                "actor": actor,
                "detail": dict(detail or {}),
            }
        )

    def write_journal(self) -> frozenset[str]:
        """Number and insert the entries, as the last statements before the commit; return their kinds."""
        if not self._entries:
            return frozenset()
        postgres = self.connection.dialect.name == "postgresql"
        if postgres:
            self.connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _JOURNAL_LOCK})
        last = self.connection.scalar(select(func.coalesce(func.max(journal.c.seq), 0))) or 0
        rows = [{"seq": last + place, **entry} for place, entry in enumerate(self._entries, 1)]
        self.connection.execute(journal.insert(), rows)
        kinds = frozenset(row["kind"] for row in rows)
        if postgres:
            news = {"channel": NOTIFY_CHANNEL, "payload": " ".join((self._origin or "-", *sorted(kinds)))}
            self.connection.execute(text("SELECT pg_notify(:channel, :payload)"), news)
        return kinds


class Database:
    """A node's database; `read()` and `write(at)` are the only doors."""

    def __init__(self, engine: Engine, waker: Waker | None = None) -> None:
        self.engine = engine
        self.waker = waker
        self._writing = threading.Lock()

    @staticmethod
    def open(url: str, *, run_dir: Path | None = None, statement_s: float = STATEMENT_S) -> "Database":
        """Open a database by its SQLAlchemy address; `run_dir` holds the sockets of those to be woken.

        `statement_s`: after how long PostgreSQL ends a statement, 0 for never.
        """
        waker = Waker(run_dir) if run_dir else None
        engine = _sqlite_engine(url) if url.startswith("sqlite") else _postgresql_engine(url, statement_s)
        return Database(engine, waker)

    @property
    def dialect(self) -> str:
        """Return `sqlite` or `postgresql`."""
        return self.engine.dialect.name

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def wipe_log(self) -> bool:
        """Take what was deleted out of the write-ahead log too; tell whether that was possible.

        SQLite copies the log into the database, whose freed places are zeros, and empties it; a reader that is still
        open stands in its way, and it is tried again another time. PostgreSQL recycles its log by itself.
        """
        if self.dialect != "sqlite":
            return True
        with self.engine.connect() as connection:
            (busy, _, _) = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
        return not busy

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a consistent view for reading.

        Raises:
            DatabaseFailed: the database cannot be reached, or the connection broke.
            UnfitValue: what was asked for holds a value that the database does not know.
        """
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except DataError as error:
            raise _unfit(error) from error
        except OperationalError as error:
            raise DatabaseFailed("the database cannot be read", private=str(error)) from error

    @contextmanager
    def write(self, at: datetime) -> Iterator[Transaction]:
        """Open one write transaction; commit at the end, roll back on any exception, wake readers.

        Raises:
            DatabaseFailed: the disk is full, or another writer held the database for too long.
            UnfitValue: a value cannot be kept; nothing was changed.
        """
        try:
            with (
                self._writing,
                self.engine.connect().execution_options(mithaq_write=True) as connection,
                connection.begin(),
            ):
                transaction = Transaction(connection, at, self.waker.origin if self.waker else "")
                yield transaction
                kinds = transaction.write_journal()
        except DataError as error:
            raise _unfit(error) from error
        except OperationalError as error:
            raise DatabaseFailed("the database refused the write; nothing was changed", private=str(error)) from error
        if kinds and self.waker:
            self.waker.wake(kinds)


def _unfit(error: DataError) -> UnfitValue:
    return UnfitValue(
        "a value cannot be looked for or kept: a zero byte, or a number beyond its range", private=str(error)
    )


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": _BUSY_TIMEOUT_MS / 1000})

    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
            f"cache_size=-{_CACHE_KIB}",
            "secure_delete=ON",  # what an agreement tells to delete is overwritten with zeros
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("mithaq_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _postgresql_engine(url: str, statement_s: float) -> Engine:
    # Loaded for PostgreSQL alone: a node on SQLite starts without its driver.
    from mithaq.kernel.postgresql import BinaryCursor

    engine = create_engine(url, pool_size=5, pool_pre_ping=True, connect_args={"cursor_factory": BinaryCursor})

    def prepare(connection: Any, _record: Any) -> None:
        connection.execute(f"SET statement_timeout = {round(statement_s * 1000)}")
        connection.commit()

    event.listen(engine, "connect", prepare)
    return engine


def among(column: Column[Any], name: str) -> dict[str, ColumnElement[bool]]:
    """Return, for each database, that a column has one of the values that are given by this name.

    PostgreSQL takes them as one array: a place for each makes another statement for each number of them, which the
    driver and the server read anew.
    """
    return {
        "sqlite": column.in_(bindparam(name, expanding=True)),
        "postgresql": column == func.any(bindparam(name, type_=ARRAY(column.type))),
    }


def insert_ignore(transaction: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows that are not there yet."""
    if rows:
        transaction.execute(_insert(transaction, table).on_conflict_do_nothing(), list(rows))


def upsert(
    transaction: Transaction,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str],
    changed: Sequence[str],
) -> None:
    """Insert rows; where one with the same `keys` is there, change its columns `changed` instead."""
    if not rows:
        return
    statement = _insert(transaction, table)
    update = {name: statement.excluded[name] for name in changed}
    transaction.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=update), list(rows))


def _insert(transaction: Transaction, table: Table) -> postgresql.Insert | sqlite.Insert:
    postgres = transaction.connection.dialect.name == "postgresql"
    return postgresql.insert(table) if postgres else sqlite.insert(table)
