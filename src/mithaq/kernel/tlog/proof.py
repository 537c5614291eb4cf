"""A proof that an entry is in a log, to be verified offline: path, checkpoint, cosignatures.

Source: c2sp.org/tlog-proof@v1 (untagged). The `extra` line is not authenticated; here it carries the salt.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mithaq.kernel.tlog.checkpoint import Checkpoint
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.lines import decimal, decode, decode_hash, encode
from mithaq.kernel.tlog.note import MAX_NOTE_BYTES, Note, read_note
from mithaq.kernel.tlog.policy import Policy
from mithaq.kernel.tlog.tree import MAX_PROOF_HASHES, check_inclusion, leaf_hash
from mithaq.kernel.tlog.vkey import VerifierKey

MAGIC = "c2sp.org/tlog-proof@v1"
MAX_EXTRA_BYTES = 1024
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 8 * 1024


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry's place, its path, and the checkpoint the path leads to; nothing of it is verified yet."""

    leaf: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes = b""

    @property
    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint.

        Raises:
            BadNote: the note is none.
        """
        return Checkpoint.of(self.note)

    def encode(self) -> bytes:
        """Return the bytes of the proof."""
        extra = [f"extra {encode(self.extra)}"] if self.extra else []
        lines = (MAGIC, *extra, f"index {self.leaf}", *map(encode, self.path), "", "")
        return "\n".join(lines).encode() + self.note.encode()

    def check(self, entry: bytes, policy: Policy) -> Mapping[VerifierKey, int]:
        """Verify that the entry is in a log under a checkpoint that counts; return who signed, and when.

        Raises:
            BadNote: a signature of a known key does not hold.
            BadProof: the log is unknown, the quorum is missed, or the path leads elsewhere.
        """
        signed, checkpoint = policy.check(self.note), self.checkpoint
        check_inclusion(self.leaf, checkpoint.size, leaf_hash(entry), self.path, checkpoint.root)
        return signed


def read_proof(data: bytes) -> Proof:
    """Read a proof.

    Raises:
        BadNote: names the rule that was broken.
    """
    if len(data) > MAX_PROOF_BYTES:
        raise BadNote("a proof over the limit of %(limit)s bytes", limit=MAX_PROOF_BYTES)
    head, blank, note = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise BadNote("the head of a proof is ASCII") from error
    if not blank or lines.pop(0) != MAGIC:
        raise BadNote("no proof of a log")
    extra = _extra(lines.pop(0).removeprefix("extra ")) if lines and lines[0].startswith("extra ") else b""
    if not lines or not lines[0].startswith("index ") or len(lines) - 1 > MAX_PROOF_HASHES:
        raise BadNote("no proof of a log")
    leaf = decimal(lines[0].removeprefix("index "))
    proof = Proof(leaf, tuple(map(decode_hash, lines[1:])), read_note(note), extra)
    Checkpoint.of(proof.note)
    return proof


def _extra(text: str) -> bytes:
    extra = decode(text)
    if not 0 < len(extra) <= MAX_EXTRA_BYTES:
        raise BadNote("extra data of %(length)s bytes", length=len(extra))
    return extra
