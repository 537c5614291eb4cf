"""Databases of tests: every table is made once in a run, and then the whole database is copied."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from mithaq.kernel.database import Database
from mithaq.node import schema

_READY = "ready"


def ready_sqlite(path: Path) -> str:
    """Return the address of a SQLite database that holds every table; one that is there already is left as it is."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_sqlite(), path)
    return f"sqlite:///{path}"


@cache
def _sqlite() -> Path:
    path = _folder() / "ready.db"
    _make_tables(f"sqlite:///{path}")
    return path


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mithaq-ready-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _make_tables(url: str) -> None:
    database = Database.open(url)
    schema.metadata.create_all(database.engine)
    database.close()


def migrating_once(migrate: Callable[..., None]) -> Callable[..., None]:
    """Let founding copy the SQLite database that all revisions have made once in this process."""

    @cache
    def migrated() -> Path:
        path = _folder() / "migrated.db"
        migrate(f"sqlite:///{path}")
        return path

    @wraps(migrate)
    def copied(url: str) -> None:
        path = Path(make_url(url).database or "")
        if url.startswith("sqlite") and not path.exists():
            shutil.copyfile(migrated(), path)
        else:
            migrate(url)

    return copied


@contextmanager
def postgresql(server: str, template: str | None = None) -> Iterator[str]:
    """Give a database of its own on a server, empty or as a template is, and drop it at the end."""
    name = f"t{os.urandom(6).hex()}"
    _make_database(server, name, template)
    yield _named(server, name)
    _maintain(server, f"DROP DATABASE {name} WITH (FORCE)")


def postgresql_template(server: str) -> str:
    """Make a database that holds every table, and return its name."""
    _make_database(server, _READY)
    _make_tables(_named(server, _READY))
    return _READY


def _make_database(server: str, name: str, template: str | None = None) -> None:
    """Copy a template as files: to write each of its pages into the log costs three times as much."""
    _maintain(server, f"CREATE DATABASE {name} TEMPLATE {template or 'template1'} STRATEGY file_copy")


def keep_nothing(server: str) -> None:
    """Let a server forget what a crash of the machine would cost it: it ends with its tests."""
    for setting in ("fsync", "full_page_writes"):
        _maintain(server, f"ALTER SYSTEM SET {setting} = off")
    _maintain(server, "SELECT pg_reload_conf()")


def _maintain(server: str, statement: str) -> None:
    with maintenance(server).connect() as connection:
        connection.execute(text(statement))


@cache
def maintenance(server: str) -> Engine:
    """One connection for all databases that come and go; the server's fixture closes it."""
    return create_engine(server, isolation_level="AUTOCOMMIT")


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


_COMPILED: LRUCache[Any, Any] = LRUCache(4000)


class _AlikeSqlite(SQLiteDialect_pysqlite):
    """A dialect that equals every other of its kind, so that engines share what they have compiled."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


class _AlikePostgresql(PGDialect_psycopg):
    """The same for PostgreSQL: all tests of a run have one server."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


def compiling_once(opened: Callable[..., Database]) -> Callable[..., Database]:
    """Let every database use the statements that any other of this process has compiled: a run opens thousands."""

    @wraps(opened)
    def alike(*args: Any, **named: Any) -> Database:
        database = opened(*args, **named)
        engine = database.engine
        engine.dialect.__class__ = _AlikeSqlite if database.dialect == "sqlite" else _AlikePostgresql
        engine._compiled_cache = _COMPILED
        return database

    return alike
