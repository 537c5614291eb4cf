"""A leaf of a membership log: one fact that its keeper accepted, as canonical JSON (RFC 8785). Pure.

Leaves are the records themselves, not commitments: every party to the agreement holds the same papers. `hash` is the
SHA-256 of the signed payload, so that two nations that accepted the same text say the same, whoever carried it; `at` is
when the keeper accepted it, by its own clock.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from mithaq.agreements.statement import StatementKind
from mithaq.agreements.vocabulary import Code, Hash, Instant
from mithaq.exchange.errors import BadRecord
from mithaq.kernel import canonical
from mithaq.kernel.signing import read_envelope

FORMAT: Literal[1] = 1
MAX_RECORD_BYTES = 60 * 1024
AgreementId = Annotated[str, msgspec.Meta(pattern=r"^agreement--[0-9a-f-]{36}$")]
Number = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every record says."""

    format_version: Literal[1]
    agreement: AgreementId
    hash: Hash
    at: Instant


class VersionRecord(_Record, frozen=True, tag="version"):
    """A version that its rule of entry has concluded, and who had signed it; a later signature makes another record."""

    version: Number
    signed_by: list[Code]

    @property
    def about(self) -> "About":
        """Return what the record is about."""
        return ("version", "", self.version)


class StatementRecord(_Record, frozen=True, tag="statement"):
    """A party's statement about the agreement: a suspension, its end, a withdrawal, an objection.

    `target` is the nation it is about: another party, or who speaks.
    """

    nation: Code
    sequence: Number
    statement: StatementKind
    target: Code

    @property
    def about(self) -> "About":
        """Return what the record is about."""
        return ("statement", self.nation, self.sequence)


class RevokedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signing key that nothing may be believed of after an instant."""

    key_id: Hash
    compromised_at: Instant


class KeyRecord(_Record, frozen=True, tag="key-statement"):
    """A party's key statement: the signing key that it authorises, the one that it retires, those that it revokes."""

    nation: Code
    version: Number
    key_id: Hash
    retired: list[Hash]
    revoked: list[RevokedKey]
    expires_at: Instant

    @property
    def about(self) -> "About":
        """Return what the record is about."""
        return ("key-statement", self.nation, self.version)


Record = VersionRecord | StatementRecord | KeyRecord
About = tuple[str, str, int]
"""What a record is about: its kind, the nation that spoke (of a version none), and the number."""

_DECODER = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """Return the leaf's bytes."""
    return canonical.dumps(msgspec.to_builtins(record))


def read_record(data: bytes, agreement_id: str) -> Record:
    """Read a leaf of the membership log of an agreement.

    Raises:
        BadJson: it is not canonical JSON.
        BadRecord: another format or vocabulary, or it is about another agreement.
    """
    canonical.loads_canonical(data, max_bytes=MAX_RECORD_BYTES, subject="record")
    try:
        record: Record = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise BadRecord("no record of a membership log: %(detail)s", detail=ascii(str(error)[:80])) from error
    if record.agreement != agreement_id:
        raise BadRecord("the record is of another agreement")
    return record


def read_records(entries: Iterable[bytes], agreement_id: str) -> list[Record]:
    """Read all leaves of the membership log of an agreement.

    Raises:
        BadJson, BadRecord: as for one.
    """
    return [read_record(each, agreement_id) for each in entries]


def payload_hash(envelope: bytes) -> str:
    """Return the SHA-256 of what an envelope's signatures cover, in hexadecimal."""
    return hashlib.sha256(read_envelope(envelope).payload).hexdigest()
