"""What a party says about an agreement after it has signed: a signed statement, numbered for each nation.

A statement is canonical JSON (RFC 8785) in a DSSE envelope, signed by the nation's node. It names exactly the text it
is about. The numbers of one nation under one agreement begin at 1 and leave no gap, so that a statement that was kept
back, repeated or exchanged is noticed.

Source: Vienna Convention on the Law of Treaties (1969) Art. 54-60 (withdrawal, suspension) and 67 (how it is said).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from mithaq.agreements.model import Reference
from mithaq.agreements.terms import Part
from mithaq.agreements.vocabulary import Code, Hash, Instant, ObjectKind, Words
from mithaq.kernel.ids import NationId

STATEMENT_TYPE = "application/vnd.mithaq.agreement-statement+json"
MAX_STATEMENT_BYTES = 16 * 1024
MAX_STATEMENTS = 1000
"""How many statements one nation can make about one agreement."""

StatementKind = Literal["suspend", "resume", "withdraw", "object-to-renewal"]
StatementReason = Literal[
    "node-incident", "key-compromise", "suspected-breach", "material-breach", "national-law", "national-decision",
    "technical", "resolved", "other",
]  # fmt: skip
"""Why a statement is made; the words beside it are for people."""


class Cited(Part, frozen=True):
    """The text that a statement is about."""

    id: Annotated[str, msgspec.Meta(pattern=r"^agreement--[0-9a-f-]{36}$")]
    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    hash: Hash

    @property
    def reference(self) -> Reference:
        """Return it as releases cite it."""
        return Reference(self.id, self.version, self.hash)


class Statement(Part, frozen=True):
    """One statement of one nation.

    `target`: the party that is to be suspended, absent where the nation speaks of itself. `scope`: the kinds of object
    that a suspension is limited to, empty for everything. `effective_at`: from when on it counts.
    """

    format_version: Literal[1]
    agreement: Cited
    nation: Code
    sequence: Annotated[int, msgspec.Meta(ge=1, le=MAX_STATEMENTS)]
    kind: StatementKind
    reason: StatementReason
    at: Instant
    effective_at: Instant
    target: Code | None = None
    scope: tuple[ObjectKind, ...] = ()
    words: Words | None = None

    @property
    def subject(self) -> NationId:
        """Return the nation that the statement is about: the target, or who speaks."""
        return NationId(self.target or self.nation)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person wants this nation to say; number, time and signature are added."""

    kind: StatementKind
    reason: StatementReason
    target: NationId | None = None
    scope: tuple[ObjectKind, ...] = ()
    words: Words | None = None
    effective_at: datetime | None = None
