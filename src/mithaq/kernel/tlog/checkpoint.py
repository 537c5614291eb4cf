"""Checkpoints: what a log says of itself at one size, signed by the log and cosigned by witnesses.

Source: c2sp.org/tlog-checkpoint v1.0.0; c2sp.org/tlog-cosignature v1.1.0-rc.1. Left out: extension lines, which the
specification does not recommend and ML-DSA-44 does not sign; a checkpoint with any is refused.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.lines import MAX_COUNT, decimal, decode_hash, encode
from mithaq.kernel.tlog.note import Note, Signature, check_name, read_note
from mithaq.kernel.tlog.tree import EMPTY_ROOT
from mithaq.kernel.tlog.vkey import KeyType, NoteKey, VerifierKey

_LINES = 3
_TIME_BYTES = 8
_MAX_NAME_BYTES = 255
_SUBTREE = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's origin, its size in leaves and its root hash."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{encode(self.root)}\n"

    @staticmethod
    def of(note: Note) -> "Checkpoint":
        """Read the text of a note.

        Raises:
            BadNote: it is no checkpoint of three lines.
        """
        lines = note.text.split("\n")[:-1]
        if len(lines) != _LINES:
            raise BadNote("a checkpoint has three lines: origin, size, root")
        checkpoint = Checkpoint(check_name(lines[0]), decimal(lines[1]), decode_hash(lines[2]))
        if len(checkpoint.origin.encode()) > _MAX_NAME_BYTES:
            raise BadNote("%(name)s is no name of a key", name=ascii(lines[0][:40]))
        if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
            raise BadNote("the root of an empty log is that of nothing")
        return checkpoint


def read_checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    """Read a checkpoint whose signatures are not yet verified.

    Raises:
        BadNote: it is none.
    """
    note = read_note(data)
    return Checkpoint.of(note), note


def sign_checkpoint(checkpoint: Checkpoint, key: NoteKey) -> Note:
    """Return the checkpoint signed by its log, whose key bears the origin as its name."""
    data = key.sign(checkpoint.text.encode())
    return Note(checkpoint.text, (Signature(key.name, key.public.key_id, data),))


def cosign(checkpoint: Checkpoint, key: NoteKey, time_s: int) -> Signature:
    """Return a witness's cosignature at a time, in seconds since 1970.

    Raises:
        BadNote: the key is none of a witness, or the time is out of range.
    """
    if key.type is KeyType.ED25519 or not 0 < time_s <= MAX_COUNT:
        raise BadNote("only a witness cosigns, at a time after 1970")
    data = struct.pack(">Q", time_s) + key.sign(_cosigned(key.name, key.type, time_s, checkpoint))
    return Signature(key.name, key.public.key_id, data)


def verified(note: Note, keys: Iterable[VerifierKey]) -> Mapping[VerifierKey, int]:
    """Return which of the keys signed a checkpoint, each with its cosignature's time (0 for a log's signature).

    Signatures of other keys are ignored; one that names a known key and does not hold refuses the whole note.

    Raises:
        BadNote: the text is no checkpoint, or such a signature.
    """
    checkpoint = Checkpoint.of(note)
    by_name = {(key.name, key.key_id): key for key in keys}
    found: dict[VerifierKey, int] = {}
    for signature in note.signatures:
        key = by_name.get((signature.name, signature.key_id))
        if key is not None:
            found[key] = _time_of(signature, key, checkpoint)
    return found


def _time_of(signature: Signature, key: VerifierKey, checkpoint: Checkpoint) -> int:
    if key.type is KeyType.ED25519:
        time_s, data, message = 0, signature.data, checkpoint.text.encode()
    else:
        time_s, data = int.from_bytes(signature.data[:_TIME_BYTES], "big"), signature.data[_TIME_BYTES:]
        message = _cosigned(key.name, key.type, time_s, checkpoint)
    if time_s > MAX_COUNT or not key.holds(data, message):
        raise BadNote("the signature of %(name)s does not hold", name=key.name)
    return time_s


def _cosigned(name: str, kind: KeyType, time_s: int, checkpoint: Checkpoint) -> bytes:
    if kind is KeyType.COSIGNATURE_ED25519:
        return b"cosignature/v1\ntime %d\n" % time_s + checkpoint.text.encode()
    signer, origin = name.encode(), checkpoint.origin.encode()
    return b"".join(
        (
            _SUBTREE,
            bytes([len(signer)]) + signer,
            struct.pack(">Q", time_s & (2**64 - 1)),
            bytes([len(origin)]) + origin,
            struct.pack(">QQ", 0, checkpoint.size),
            checkpoint.root,
        )
    )
