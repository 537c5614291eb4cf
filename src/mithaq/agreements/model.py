"""An agreement as a typed document in a closed vocabulary, and its life.

Source for the words: FIRST IEP 2.0 (purposes, permitted actions), TLP 2.0, PAP, STIX 2.1 object types.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope

AGREEMENT_TYPE = "application/vnd.mithaq.agreement+json"
FORMAT = 1

TlpName = Literal["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
PapName = Literal["PAP:CLEAR", "PAP:GREEN", "PAP:AMBER", "PAP:RED"]
Purpose = Literal["defence", "warning", "exercise", "research", "statistics", "law-enforcement", "attribution"]
ObjectKind = Literal[
    "attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator",
    "infrastructure", "intrusion-set", "location", "malware", "malware-analysis", "marking-definition", "note",
    "observed-data", "opinion", "relationship", "report", "sighting", "threat-actor", "tool", "vulnerability",
]  # fmt: skip
LaneKind = Literal["actual", "test", "exercise"]
Code = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Words = dict[Literal["ar", "en", "fr"], Annotated[str, msgspec.Meta(min_length=1, max_length=500)]]
Instant = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class Party(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A nation that signs, bound to the key on its card."""

    nation: Code
    key_id: Hash
    names: Words
    role: Literal["party"] = "party"


class Onward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the recipient may pass an object on: to nobody, to the listed nations, or inside to constituents."""

    mode: Literal["none", "originator-consent", "parties"]
    constituents: bool = False


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may flow, and what becomes of it."""

    kinds: Annotated[list[ObjectKind], msgspec.Meta(min_length=1)]
    tlp_ceiling: TlpName
    pap_ceiling: PapName
    purposes: Annotated[list[Purpose], msgspec.Meta(min_length=1)]
    onward: Onward
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=3650)]
    lanes: Annotated[list[LaneKind], msgspec.Meta(min_length=1)]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine part of one version of an agreement."""

    format_version: Literal[1]
    id: Annotated[str, msgspec.Meta(pattern=r"^agreement--[0-9a-f-]{36}$")]
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    previous_hash: Hash | None
    title: Words
    parties: Annotated[list[Party], msgspec.Meta(min_length=2, max_length=200)]
    terms: Terms
    not_before: Instant
    not_after: Instant


class State(StrEnum):
    """Where an agreement stands in its life."""

    DRAFT = "draft"
    PARTLY_SIGNED = "partly-signed"
    NOT_YET_IN_FORCE = "not-yet-in-force"
    IN_FORCE = "in-force"
    EXPIRED = "expired"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Reference:
    """What a release cites: exactly this text of this version."""

    id: str
    version: int
    hash: str

    def as_json(self) -> dict[str, str | int]:
        """Return the reference as JSON values."""
        return {"id": self.id, "version": self.version, "hash": self.hash}


@dataclass(frozen=True)
class Agreement:
    """One version of an agreement with the signatures this node holds; what follows from it is computed once."""

    document: Document
    envelope: Envelope
    signed_by: frozenset[NationId]
    not_before: datetime
    not_after: datetime
    suspended: bool = False

    @cached_property
    def reference(self) -> Reference:
        """Return id, version and hash."""
        digest = hashlib.sha256(self.envelope.payload).hexdigest()
        return Reference(self.document.id, self.document.version, digest)

    @cached_property
    def parties(self) -> frozenset[NationId]:
        """Return the nations that have to sign."""
        return frozenset(NationId(party.nation) for party in self.document.parties)

    @property
    def missing(self) -> frozenset[NationId]:
        """Return the nations that have not signed."""
        return self.parties - self.signed_by

    def state(self, at: datetime) -> State:
        """Return where the agreement stands at an instant."""
        if self.missing:
            return State.PARTLY_SIGNED if self.signed_by else State.DRAFT
        if self.suspended:
            return State.SUSPENDED
        if at < self.not_before:
            return State.NOT_YET_IN_FORCE
        return State.IN_FORCE if at < self.not_after else State.EXPIRED
