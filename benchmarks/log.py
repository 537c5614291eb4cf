"""What the release log costs: durable appends through the real store, an offline audit of a million leaves, a receipt.

Appended in batches of 500 releases, as a bundle for many nations is, each batch one transaction of an SQLite database
with `synchronous=FULL`. The peer pymerkle appends the same records to a tree in an SQLite file of its own, without
salts, records and tiles, one transaction a leaf less: its own bulk door. The audit reads a folder that holds a million
leaves and as many records, and checks all of them; `--quick` has fewer leaves and says the time for a million.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec
from pymerkle import SqliteTree

from benchmarks.measure import Result, Size
from mithaq.agreements.model import Reference
from mithaq.exchange.audit.folder import RecordLine
from mithaq.exchange.audit.verify import verify_folder
from mithaq.exchange.log.attached import Attached
from mithaq.exchange.log.policy import policy_of
from mithaq.exchange.log.record import Record, commit
from mithaq.exchange.log.service import ReleaseLog
from mithaq.kernel.database import Database, metadata
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.tlog.checkpoint import Checkpoint, cosign, sign_checkpoint
from mithaq.kernel.tlog.lines import encode
from mithaq.kernel.tlog.proof import Proof
from mithaq.kernel.tlog.tiles import WIDTH, TileTree, bundles_of, join_bundle, tiles_of
from mithaq.kernel.tlog.tree import Edge, leaf_hash, perfect_root, prove_inclusion
from mithaq.kernel.tlog.vkey import KeyType, NoteKey
from mithaq.nations.names import LogName, witness_name
from mithaq.nations.signer import LocalSigner

BATCH = 500
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
OWN, OTHER, THIRD = NationId("XA"), NationId("XB"), NationId("XC")
WITNESSES = 2
_T = TypeVar("_T")


def _record(number: int) -> Record:
    digest = f"{number:064x}"
    agreement = Reference("agreement--11111111-1111-4111-8111-111111111111", 1, digest)
    name = f"release--00000000-0000-4000-8000-{number:012d}"
    return Record(
        name, digest, OWN, OTHER, number + 1, agreement, "TLP:AMBER", "defence", ACTUAL, "release", digest, AT
    )


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Append in turns with the peer, then audit one folder, then measure one receipt."""
    del options
    runs, appends = size.of(3, 5, 9), size.of(5_000, 20_000, 100_000)
    leaves = size.of(20_000, 1_000_000, 1_000_000)
    records = [_record(number) for number in range(appends)]
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(runs):
        ours.append(_in_folder(lambda folder: _appended(folder, records)))
        theirs.append(_in_folder(lambda folder: _appended_by_pymerkle(folder, records)))
    audit_s, receipt_bytes = _in_folder(lambda folder: _audited(folder, leaves))
    figures = {
        "appends_per_s": appends / median(ours),
        "audit_1m_s": audit_s * 1_000_000 / leaves,
        "receipt_bytes": float(receipt_bytes),
    }
    return Result(figures, runs, {"pymerkle": {"appends_per_s": appends / median(theirs)}})


def _in_folder(work: Callable[[Path], _T]) -> _T:
    folder = Path(tempfile.mkdtemp(prefix="mithaq-bench-"))
    try:
        return work(folder)
    finally:
        shutil.rmtree(folder)


def _appended(folder: Path, records: list[Record]) -> float:
    db = Database.open(f"sqlite:///{folder / 'log.db'}")
    metadata.create_all(db.engine)
    log = ReleaseLog(db, OWN, LocalSigner(Keys.generate(), OWN))
    began = time.perf_counter()
    for start in range(0, len(records), BATCH):
        with db.write(AT) as tx:
            log.append(tx, records[start : start + BATCH])
    taken = time.perf_counter() - began
    db.close()
    return taken


def _appended_by_pymerkle(folder: Path, records: list[Record]) -> float:
    tree = SqliteTree(str(folder / "peer.db"))
    began = time.perf_counter()
    for start in range(0, len(records), BATCH):
        tree.append_entries([record.encode() for record in records[start : start + BATCH]], chunksize=BATCH)
    taken = time.perf_counter() - began
    tree.con.close()
    return taken


def _audited(folder: Path, leaves: int) -> tuple[float, int]:
    """Write a folder as an export does and return the seconds its audit takes, and the size of one receipt."""
    keys = {nation: Keys.generate() for nation in (OWN, OTHER, THIRD)}
    entries = _write_records(folder, leaves)
    rows = [[leaf_hash(entry) for entry in entries]]
    while len(rows[-1]) >= WIDTH:
        below = rows[-1]
        rows.append([perfect_root(below[n : n + WIDTH]) for n in range(0, len(below) - WIDTH + 1, WIDTH)])
    for tile in (*tiles_of(leaves), *bundles_of(leaves)):
        start = tile.number * WIDTH
        path = folder / "tile" / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        part = entries if tile.level is None else rows[tile.level]
        found = part[start : start + tile.width]
        path.write_bytes(join_bundle(found) if tile.level is None else b"".join(found))
    checkpoint = Checkpoint(LogName(OWN, AT.year).origin, leaves, Edge().extended(rows[0]).root)
    log = NoteKey(checkpoint.origin, KeyType.ED25519, keys[OWN].log_ed25519)
    witnesses = {nation: _witness_keys(nation, keys[nation]) for nation in (OTHER, THIRD)}
    note = sign_checkpoint(checkpoint, log).joined(
        cosign(checkpoint, key, int(AT.timestamp())) for pair in witnesses.values() for key in pair
    )
    policy = policy_of(log.public, {n: (a.public, b.public) for n, (a, b) in witnesses.items()}, WITNESSES)
    (folder / "policy").write_bytes(policy.encode())
    (folder / "checkpoint").write_bytes(note.encode())
    began = time.perf_counter()
    verdict = verify_folder(folder)
    taken = time.perf_counter() - began
    if not verdict.holds or verdict.checked["records"] != leaves:
        raise RuntimeError(f"the audit came to {verdict.wrong}")
    tree = TileTree(leaves, lambda tile: (folder / "tile" / tile.path).read_bytes())
    proof = prove_inclusion(tree.hash_at, leaves // 2, leaves)
    attached = Attached(Proof(leaves // 2, tuple(proof), note, bytes(32)), _record(leaves // 2).encode())
    return taken, len(attached.encode())


def _write_records(folder: Path, leaves: int) -> list[bytes]:
    encoded = _record(0).encode().decode()
    entries = []
    with (folder / "records.ndjson").open("wb") as file:
        encoder = msgspec.json.Encoder()
        for leaf in range(leaves):
            salt = os.urandom(32)
            record = encoded.replace('"sequence":1}', f'"sequence":{leaf + 1}}}')
            entries.append(commit(salt, record.encode()))
            file.write(encoder.encode(RecordLine(leaf, encode(salt), record)) + b"\n")
    return entries


def _witness_keys(nation: NationId, keys: Keys) -> tuple[NoteKey, NoteKey]:
    name = witness_name(nation)
    return (
        NoteKey(name, KeyType.COSIGNATURE_ED25519, keys.witness_ed25519),
        NoteKey(name, KeyType.COSIGNATURE_MLDSA44, keys.witness_mldsa44),
    )
