"""A witness: it cosigns a log's checkpoint only when that extends what it cosigned before. Pure; no I/O, no clock.

Source: c2sp.org/tlog-witness v1.0.0, with its status codes. Who keeps the state decides and saves in one transaction,
and cosigns after the commit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mithaq.kernel.tlog.checkpoint import Checkpoint, verified
from mithaq.kernel.tlog.errors import BadNote, BadProof
from mithaq.kernel.tlog.lines import decimal, decode_hash, encode
from mithaq.kernel.tlog.note import MAX_NOTE_BYTES, Note, read_note
from mithaq.kernel.tlog.tree import EMPTY_ROOT, MAX_PROOF_HASHES, check_consistency
from mithaq.kernel.tlog.vkey import VerifierKey

MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 4 * 1024
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Request:
    """A checkpoint to be cosigned, with the proof that it extends a tree of `old` leaves."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    @property
    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint."""
        return Checkpoint.of(self.note)

    def encode(self) -> bytes:
        """Return the body of the request."""
        lines = (f"old {self.old}", *map(encode, self.proof), "", "")
        return "\n".join(lines).encode() + self.note.encode()


def read_request(data: bytes) -> Request:
    """Read the body of a request.

    Raises:
        BadNote: names the rule that was broken.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise BadNote("a note over the limit of %(limit)s bytes", limit=MAX_REQUEST_BYTES)
    head, blank, note = data.partition(b"\n\n")
    try:
        first, *rest = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise BadNote("no request for a cosignature") from error
    if not blank or not first.startswith("old ") or len(rest) > MAX_PROOF_HASHES:
        raise BadNote("no request for a cosignature")
    request = Request(decimal(first.removeprefix("old ")), tuple(map(decode_hash, rest)), read_note(note))
    if request.old > request.checkpoint.size:
        raise BadNote("the old size is larger than the checkpoint's")
    return request


@dataclass(frozen=True, slots=True)
class Seen:
    """The latest checkpoint that this witness cosigned for a log; the empty tree before the first."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    note: bytes = b""


class Ruling(StrEnum):
    """What a witness answers."""

    COSIGN = "cosign"
    UNKNOWN_LOG = "unknown-log"
    NOT_SIGNED = "not-signed"
    OTHER_SIZE = "other-size"
    TWO_ROOTS = "two-roots"
    NOT_CONSISTENT = "not-consistent"

    @property
    def status(self) -> int:
        """Return the HTTP status of the specification."""
        return _STATUS[self]

    @property
    def is_evidence(self) -> bool:
        """Tell whether the log itself has signed what convicts it, or fails to prove it did not."""
        return self in (Ruling.TWO_ROOTS, Ruling.NOT_CONSISTENT)


_STATUS = {
    Ruling.COSIGN: 200,
    Ruling.UNKNOWN_LOG: 404,
    Ruling.NOT_SIGNED: 403,
    Ruling.OTHER_SIZE: 409,
    Ruling.TWO_ROOTS: 409,
    Ruling.NOT_CONSISTENT: 422,
}


def rule(request: Request, keys: Sequence[VerifierKey], seen: Seen) -> Ruling:
    """Decide about a request, given the log's keys (none: the log is unknown) and what was cosigned before."""
    checkpoint = request.checkpoint
    if not keys:
        return Ruling.UNKNOWN_LOG
    if not is_signed(request.note, keys):
        return Ruling.NOT_SIGNED
    if checkpoint.size == seen.size and checkpoint.root != seen.root:
        return Ruling.TWO_ROOTS
    if request.old != seen.size:
        return Ruling.OTHER_SIZE
    try:
        check_consistency(seen.size, checkpoint.size, seen.root, checkpoint.root, request.proof)
    except BadProof:
        return Ruling.NOT_CONSISTENT
    return Ruling.COSIGN


def is_signed(note: Note, keys: Iterable[VerifierKey]) -> bool:
    """Tell whether a checkpoint is signed by one of its log's keys, under its own origin."""
    origin = Checkpoint.of(note).origin
    try:
        return bool(verified(note, [key for key in keys if key.name == origin]))
    except BadNote:
        return False


def is_equivocation(first: bytes, second: bytes, keys: Sequence[VerifierKey]) -> bool:
    """Tell whether two signed checkpoints convict their log: one size, two roots. Anyone with the key can check it.

    Raises:
        BadNote: one of them is no checkpoint.
    """
    notes = read_note(first), read_note(second)
    one, other = map(Checkpoint.of, notes)
    alike = (one.origin, one.size) == (other.origin, other.size)
    return alike and one.root != other.root and all(is_signed(note, keys) for note in notes)
