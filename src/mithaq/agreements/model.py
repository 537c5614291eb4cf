"""An agreement as a typed document in a closed vocabulary, and its life."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from mithaq.agreements.terms import Narrowing, Part, Terms
from mithaq.agreements.vocabulary import Code, Count, Days, Hash, Instant, Key, Language, Line, PartyRole, Words
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import Envelope

AGREEMENT_TYPE = "application/vnd.mithaq.agreement+json"
FORMAT = 1


class HybridKey(Part, frozen=True, tag_field="kind", tag="hybrid"):
    """An official's own signing key, kept in a file away from the node; both halves in base64."""

    ed25519: Key
    ml_dsa_65: Key = msgspec.field(name="ml-dsa-65")


class Passkey(Part, frozen=True, tag_field="kind", tag="passkey"):
    """An official's passkey: the credential's public key as COSE bytes in base64 (WebAuthn §6.5.1)."""

    cose: Key
    relying_party: Line


class Official(Part, frozen=True):
    """A person who signs for a party."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,64}$")]
    name: Line
    office: Line
    key: HybridKey | Passkey


class Signatories(Part, frozen=True):
    """Who signs for a party beside its node: `threshold` of these officials."""

    threshold: Count
    officials: Annotated[list[Official], msgspec.Meta(min_length=1, max_length=50)]


class Party(Part, frozen=True):
    """A nation that signs, bound to the key on its card."""

    nation: Code
    key_id: Hash
    names: Words
    role: PartyRole = "party"
    signatories: Signatories | None = None
    stored_in: tuple[Code, ...] = ()
    contacts: Annotated[dict[str, Line], msgspec.Meta(max_length=9)] | None = None


class Entry(Part, frozen=True):
    """When the agreement binds: once all have signed, or `count`, or `count` with the depositary among them."""

    rule: Literal["all", "count", "depositary"] = "all"
    count: Count | None = None
    depositary: Code | None = None


class Renewal(Part, frozen=True):
    """Whether it goes on by itself: `times` more terms of the same length, unless a party objects in time."""

    times: Annotated[int, msgspec.Meta(ge=1, le=20)]
    notice_days: Days


class LegalText(Part, frozen=True):
    """The text that ministers sign, by its SHA-256, for each language; one of them prevails."""

    hashes: Annotated[dict[Language, Hash], msgspec.Meta(min_length=1)]
    prevailing: Language
    precedence: Literal["legal-text", "terms"] = "legal-text"


class Reservation(Part, frozen=True):
    """What one party accepts less of; it counts for what that party gives and for what it receives."""

    nation: Code
    narrows: Narrowing
    statement: Words | None = None


class Document(Part, frozen=True):
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
    entry: Entry = Entry()
    renewal: Renewal | None = None
    legal_text: LegalText | None = None
    reservations: Annotated[tuple[Reservation, ...], msgspec.Meta(max_length=200)] = ()

    def __hash__(self) -> int:
        return hash((self.id, self.version))


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
    """One version of an agreement with the signatures this node holds; what follows from it is computed once.

    `signed_by`: parties whose node and enough of whose officials have signed. `nodes_signed` and `officials_signed`
    (nation and id) say which signatures that rests on. `suspended`: this nation, or enough
    others, suspended the whole agreement. `suspended_parties`: the parties with which nothing is exchanged under it.
    `suspended_kinds`: kinds of object that alone are suspended for a party. `leaving`: from when on a party that
    withdrew is bound no more. `not_after` counts the renewals to which nobody has objected.
    """

    document: Document
    envelope: Envelope
    signed_by: frozenset[NationId]
    not_before: datetime
    not_after: datetime
    suspended: bool = False
    suspended_parties: frozenset[NationId] = frozenset()
    suspended_kinds: Mapping[NationId, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    leaving: Mapping[NationId, datetime] = field(default_factory=lambda: MappingProxyType({}))
    nodes_signed: frozenset[NationId] = frozenset()
    officials_signed: frozenset[tuple[NationId, str]] = frozenset()

    @cached_property
    def reference(self) -> Reference:
        """Return id, version and hash."""
        digest = hashlib.sha256(self.envelope.payload).hexdigest()
        return Reference(self.document.id, self.document.version, digest)

    @cached_property
    def parties(self) -> frozenset[NationId]:
        """Return the nations that have to sign."""
        return frozenset(NationId(party.nation) for party in self.document.parties)

    @cached_property
    def of_role(self) -> Mapping[PartyRole, frozenset[NationId]]:
        """Return the nations in each role."""
        roles: tuple[PartyRole, ...] = ("party", "associate", "observer")
        return {
            role: frozenset(NationId(each.nation) for each in self.document.parties if each.role == role)
            for role in roles
        }

    @property
    def missing(self) -> frozenset[NationId]:
        """Return the nations that have not signed."""
        return self.parties - self.signed_by

    def officials_of(self, nation: str) -> tuple[int, int]:
        """Return how many officials of a party have signed, and how many have to; (0, 0) where none has to."""
        needed = next(
            (
                each.signatories.threshold
                for each in self.document.parties
                if each.nation == nation and each.signatories
            ),
            0,
        )
        return sum(signer == nation for signer, _ in self.officials_signed), needed

    @property
    def is_concluded(self) -> bool:
        """Tell whether as many have signed as its rule of entry asks for."""
        entry = self.document.entry
        if entry.rule == "all":
            return not self.missing
        if entry.rule == "depositary" and entry.depositary not in self.signed_by:
            return False
        return len(self.signed_by) >= (entry.count or len(self.parties))

    def state(self, at: datetime) -> State:
        """Return where the agreement stands at an instant."""
        if not self.is_concluded:
            return State.PARTLY_SIGNED if self.signed_by else State.DRAFT
        if self.suspended:
            return State.SUSPENDED
        if at < self.not_before:
            return State.NOT_YET_IN_FORCE
        return State.IN_FORCE if at < self.not_after else State.EXPIRED
