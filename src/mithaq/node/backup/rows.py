"""A database as rows, read through SQLAlchemy and written back into an empty one of either kind."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import msgspec
from sqlalchemy import Connection, Integer, MetaData, Table, func, insert, select, text

from mithaq.node.backup.errors import BadBackup
from mithaq.node.backup.settings import CHUNK_BYTES, ROWS_A_BLOCK

VERSION_TABLE = "alembic_version"
_MAX_BLOCK = 512 * CHUNK_BYTES


class Block(msgspec.Struct, frozen=True):
    """Some rows of one table."""

    table: str
    columns: list[str]
    rows: Annotated[list[list[Any]], msgspec.Meta(max_length=ROWS_A_BLOCK)]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Block)


def tables(connection: Connection) -> list[Table]:
    """Return the node's tables as the database itself describes them, in the order in which rows can be inserted."""
    known = MetaData()
    known.reflect(connection)
    return [table for table in known.sorted_tables if table.name != VERSION_TABLE]


def count(connection: Connection) -> dict[str, int]:
    """Count the rows of every table."""
    return {table.name: connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables(connection)}


def dump(connection: Connection) -> Iterator[bytes]:
    """Yield every row of every table, a few hundred at a time."""
    for table in tables(connection):
        query = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=ROWS_A_BLOCK)
        names = [str(column.name) for column in table.columns]
        for part in connection.execute(query).partitions():
            rows = [[_plain(value) for value in row] for row in part]
            block = _ENCODER.encode(Block(str(table.name), names, rows))
            yield struct.pack(">I", len(block)) + block


def load(connection: Connection, blocks: Iterable[bytes]) -> None:
    """Insert dumped rows into the empty tables of a database at the same revision.

    Raises:
        BadBackup: a table or a column is not there, or the rows are damaged.
    """
    known = {table.name: table for table in tables(connection)}
    for block in _split(blocks):
        table = known.get(block.table)
        if table is None or set(block.columns) != {column.name for column in table.columns}:
            raise BadBackup("the rows of the table %(table)s do not fit its revision", table=block.table[:80])
        if block.rows:
            connection.execute(insert(table), [dict(zip(block.columns, row, strict=True)) for row in block.rows])
    if connection.dialect.name == "postgresql":
        for table in known.values():
            _move_sequence(connection, table)


def _split(blocks: Iterable[bytes]) -> Iterator[Block]:
    waiting = bytearray()
    for part in blocks:
        waiting += part
        while len(waiting) >= 4:
            (length,) = struct.unpack(">I", waiting[:4])
            if length > _MAX_BLOCK:
                raise BadBackup("a block of rows is over its limit")
            if len(waiting) < 4 + length:
                break
            yield _decoded(bytes(waiting[4 : 4 + length]))
            del waiting[: 4 + length]
    if waiting:
        raise BadBackup("the rows end in the middle of a block")


def _decoded(data: bytes) -> Block:
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise BadBackup("a block of rows cannot be read: %(detail)s", detail=str(error)[:120]) from error


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def _move_sequence(connection: Connection, table: Table) -> None:
    """Let a table's own numbering go on after its last row."""
    keys = list(table.primary_key.columns)
    if len(keys) != 1 or not isinstance(keys[0].type, Integer):
        return
    where: Mapping[str, str] = {"table": f'"{table.name}"', "column": keys[0].name}
    sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), where)
    last = connection.scalar(select(func.max(keys[0])))
    if sequence and last:
        connection.execute(text("SELECT setval(:sequence, :last)"), {"sequence": sequence, "last": last})
