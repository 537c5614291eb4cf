"""Nations, their cards and their standing."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mithaq.kernel.ids import NationId
from mithaq.kernel.sealing import SealKey
from mithaq.kernel.signing import VerifyKey

CARD_TYPE = "application/vnd.mithaq.card+json"
CARD_FORMAT = 1
_GROUPS, _GROUP_DIGITS = 8, 5


class Standing(StrEnum):
    """What this node thinks of a partner."""

    PENDING = "pending"
    TRUSTED = "trusted"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class OnlineKeys:
    """The public keys a running node signs with, one for each use: statements and requests, its log, as a witness.

    Shapes: log and witness Ed25519 32 bytes each, witness ML-DSA-44 1,312 bytes.
    """

    verify_key: VerifyKey
    log_key: bytes
    witness_ed25519: bytes
    witness_mldsa44: bytes


@dataclass(frozen=True, slots=True)
class Card:
    """A nation's verified statement about itself.

    `root_hash` is the SHA-256 (hexadecimal) over its first root set; `seal_expires_at` is when the sealing key gives
    way to its successor.
    """

    nation: NationId
    names: dict[str, str]
    verify_key: VerifyKey
    seal_key: SealKey
    log_key: bytes
    witness_ed25519: bytes
    witness_mldsa44: bytes
    addresses: tuple[str, ...]
    contact: str
    issued_at: datetime
    expires_at: datetime
    root_hash: str
    seal_expires_at: datetime

    @property
    def online_keys(self) -> OnlineKeys:
        """Return the keys this nation's node signs with."""
        return OnlineKeys(self.verify_key, self.log_key, self.witness_ed25519, self.witness_mldsa44)

    @property
    def fingerprint(self) -> str:
        """Return forty digits in groups of five, to be compared by voice.

        132 bits of the SHA-256 over the nation's code and its first root keys: they outlast every rotation since.
        """
        digest = hashlib.sha256(b"mithaq-fingerprint-2\0" + self.nation.encode() + self.root_hash.encode()).digest()
        digits = str(int.from_bytes(digest, "big") % 10 ** (_GROUPS * _GROUP_DIGITS)).zfill(_GROUPS * _GROUP_DIGITS)
        return " ".join(digits[place : place + _GROUP_DIGITS] for place in range(0, len(digits), _GROUP_DIGITS))


@dataclass(frozen=True, slots=True)
class Partner:
    """A nation whose card this node has.

    `status_at` is when its root officials last spoke: the issue of the newest key statement accepted here, which
    authorises `authorised_key` (Ed25519 and ML-DSA-65, 1,984 bytes).
    """

    card: Card
    standing: Standing
    added_at: datetime
    status_at: datetime | None = None
    status_expires_at: datetime | None = None
    statement_version: int = 0
    authorised_key: bytes = b""

    @property
    def nation(self) -> NationId:
        """Return the partner's code."""
        return self.card.nation

    @property
    def is_trusted(self) -> bool:
        """Tell whether anything may be exchanged."""
        return self.standing is Standing.TRUSTED

    def is_stale(self, at: datetime, max_age: timedelta) -> bool:
        """Tell whether its officials have not spoken for longer than that, so that a stolen key may be at work."""
        return self.status_at is None or at - self.status_at > max_age

    def may_sign(self, at: datetime) -> bool:
        """Tell whether what its card's key signs now counts: the newest statement authorises it and has not expired."""
        key = self.card.verify_key.ed25519 + self.card.verify_key.mldsa65
        return key == self.authorised_key and self.status_expires_at is not None and at < self.status_expires_at

    @property
    def was_compared(self) -> bool:
        """Tell whether the fingerprint was once compared, so that signatures under this key count."""
        return self.standing is not Standing.PENDING
