"""Root keys, key statements, and the keys that follow from a row of statements.

Source: The Update Framework, specification 1.0.33, §5.3 (how a new root follows from the known one).
"""

from dataclasses import dataclass
from datetime import datetime

from mithaq.kernel.ids import NationId
from mithaq.kernel.sealing import SealKey
from mithaq.kernel.signing import VerifyKey
from mithaq.nations.model import OnlineKeys

STATEMENT_TYPE = "application/vnd.mithaq.key-statement+json"
STATEMENT_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Root:
    """One official's root key; the name is for people, the key decides."""

    name: str
    key: VerifyKey


@dataclass(frozen=True, slots=True)
class Revocation:
    """A signing key that nothing may be believed of after an instant."""

    key_id: str
    compromised_at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """What a nation's root officials say of its keys: who they are, what the node signs with, what is revoked."""

    nation: NationId
    version: int
    previous_hash: str | None
    threshold: int
    roots: tuple[Root, ...]
    online: OnlineKeys
    revoked: tuple[Revocation, ...]
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement with the bytes that were signed for it, verified as far as whoever made it says."""

    statement: Statement
    hash: str
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """A statement in its place of a nation's row; `signed_by`: the names of its own roots that have signed it."""

    statement: Statement
    hash: str
    signed_by: tuple[str, ...]
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class SubKey:
    """The public sealing key of a week, and when it was made."""

    key: SealKey
    made_at: datetime


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A signing key that some accepted statement of a nation authorised, with what became of it."""

    nation: NationId
    key: VerifyKey
    authorised_at: datetime
    retired_at: datetime | None
    compromised_at: datetime | None
