"""Nations, their cards and their standing."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
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
    """A nation's verified statement about itself."""

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

    @property
    def online_keys(self) -> OnlineKeys:
        """Return the keys this nation's node signs with."""
        return OnlineKeys(self.verify_key, self.log_key, self.witness_ed25519, self.witness_mldsa44)

    @property
    def fingerprint(self) -> str:
        """Return forty digits in groups of five, to be compared by voice.

        132 bits of the SHA-256 over the nation's code and both halves of its signing key.
        """
        digest = hashlib.sha256(
            b"mithaq-fingerprint-1\0" + self.nation.encode() + self.verify_key.ed25519 + self.verify_key.mldsa65
        ).digest()
        digits = str(int.from_bytes(digest, "big") % 10 ** (_GROUPS * _GROUP_DIGITS)).zfill(_GROUPS * _GROUP_DIGITS)
        return " ".join(digits[place : place + _GROUP_DIGITS] for place in range(0, len(digits), _GROUP_DIGITS))


@dataclass(frozen=True, slots=True)
class Partner:
    """A nation whose card this node has."""

    card: Card
    standing: Standing
    added_at: datetime

    @property
    def nation(self) -> NationId:
        """Return the partner's code."""
        return self.card.nation

    @property
    def is_trusted(self) -> bool:
        """Tell whether anything may be exchanged."""
        return self.standing is Standing.TRUSTED

    @property
    def was_compared(self) -> bool:
        """Tell whether the fingerprint was once compared, so that signatures under this key count."""
        return self.standing is not Standing.PENDING
