"""A partner's membership log as it shows it, read to its last leaf and verified against its own signature. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mithaq.exchange.audit.folder import AuditFolder
from mithaq.exchange.errors import BadAudit
from mithaq.exchange.log.attached import Attached
from mithaq.exchange.membership.record import Record, read_records
from mithaq.kernel.ids import NationId
from mithaq.kernel.tlog.checkpoint import Checkpoint, read_checkpoint
from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.note import Note
from mithaq.kernel.tlog.proof import Proof
from mithaq.kernel.tlog.tiles import Tile, bundles_of, split_bundle
from mithaq.kernel.tlog.tree import Edge, leaf_hash, perfect_root, prove_inclusion
from mithaq.kernel.tlog.witness import is_signed
from mithaq.nations.names import MembershipName, parse_origin

MAX_LEAVES = 20_000
MAX_LOG_BYTES = 64 * 1024 * 1024


class Source(Protocol):
    """Where a membership log is read from; every byte of it is untrusted."""

    def checkpoint(self) -> bytes:
        """Return the checkpoint of the newest log of the agreement."""
        ...

    def bundle(self, origin: str, bundle: Tile) -> bytes:
        """Return a bundle of entries of that log."""
        ...


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A log that its keeper exported into a folder."""

    folder: AuditFolder

    def checkpoint(self) -> bytes:
        """Return the checkpoint.

        Raises:
            BadAudit: it is not there.
        """
        return self.folder.checkpoint()[1].encode()

    def bundle(self, origin: str, bundle: Tile) -> bytes:
        """Return a bundle of entries.

        Raises:
            BadAudit: it is not there.
        """
        del origin
        return self.folder.tile(bundle)


@dataclass(frozen=True, slots=True)
class Shown:
    """A log whose entries lead to the root that its keeper has signed."""

    name: MembershipName
    note: Note
    entries: tuple[bytes, ...]
    records: tuple[Record, ...]

    @property
    def size(self) -> int:
        """Return how many leaves it has."""
        return len(self.entries)

    def root_at(self, size: int) -> bytes:
        """Return the root that the log had when it had so many leaves."""
        return Edge().extended(map(leaf_hash, self.entries[:size])).root

    def attached(self, leaf: int) -> Attached:
        """Return a leaf with the proof that it is in the log."""
        hashes = [leaf_hash(entry) for entry in self.entries]

        def hash_at(level: int, number: int) -> bytes:
            return perfect_root(hashes[number << level : (number + 1) << level])

        path = prove_inclusion(hash_at, leaf, self.size)
        return Attached(Proof(leaf, tuple(path), self.note), self.entries[leaf])


def read_shown(source: Source, nation: NationId, agreement_id: str, log_key: bytes) -> Shown:
    """Read the membership log that a nation keeps of an agreement.

    Checked in this order: the log is that nation's, of this agreement; its signature; its size; every entry against the
    root; every record.

    Raises:
        BadNote, BadProof, BadAudit: the log does not hold, is another one, or is larger than any true one.
        BadJson, BadRecord: an entry is no record.
    """
    checkpoint, note = read_checkpoint(source.checkpoint())
    name = parse_origin(checkpoint.origin)
    if not isinstance(name, MembershipName) or (name.nation, name.agreement_id) != (nation, agreement_id):
        raise BadAudit("this is not the membership log that %(nation)s keeps of the agreement", nation=nation)
    if not is_signed(note, [name.key(log_key)]):
        raise BadProof("the checkpoint is not signed by a log that is known here")
    entries = _entries(source, checkpoint)
    if Edge().extended(map(leaf_hash, entries)).root != checkpoint.root:
        raise BadProof("the entries do not lead to the root of the checkpoint")
    return Shown(name, note, tuple(entries), tuple(read_records(entries, agreement_id)))


def _entries(source: Source, checkpoint: Checkpoint) -> Sequence[bytes]:
    if checkpoint.size > MAX_LEAVES:
        raise BadAudit("a membership log of %(size)s leaves", size=checkpoint.size)
    entries: list[bytes] = []
    total = 0
    for bundle in bundles_of(checkpoint.size):
        data = source.bundle(checkpoint.origin, bundle)
        total += len(data)
        if total > MAX_LOG_BYTES:
            raise BadAudit("a membership log over the limit of %(limit)s bytes", limit=MAX_LOG_BYTES)
        entries += split_bundle(data, bundle.width)
    return entries
