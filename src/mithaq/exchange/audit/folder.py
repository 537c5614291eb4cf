"""The audit folder: a log as static files in the C2SP layout, with what the auditor is given of its records.

| file | holds |
|---|---|
| `checkpoint`, `tile/...` | the log, as c2sp.org/tlog-tiles v0.1.0 names them |
| `policy` | the log's key and its witnesses, as c2sp.org/tlog-policy |
| `records.ndjson` | a line a record that was not erased: `leaf`, `salt`, `record` (its canonical bytes as text) |
| `erased.ndjson` | a line a release whose record was erased: `leaf`, `recipient`, `sequence`, `release_id`, `digest` |
| `receipts.ndjson` | a line a receipt that partners signed: `signer`, `envelope` |
| `proofs.ndjson` | a line a proof that partners gave: `sender`, `sequence`, `proof`, `record` |
| `membership.ndjson` | of a membership log, instead of these three: a line an entry, as it is in the log |
| `cards/XX.json` | the signed card of each nation |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mithaq.exchange.errors import BadAudit
from mithaq.kernel.signing import read_envelope
from mithaq.kernel.tlog.checkpoint import Checkpoint, read_checkpoint
from mithaq.kernel.tlog.note import MAX_NOTE_BYTES, Note
from mithaq.kernel.tlog.policy import MAX_POLICY_BYTES, Policy, read_policy
from mithaq.kernel.tlog.tiles import MAX_ENTRY_BYTES, WIDTH, Tile
from mithaq.nations.model import Card
from mithaq.nations.rules import MAX_CARD_BYTES, card_of_payload

_MAX_LINE = 8 * 1024 * 1024
_MAX_MEMBERSHIP = 128 * 1024 * 1024
_MAX_TILE = WIDTH * (MAX_ENTRY_BYTES + 2)


class RecordLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record with its salt, in base64, and its leaf."""

    leaf: int
    salt: str
    record: str


class ErasedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One release whose record was erased because its time was over; nothing but the sender's word binds it to a leaf.

    `digest` is the SHA-256 of the signed release, which the recipient's receipt names too.
    """

    leaf: int
    recipient: str
    sequence: int
    release_id: str
    digest: str


class ReceiptLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receipt, as its signer's DSSE envelope."""

    signer: str
    envelope: str


class ProofLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One proof that a partner gave for a release."""

    sender: str
    sequence: int
    proof: str
    record: str


@dataclass(frozen=True, slots=True)
class AuditFolder:
    """An exported log in a folder; every byte of it is untrusted."""

    root: Path

    def checkpoint(self) -> tuple[Checkpoint, Note]:
        """Return the checkpoint.

        Raises:
            BadAudit: it is not there.
            BadNote: it is none.
        """
        return read_checkpoint(self._bytes("checkpoint", MAX_NOTE_BYTES))

    def policy(self) -> Policy:
        """Return the policy that was exported with the log.

        Raises:
            BadAudit: it is not there.
            BadNote: it is none.
        """
        return read_policy(self._bytes("policy", MAX_POLICY_BYTES))

    def tile(self, tile: Tile) -> bytes:
        """Return a tile or a bundle.

        Raises:
            BadAudit: it is not there.
        """
        return self._bytes(f"tile/{tile.path}", _MAX_TILE)

    def records(self) -> Iterator[RecordLine]:
        """Yield the records that the auditor was given.

        Raises:
            BadAudit: a line is malformed.
        """
        return self._lines("records.ndjson", RecordLine)

    def erased(self) -> Iterator[ErasedLine]:
        """Yield what the log's nation says of releases whose record was erased.

        Raises:
            BadAudit: a line is malformed.
        """
        return self._lines("erased.ndjson", ErasedLine)

    def receipts(self) -> Iterator[ReceiptLine]:
        """Yield the receipts of partners.

        Raises:
            BadAudit: a line is malformed.
        """
        return self._lines("receipts.ndjson", ReceiptLine)

    def proofs(self) -> Iterator[ProofLine]:
        """Yield the proofs that partners gave.

        Raises:
            BadAudit: a line is malformed.
        """
        return self._lines("proofs.ndjson", ProofLine)

    def membership(self) -> Iterator[bytes]:
        """Yield the entries of a membership log as they were written out for people.

        Raises:
            BadAudit: the file is missing.
        """
        return iter(self._bytes("membership.ndjson", _MAX_MEMBERSHIP).splitlines())

    def cards(self) -> dict[str, Card]:
        """Return the cards by nation, each signed by the key it carries; compare fingerprints before you rely on them.

        Raises:
            BadAudit, BadCard: one is malformed.
        """
        found: dict[str, Card] = {}
        for path in sorted((self.root / "cards").glob("*.json")):
            card = read_stale_card(self._bytes(f"cards/{path.name}", MAX_CARD_BYTES))
            found[card.nation] = card
        return found

    def _bytes(self, name: str, limit: int) -> bytes:
        try:
            with (self.root / name).open("rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise BadAudit("%(file)s is missing from the audit folder", file=name, private=str(error)) from error
        if len(data) > limit:
            raise BadAudit("%(file)s is over its limit", file=name)
        return data

    def _lines(self, name: str, kind: type[Any]) -> Iterator[Any]:
        decoder = msgspec.json.Decoder(kind)
        try:
            with (self.root / name).open("rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(_MAX_LINE), b""), 1):
                    yield _decoded(decoder, line, name, number)
        except FileNotFoundError:
            return


def _decoded(decoder: Any, line: bytes, name: str, number: int) -> Any:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAudit("line %(line)s of %(file)s is malformed", line=number, file=name, private=str(error)) from error


def read_stale_card(data: bytes) -> Card:
    """Read a card whatever its age, for what was signed while it was valid.

    Raises:
        BadCard, BadJson, BadSignature: it is not signed by the key it carries.
    """
    envelope = read_envelope(data, subject="card", max_bytes=MAX_CARD_BYTES)
    return card_of_payload(envelope)
