"""Many rows at once: COPY on PostgreSQL, one statement with many rows on SQLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, SmallInteger, Table, Text, exc
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeDecorator

from mithaq.kernel.database import Transaction

_POSTGRES_TYPES: Final = (
    (SmallInteger, "int2"),
    (BigInteger, "int8"),
    (Integer, "int4"),
    (Boolean, "bool"),
    (LargeBinary, "bytea"),
    (Text, "text"),
)


class Bulk:
    """The door for many rows into one table; `columns` are those that are given, in this order."""

    def __init__(self, table: Table, *columns: str) -> None:
        found = [table.c[name] for name in columns]
        names = ", ".join(f'"{name}"' for name in columns)
        self._insert = f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - names of our own tables
        self._copy = f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
        self._types = [_postgres_type(column) for column in found]
        self._converted = [
            (place, converter) for place, column in enumerate(found) if (converter := _converter(column)) is not None
        ]

    def insert(self, tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, each with one value a column.

        Raises:
            DataError: a value that the database cannot keep.
        """
        if not rows:
            return
        if self._converted:
            columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
            for place, convert in self._converted:
                columns[place] = _converted(columns[place], convert)
            rows = list(zip(*columns, strict=True))
        if tx.connection.dialect.name == "postgresql":
            self._copy_rows(tx, rows)
        else:
            tx.connection.exec_driver_sql(self._insert, list(rows))

    def _copy_rows(self, tx: Transaction, rows: Sequence[tuple[Any, ...]]) -> None:
        import psycopg
        from psycopg.types.string import BytesBinaryDumper

        driver = tx.connection.connection.cursor()
        # Else the driver takes the one for `psycopg.Binary`, which is written in Python, for every value of the type.
        driver.adapters.register_dumper(bytes, BytesBinaryDumper)
        try:
            with driver.copy(self._copy) as copy:
                copy.set_types(self._types)
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            wrapped = next(
                (kind for kind in (exc.DataError, exc.OperationalError, exc.IntegrityError) if _is(error, kind)),
                exc.DBAPIError,
            )
            raise wrapped(self._copy, None, error) from error
        finally:
            driver.close()


def _converted(values: Sequence[Any], convert: Callable[[Any], Any]) -> list[Any]:
    """Return values as the database keeps them; the same value many times over is worked out once."""
    found: list[Any] = []
    last: Any = None
    kept = convert(None)
    for value in values:
        if value is not last:
            last, kept = value, convert(value)
        found.append(kept)
    return found


def _is(error: Exception, kind: type[Exception]) -> bool:
    """Tell whether the driver's error is of the kind that SQLAlchemy names alike."""
    return any(each.__name__ == kind.__name__ for each in type(error).__mro__)


def _postgres_type(column: Column[Any]) -> str:
    kind: Any = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    return next(name for known, name in _POSTGRES_TYPES if isinstance(kind, known))


def _converter(column: Column[Any]) -> Callable[[Any], Any] | None:
    if not isinstance(column.type, TypeDecorator):
        return None
    kind, dialect = column.type, sqlite.dialect()
    return lambda value: kind.process_bind_param(value, dialect)
