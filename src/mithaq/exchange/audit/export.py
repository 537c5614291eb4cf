"""Write a log of this node, and what an auditor may see of its records, into a folder."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, select

from mithaq.exchange import ledger
from mithaq.exchange import store as exchange
from mithaq.exchange.audit.folder import ErasedLine, ProofLine, ReceiptLine, RecordLine
from mithaq.exchange.context import Context
from mithaq.exchange.errors import BadAudit
from mithaq.exchange.log import store
from mithaq.exchange.log.attached import read_attached
from mithaq.exchange.log.policy import keys_of, policy_of
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.checkpoint import Checkpoint, verified
from mithaq.kernel.tlog.lines import encode
from mithaq.kernel.tlog.tiles import bundles_of, tiles_of
from mithaq.nations.names import parse_origin
from mithaq.nations.store import partners as partner_cards

_BATCH = 5_000
_Line = TypeVar("_Line", RecordLine, ErasedLine, ReceiptLine, ProofLine)


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    origin: str
    size: int
    records: int


def export_log(
    context: Context, own_card: bytes, folder: Path, origin: str | None = None, *, agreement: str = ""
) -> Exported:
    """Write one log into a folder that does not exist or is empty: the named one, the newest membership log of an
    agreement, else the newest release log.

    Raises:
        BadAudit: there is something in the folder, or no such log.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BadAudit("the folder is not empty; nothing was written")
    with context.db.read() as connection:
        row = store.find_log(connection, origin) if origin else store.newest_log(connection, agreement=agreement)
        if row is None:
            raise BadAudit("there is no such log here yet")
        note = None if row.agreement else context.log.newest_cosigned(connection, row.log)
    note = note or context.log.cosigned_checkpoint(row.log)
    checkpoint = Checkpoint.of(note)
    with context.db.read() as connection:
        for tile in (*tiles_of(checkpoint.size), *bundles_of(checkpoint.size)):
            path = folder / "tile" / tile.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(store.read_tile(connection, row.log, tile))
        known = context.partners.all(connection)
        if row.agreement:
            records = _membership(connection, row, checkpoint.size, folder / "membership.ndjson")
            parties = _parties(context, connection, row.agreement)
            known = [each for each in known if each.nation in parties]
        else:
            records = _lines(folder / "records.ndjson", _records(connection, row.log, checkpoint.size))
            _lines(folder / "erased.ndjson", _erased(connection, row.log, checkpoint.size))
            _lines(folder / "receipts.ndjson", _receipts(connection))
            _lines(folder / "proofs.ndjson", _proofs(connection))
        _cards(connection, context, own_card, folder / "cards", {each.nation for each in known})
        witnesses = {each.nation: keys_of(each.card) for each in known}
    log_key, _, _ = context.signer.note_keys()
    name = parse_origin(row.origin)
    signed = verified(note, [key for keys in witnesses.values() for key in keys])
    needed = min(1, sum(all(key in signed for key in keys) for keys in witnesses.values()))
    (folder / "policy").write_bytes(policy_of(name.key(log_key), witnesses, needed).encode())
    (folder / "checkpoint").write_bytes(note.encode())
    return Exported(row.origin, checkpoint.size, records)


def _membership(connection: Connection, row: store.LogRow, size: int, path: Path) -> int:
    """Write the entries of a membership log for people, a line each: canonical JSON has no line breaks."""
    entries = store.read_entries(connection, row.log, 0, size)
    path.write_bytes(b"".join(entry + b"\n" for entry in entries))
    return len(entries)


def _parties(context: Context, connection: Connection, agreement_id: str) -> set[NationId]:
    """Return everybody who ever was a party: nobody else's name belongs into the folder."""
    versions = context.agreements.versions(connection, agreement_id)
    return {nation for each in versions for nation in each.parties}


def _records(connection: Connection, log: int, size: int) -> Iterator[RecordLine]:
    table = store.records
    for start in range(0, size, _BATCH):
        part = (table.c.log == log, table.c.leaf >= start, table.c.leaf < min(size, start + _BATCH))
        for row in connection.execute(select(table).where(*part).order_by(table.c.leaf)):
            yield RecordLine(row.leaf, encode(bytes(row.salt)), bytes(row.record).decode())


def _erased(connection: Connection, log: int, size: int) -> Iterator[ErasedLine]:
    for kept in (exchange.sent, exchange.overtaken):
        here = (kept.c.log == log, kept.c.leaf < size, kept.c.action == "release", kept.c.envelope.is_(None))
        both = (kept.c.recipient == exchange.sent.c.recipient, kept.c.sequence == exchange.sent.c.sequence)
        query = select(kept.c.leaf, kept.c.recipient, kept.c.sequence, exchange.sent.c.release_id, kept.c.digest)
        for row in connection.execute(query.where(*here, *both).order_by(kept.c.leaf)):
            yield ErasedLine(row.leaf, row.recipient, row.sequence, row.release_id, row.digest)


def _receipts(connection: Connection) -> Iterator[ReceiptLine]:
    for nation, envelope in ledger.receipts(connection):
        yield ReceiptLine(nation, envelope.decode())


def _proofs(connection: Connection) -> Iterator[ProofLine]:
    table = store.proofs
    query = select(table).where(table.c.proof.is_not(None)).order_by(table.c.sender, table.c.sequence)
    for row in connection.execute(query):
        attached = read_attached(bytes(row.proof))
        yield ProofLine(row.sender, row.sequence, attached.proof.encode().decode(), attached.record.decode())


def _cards(
    connection: Connection, context: Context, own_card: bytes, folder: Path, nations: Collection[NationId]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{context.own}.json").write_bytes(own_card)
    for row in connection.execute(select(partner_cards).where(partner_cards.c.nation.in_(sorted(nations)))):
        (folder / f"{row.nation}.json").write_bytes(bytes(row.card))


def _lines(path: Path, lines: Iterator[_Line]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:
        batch: list[_Line] = []
        for line in lines:
            batch.append(line)
            count += 1
            if len(batch) >= _BATCH:
                file.write(_encoded(encoder, batch))
                batch.clear()
        file.write(_encoded(encoder, batch))
    return count


def _encoded(encoder: msgspec.json.Encoder, lines: Sequence[_Line]) -> bytes:
    return encoder.encode_lines(lines)
